/** `/dashboard/keys/{id}`: one key: budgets, spend over time, policy, and what can be done with it. */
import type { Child } from 'hono/jsx'
import type { AdminDeps } from '../admin/deps.ts'
import { keyOf, keyUses } from '../admin/keys.ts'
import { readSpend } from '../admin/spend.ts'
import type { Key } from '../terms.ts'
import { keyStatus } from '../wire/account.ts'
import { readableCount, readableUsd } from '../wire/readable.ts'
import { StackedChart } from './chart.tsx'
import { Frame } from './layout.tsx'
import { Ago, Budgets, Head, KeyStatusPill } from './parts.tsx'
import { labelsOf, queryFor, seriesOf, slotsOf } from './series.ts'

function Confirm({
  id,
  verb,
  label,
  children,
  danger,
}: {
  id: string
  verb: string
  label: string
  children?: Child
  danger?: boolean
}) {
  return (
    <details class="confirm">
      <summary>{label}…</summary>
      <div class="panel">
        <p>{children}</p>
        <form method="post" action={`/dashboard/keys/${encodeURIComponent(id)}/${verb}`}>
          <button type="submit" class={danger ? 'danger' : 'primary'}>
            {label} now
          </button>
        </form>
      </div>
    </details>
  )
}

function Actions({ shown, nowMs }: { shown: Key; nowMs: number }) {
  const status = keyStatus(shown, nowMs)
  if (status === 'revoked') return null
  return (
    <div class="actions">
      {status === 'suspended' && (
        <form method="post" action={`/dashboard/keys/${encodeURIComponent(shown.id)}/resume`}>
          <button type="submit" class="primary">
            Resume
          </button>
        </form>
      )}
      {status === 'active' && (
        <>
          <Confirm id={shown.id} verb="rotate" label="Rotate">
            A new key with the same budgets and limits. This one keeps working for another 24 hours.
          </Confirm>
          <Confirm id={shown.id} verb="suspend" label="Suspend">
            Every request with this key is refused at once, until you resume it.
          </Confirm>
        </>
      )}
      <Confirm id={shown.id} verb="revoke" label="Revoke" danger>
        The key ends at once and for good. Programs that use it stop working.
      </Confirm>
    </div>
  )
}

const listed = (entries: readonly string[] | null, all: string): string =>
  entries === null ? all : entries.length === 0 ? 'none' : entries.join(', ')

function limitsText({ limits }: Key): string {
  const named = [
    ['requests a minute', limits.rpm],
    ['tokens a minute', limits.tpm],
    ['requests a day', limits.rpd],
    ['at the same time', limits.concurrency],
    ['at once', limits.burst ?? null],
  ] as const
  const set = named.flatMap(([name, value]) => (value === null ? [] : [`${readableCount(value)} ${name}`]))
  return set.join(' · ') || 'none'
}

function Facts({ shown, nowMs }: { shown: Key; nowMs: number }) {
  const facts: readonly (readonly [string, Child])[] = [
    ['Id', <code>{shown.id}</code>],
    ['Environment', shown.env],
    ['Models', listed(shown.models, 'all')],
    ['Providers', listed(shown.providers, 'all')],
    ['Regions', listed(shown.regions, 'all')],
    ['Limits', limitsText(shown)],
    ['Addresses', listed(shown.ipAllow, 'any')],
    [
      'Output limit',
      shown.maxOutputTokens === null ? 'none' : `${readableCount(shown.maxOutputTokens)} tokens`,
    ],
    ['Default model', shown.defaultModel ?? 'none'],
    ['Owner', shown.owner ?? 'none'],
    ['Project', shown.project ?? 'none'],
    ['Tags', shown.tags.join(', ') || 'none'],
    ['Made', <Ago ms={shown.createdAtMs} nowMs={nowMs} />],
    ['Ends', <Ago ms={shown.expiresAtMs} nowMs={nowMs} />],
  ]
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <>
          <dt>{name}</dt>
          <dd class={value === 'none' || value === 'any' || value === 'all' ? 'muted' : ''}>{value}</dd>
        </>
      ))}
    </dl>
  )
}

/** One key. Throws 404 `not_found`. */
export async function keyPage(deps: AdminDeps, id: string) {
  const key = keyOf(deps, id)
  const now = deps.clock.now()
  const use = (await keyUses(deps)).get(key.id)
  const slots = slotsOf('30d', now)
  const { rows, total } = await readSpend(deps, { ...queryFor(slots, 'model'), keyIds: [key.id] })
  return (
    <Frame title={key.name} place="Keys">
      <Head title={key.name} crumb={<a href="/dashboard/keys">Keys</a>}>
        <Actions shown={key} nowMs={now} />
      </Head>
      <dl class="card stats">
        <div class="stat">
          <dt>Status</dt>
          <dd class="value">
            <KeyStatusPill status={keyStatus(key, now)} />
          </dd>
        </div>
        <div class="stat">
          <dt>Spent in all</dt>
          <dd class="value">{readableUsd(use?.spentNanoUsd ?? 0)}</dd>
        </div>
        <div class="stat">
          <dt>Last 30 days</dt>
          <dd class="value">{readableUsd(total?.costNanoUsd ?? 0)}</dd>
        </div>
        <div class="stat">
          <dt>Requests, 30 days</dt>
          <dd class="value">{readableCount(total?.requests ?? 0)}</dd>
        </div>
        <div class="stat">
          <dt>Last used</dt>
          <dd class="value">
            <Ago ms={use?.lastUsedAtMs} nowMs={now} />
          </dd>
        </div>
      </dl>
      <section class="card">
        <header>
          <h2>Spend by model</h2>
          <a class="small muted" href={`/dashboard/requests?key=${encodeURIComponent(key.id)}`}>
            Its requests →
          </a>
        </header>
        <div class="body">
          {rows.length === 0 ? (
            <p class="muted">Nothing in the last 30 days.</p>
          ) : (
            <StackedChart
              title="Spend by model, per day"
              slots={labelsOf(slots)}
              series={seriesOf(rows, 'model', slots, model => model || '–')}
            />
          )}
        </div>
      </section>
      <div class="grid-2">
        <section class="card">
          <header>
            <h2>Budgets</h2>
          </header>
          <div class="body">
            <Budgets budgets={key.budgets} uses={deps.ledger.usageOf(key)} nowMs={now} />
          </div>
        </section>
        <section class="card">
          <header>
            <h2>What it may do</h2>
          </header>
          <div class="body">
            <Facts shown={key} nowMs={now} />
          </div>
        </section>
      </div>
    </Frame>
  )
}
