/** `/dashboard/targets`: every target's health, speed and price. */
import type { AdminDeps } from '../admin/deps.ts'
import { pageOf } from '../admin/page.ts'
import { type TargetView, targetViews } from '../admin/targets.ts'
import { PICO_PER_USD_PER_MTOK } from '../price.ts'
import { readableCount, readableMs, readableShare, readableUsd } from '../wire/readable.ts'
import { Frame } from './layout.tsx'
import { Ago, Head, HealthPill } from './parts.tsx'

/** Pico-USD per token → USD per million tokens as people read it. */
const perMtok = (pico: number): string => readableUsd((pico / PICO_PER_USD_PER_MTOK) * 1e9)

function Row({ view, nowMs }: { view: TargetView; nowMs: number }) {
  const { offer, site } = view.listing
  const { state } = view
  const none = <span class="muted">–</span>
  return (
    <tr>
      <td>
        <span class="strong">{offer.model}</span>
        <span class="sub">
          {site.name}
          {view.credential && ` · ${view.credential.name}`}
          {offer.upstream !== offer.model && ` · ${offer.upstream}`}
        </span>
      </td>
      <td data-label="Health">
        <HealthPill health={view.health} />
        {view.outUntilMs !== null && (
          <span class="sub">
            back <Ago ms={view.outUntilMs} nowMs={nowMs} />
          </span>
        )}
      </td>
      <td class="num" data-label="Failures">
        {state === undefined ? none : readableShare(state.errorRate)}
      </td>
      <td class="num" data-label="First token">
        {state?.ttftMs === undefined ? none : readableMs(state.ttftMs)}
      </td>
      <td class="num" data-label="Tokens a second">
        {state?.tokensPerSecond === undefined ? none : readableCount(Math.round(state.tokensPerSecond))}
      </td>
      <td class="num" data-label="Context">
        {offer.contextTokens === undefined ? none : readableCount(offer.contextTokens)}
      </td>
      <td class="num" data-label="Price in / out per million">
        {offer.price === undefined ? (
          <span class="muted">unknown</span>
        ) : offer.price.units ? (
          'by the unit'
        ) : (
          `${perMtok(offer.price.inputPico)} / ${perMtok(offer.price.outputPico)}`
        )}
      </td>
    </tr>
  )
}

function Filters({ deps, query }: { deps: AdminDeps; query: URLSearchParams }) {
  return (
    <form method="get" action="/dashboard/targets" class="filters">
      <div class="field">
        <label for="filter-provider">Provider</label>
        <select id="filter-provider" name="provider">
          <option value="">All providers</option>
          {[...new Set(deps.market().sites.map(site => site.name))].map(name => (
            <option value={name} selected={query.get('provider') === name}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <div class="field">
        <label for="filter-model">Model</label>
        <input
          id="filter-model"
          name="model"
          value={query.get('model') ?? ''}
          placeholder="Any model"
          autocomplete="off"
        />
      </div>
      <button type="submit">Filter</button>
    </form>
  )
}

function Empty({ filtered }: { filtered: boolean }) {
  if (filtered) {
    return (
      <section class="card empty">
        <h2>No target matches</h2>
        <a class="button" href="/dashboard/targets">
          Clear the filters
        </a>
      </section>
    )
  }
  return (
    <section class="card empty">
      <h2>No provider is configured</h2>
      <p>
        Set a provider’s key in the environment (<code>OPENAI_API_KEY</code>, <code>ANTHROPIC_API_KEY</code>,{' '}
        <code>GEMINI_API_KEY</code>, …), or add one:
      </p>
      <pre>
        <code>switchgate credential add openai</code>
      </pre>
    </section>
  )
}

/** The list, those that had traffic first. */
export function targetsPage(deps: AdminDeps, query: URLSearchParams) {
  const [provider, model, cursor] = ['provider', 'model', 'cursor'].map(name => query.get(name))
  const samples = (view: TargetView): number => view.state?.samples ?? 0
  const views = targetViews(deps, provider, model).toSorted((a, b) => samples(b) - samples(a))
  const paging = new URLSearchParams(cursor ? { cursor } : {})
  const page = pageOf(views, view => view.id, paging)
  const now = deps.clock.now()
  const next = new URLSearchParams(query)
  if (page.nextCursor !== null) next.set('cursor', page.nextCursor)
  return (
    <Frame title="Targets" place="Targets" {...(!cursor && { refreshSeconds: 15 })}>
      <Head title="Targets">
        <span class="muted num">{readableCount(views.length)} in all</span>
      </Head>
      <Filters deps={deps} query={query} />
      {page.data.length === 0 ? (
        <Empty filtered={Boolean(provider || model)} />
      ) : (
        <section class="card scroll">
          <table class="fold">
            <caption class="hidden-label">Targets, busiest first</caption>
            <thead>
              <tr>
                <th scope="col">Target</th>
                <th scope="col">Health</th>
                <th scope="col" class="num">
                  Failures
                </th>
                <th scope="col" class="num">
                  First token
                </th>
                <th scope="col" class="num">
                  Tokens/s
                </th>
                <th scope="col" class="num">
                  Context
                </th>
                <th scope="col" class="num">
                  In / out per million
                </th>
              </tr>
            </thead>
            <tbody>
              {page.data.map(view => (
                <Row view={view} nowMs={now} />
              ))}
            </tbody>
          </table>
        </section>
      )}
      {page.nextCursor && (
        <nav class="pager" aria-label="Paging">
          <span></span>
          <a class="button" href={`/dashboard/targets?${next}`}>
            More
          </a>
        </nav>
      )}
    </Frame>
  )
}
