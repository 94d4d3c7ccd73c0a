/** `/dashboard/keys/{id}`: one key: budgets, spend over time, policy, and what can be done with it. */
import type { Child } from 'hono/jsx'
import type { AdminDeps } from '../admin/deps.ts'
import { keyOf, kinIdsOf, lineageUses } from '../admin/keys.ts'
import { readSpend } from '../admin/spend.ts'
import type { SpendRow } from '../store/store.ts'
import type { Key } from '../terms.ts'
import { keyStatus, type LineageUse } from '../wire/account.ts'
import { hoursText } from '../keys/hours.ts'
import { readableCount, readableUsd } from '../wire/readable.ts'
import { History } from './audit.tsx'
import { StackedChart } from './chart.tsx'
import { useValuesOf } from './forms.ts'
import { type NewKeyForm, UseFields } from './keys.tsx'
import { Frame } from './layout.tsx'
import { onceToken } from './once.ts'
import { Ago, Budgets, Confirm, Head, KeyStatusPill } from './parts.tsx'
import { labelsOf, queryFor, seriesOf, slotsOf } from './series.ts'

function Actions({ shown, nowMs }: { shown: Key; nowMs: number }) {
  const status = keyStatus(shown, nowMs)
  const path = `/dashboard/keys/${encodeURIComponent(shown.id)}`
  if (status === 'revoked') return null
  return (
    <div class="actions">
      {status === 'suspended' && (
        <form method="post" action={`${path}/resume`}>
          <button type="submit" class="primary">
            Resume
          </button>
        </form>
      )}
      {status === 'active' && (
        <>
          <Confirm action={`${path}/rotate`} label="Rotate" fields={{ once: onceToken() }}>
            A new key with the same budgets and limits. This one keeps working for another 24 hours.
          </Confirm>
          <Confirm action={`${path}/suspend`} label="Suspend">
            Every request with this key is refused at once, until you resume it.
          </Confirm>
        </>
      )}
      <Confirm action={`${path}/revoke`} label="Revoke" danger>
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
    ['Routes', listed(shown.scopes ?? null, 'all')],
    ['Limits', limitsText(shown)],
    ['Addresses', listed(shown.ipAllow, 'any')],
    ['Pages in browsers', listed(shown.originAllow ?? null, 'any')],
    ['Hours', shown.hours ? hoursText(shown.hours) || 'never' : 'any'],
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

interface StatsProps {
  readonly shown: Key
  readonly use: LineageUse | undefined
  /** Of the last 30 days. */
  readonly spent: SpendRow | undefined
  readonly nowMs: number
}

function Stats({ shown, use, spent, nowMs }: StatsProps) {
  return (
    <dl class="card stats">
      <div class="stat">
        <dt>Status</dt>
        <dd class="value">
          <KeyStatusPill status={keyStatus(shown, nowMs)} />
        </dd>
      </div>
      <div class="stat">
        <dt>Spent in all</dt>
        <dd class="value">{readableUsd(use?.spentNanoUsd ?? 0)}</dd>
      </div>
      <div class="stat">
        <dt>Last 30 days</dt>
        <dd class="value">{readableUsd(spent?.costNanoUsd ?? 0)}</dd>
      </div>
      <div class="stat">
        <dt>Requests, 30 days</dt>
        <dd class="value">{readableCount(spent?.requests ?? 0)}</dd>
      </div>
      <div class="stat">
        <dt>Last used</dt>
        <dd class="value">
          <Ago ms={use?.lastUsedAtMs} nowMs={nowMs} />
        </dd>
      </div>
    </dl>
  )
}

/** Routes, pages and hours, to be changed. */
function UseForm({ shown, form }: { shown: Key; form: NewKeyForm }) {
  return (
    <details class="card" open={form.fault !== undefined} id="use">
      <summary>Change routes, pages and hours</summary>
      <div class="body">
        <form method="post" action={`/dashboard/keys/${encodeURIComponent(shown.id)}/use`} class="form">
          {form.fault && (
            <p class="notice bad w6" role="alert">
              {form.fault.message}
            </p>
          )}
          <UseFields form={form} />
          <div class="w6">
            <button type="submit" class="primary">
              Change
            </button>
          </div>
        </form>
      </div>
    </details>
  )
}

/** One key; `form` holds what was typed when a change was refused. Throws 404 `not_found`. */
export async function keyPage(deps: AdminDeps, id: string, form?: NewKeyForm) {
  const key = keyOf(deps, id)
  const now = deps.clock.now()
  const use = (await lineageUses(deps)).get(key.id)
  const slots = slotsOf('30d', now)
  const { rows, total } = await readSpend(deps, { ...queryFor(slots, 'model'), keyIds: kinIdsOf(deps, key) })
  return (
    <Frame title={key.name} place="Keys">
      <Head title={key.name} crumb={<a href="/dashboard/keys">Keys</a>}>
        <Actions shown={key} nowMs={now} />
      </Head>
      <Stats shown={key} use={use} spent={total} nowMs={now} />
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
      {key.status !== 'revoked' && (
        <UseForm shown={key} form={form ?? { values: useValuesOf(key), fault: undefined }} />
      )}
      <History deps={deps} target={`key:${key.id}`} />
    </Frame>
  )
}
