/** `/dashboard/requests`: recent requests, filtered and paged. */
import type { AdminDeps } from '../admin/deps.ts'
import { keysNewestFirst } from '../admin/keys.ts'
import { parseRequestQuery } from '../admin/requests.ts'
import type { StoredRequest } from '../store/store.ts'
import { requestCost } from '../wire/account.ts'
import { readableCount, readableMs, readableUsd } from '../wire/readable.ts'
import { Choice, Words } from './filters.tsx'
import { Frame } from './layout.tsx'
import { Ago, Head, HttpStatusPill } from './parts.tsx'

const STATUSES = [
  ['', 'Any status'],
  ['2xx', 'Answered (2xx)'],
  ['4xx', 'Refused (4xx)'],
  ['429', 'Limited (429)'],
  ['5xx', 'Failed (5xx)'],
] as const

/** Keys offered in the filter; with more of them, the filter is set from a key's own page. */
const CHOICES_MAX = 200

function Filters({ deps, query }: { deps: AdminDeps; query: URLSearchParams }) {
  const chosen = query.get('key') ?? ''
  const keys = keysNewestFirst(deps).slice(0, CHOICES_MAX)
  const choices = [['', 'All keys'], ...keys.map(({ id, name }) => [id, name] as const)] as const
  return (
    <form method="get" action="/dashboard/requests" class="filters">
      <Choice name="key" label="Key" choices={choices} chosen={chosen} other={deps.keys.get(chosen)?.name} />
      <Words name="model" label="Model" hint="Any model" said={query.get('model') ?? ''} />
      <Choice name="status" label="Status" choices={STATUSES} chosen={query.get('status') ?? ''} />
      <button type="submit">Filter</button>
    </form>
  )
}

function Row({ deps, request, nowMs }: { deps: AdminDeps; request: StoredRequest; nowMs: number }) {
  const last = request.attempts.find(attempt => attempt.last) ?? request.attempts.at(-1)
  if (last === undefined) return null
  const cost = requestCost(request.attempts)
  const tries = request.attempts.length
  return (
    <tr>
      <td>
        <a class="strong" href={`/dashboard/requests/${encodeURIComponent(request.id)}`}>
          {last.model || last.requestedModel}
        </a>
        <span class="sub">
          {last.provider || 'not sent'}
          {tries > 1 && ` · ${tries} attempts`}
          {last.stream && ' · stream'}
        </span>
      </td>
      <td data-label="Key">
        <a href={`/dashboard/keys/${encodeURIComponent(last.keyId)}`}>
          {deps.keys.get(last.keyId)?.name ?? last.keyId}
        </a>
      </td>
      <td data-label="Status">
        <HttpStatusPill status={last.status} />
      </td>
      <td class="num" data-label="Tokens in / out">
        {last.usage === null ? (
          <span class="muted">–</span>
        ) : (
          `${readableCount(last.usage.inputTokens)} / ${readableCount(last.usage.outputTokens)}`
        )}
      </td>
      <td class="num" data-label="First token">
        {last.ttftMs === null ? <span class="muted">–</span> : readableMs(last.ttftMs)}
      </td>
      <td class="num" data-label="Total">
        {readableMs(last.totalMs)}
      </td>
      <td class="num" data-label="Cost">
        {cost === null ? <span class="muted">unknown</span> : readableUsd(cost)}
      </td>
      <td class="num" data-label="When">
        <Ago ms={last.createdAtMs} nowMs={nowMs} />
      </td>
    </tr>
  )
}

/** The list. Throws `invalid_request` for a filter that cannot be. */
export async function requestsPage(deps: AdminDeps, query: URLSearchParams) {
  const parsed = parseRequestQuery(query)
  await deps.ledger.fold()
  const page = await deps.store.requests(parsed)
  const now = deps.clock.now()
  const filtered = ['key', 'model', 'status'].some(name => query.get(name))
  const first = query.get('cursor') === null
  const linkTo = (cursor: string | null): string => {
    const next = new URLSearchParams(query)
    next.delete('cursor')
    if (cursor !== null) next.set('cursor', cursor)
    return `/dashboard/requests?${next}`
  }
  return (
    <Frame title="Requests" place="Requests" {...(first && { refreshSeconds: 10 })}>
      <Head title="Requests" />
      <Filters deps={deps} query={query} />
      {page.data.length === 0 ? (
        <section class="card empty">
          <h2>{filtered ? 'No request matches' : 'No requests yet'}</h2>
          <p>
            {filtered
              ? 'Try another key, model or status.'
              : 'Requests appear here when they have ended, with their cost and every attempt.'}
          </p>
          {filtered ? (
            <a class="button" href="/dashboard/requests">
              Clear the filters
            </a>
          ) : (
            <a class="button primary" href="/dashboard/keys?new=1">
              Make a key
            </a>
          )}
        </section>
      ) : (
        <section class="card scroll">
          <table class="fold">
            <caption class="hidden-label">Requests, newest first</caption>
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col">Key</th>
                <th scope="col">Status</th>
                <th scope="col" class="num">
                  Tokens in / out
                </th>
                <th scope="col" class="num">
                  First token
                </th>
                <th scope="col" class="num">
                  Total
                </th>
                <th scope="col" class="num">
                  Cost
                </th>
                <th scope="col" class="num">
                  When
                </th>
              </tr>
            </thead>
            <tbody>
              {page.data.map(request => (
                <Row deps={deps} request={request} nowMs={now} />
              ))}
            </tbody>
          </table>
        </section>
      )}
      <nav class="pager" aria-label="Paging">
        {first ? (
          <span></span>
        ) : (
          <a class="button" href={linkTo(null)}>
            Newest
          </a>
        )}
        {page.nextCursor && (
          <a class="button" href={linkTo(page.nextCursor)}>
            Older
          </a>
        )}
      </nav>
    </Frame>
  )
}
