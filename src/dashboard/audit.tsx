/** `/dashboard/audit`: who changed what, filtered and paged; whether the log is whole; and the history of one thing for its own page. */
import type { AdminDeps } from '../admin/deps.ts'
import { auditPage, auditWire, parseAuditQuery } from '../admin/audit.ts'
import type { AuditRow } from '../store/store.ts'
import { readableCount } from '../wire/readable.ts'
import { Choice, Words } from './filters.tsx'
import { Frame } from './layout.tsx'
import { Ago, Head } from './parts.tsx'

const ACTORS = [
  ['', 'Anybody'],
  ['admin', 'Admin token'],
  ['dashboard', 'Dashboard'],
  ['local', 'Command line'],
  ['gateway', 'Gateway itself'],
  ['caller', 'Callers (refused)'],
  ['stranger', 'Strangers (refused)'],
] as const

const ACTIONS = [
  ['', 'Anything'],
  ['key', 'Keys'],
  ['project', 'Projects'],
  ['credential', 'Credentials'],
  ['request', 'Releases'],
  ['session', 'Sign-ins'],
  ['admin_token', 'Admin token'],
  ['vault', 'Vault'],
  ['config', 'Configuration'],
  ['gateway', 'Starts and stops'],
] as const

const VALUE_CHARS = 120

const whoOf = (actor: string): string => ACTORS.find(([name]) => name === actor)?.[1] ?? actor

/** `{"rpm":60}` as `rpm 60`. */
function wordsOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(wordsOf).join('; ') || 'none'
  if (typeof value !== 'object' || value === null) return String(value ?? 'none')
  const members = Object.entries(value).filter(([, member]) => member !== null)
  return (
    members.map(([name, member]) => `${name.replaceAll('_', ' ')} ${wordsOf(member)}`).join(', ') || 'none'
  )
}

function valueText(value: unknown): string {
  const text = wordsOf(value)
  return text.length > VALUE_CHARS ? `${text.slice(0, VALUE_CHARS - 1)}…` : text
}

/** Changed fields as `name: before → after`, and what else the row says. */
function Detail({ row }: { row: AuditRow }) {
  const { before, after, ...rest } = auditWire(row).detail as Record<string, Record<string, unknown>>
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])]
  const others = Object.entries(rest)
  if (names.length + others.length === 0) return <span class="muted">–</span>
  return (
    <span>
      {names.map(name => (
        <span class="sub">
          {name.replaceAll('_', ' ')}:{' '}
          {before?.[name] !== undefined && before[name] !== null && `${valueText(before[name])} → `}
          {valueText(after?.[name])}
        </span>
      ))}
      {others.map(([name, value]) => (
        <span class="sub">
          {name.replaceAll('_', ' ')}: {valueText(value)}
        </span>
      ))}
    </span>
  )
}

const isRefusal = ({ action }: AuditRow): boolean => action.endsWith('.refused')

/** Where the thing has a page of its own. */
function Target({ deps, target }: { deps: AdminDeps; target: string | null }) {
  if (target === null) return <span class="muted">–</span>
  const [kind, id = ''] = target.split(/:(.*)/s)
  const key = kind === 'key' ? deps.keys.get(id) : undefined
  if (key) return <a href={`/dashboard/keys/${encodeURIComponent(id)}`}>{key.name}</a>
  if (kind === 'request') return <a href={`/dashboard/requests/${encodeURIComponent(id)}`}>{id}</a>
  return <a href={`/dashboard/audit?target=${encodeURIComponent(target)}`}>{target}</a>
}

function Rows({
  deps,
  rows,
  nowMs,
  caption,
  hasTarget = true,
}: {
  deps: AdminDeps
  rows: readonly AuditRow[]
  nowMs: number
  caption: string
  hasTarget?: boolean
}) {
  return (
    <table class="fold">
      <caption class="hidden-label">{caption}</caption>
      <thead>
        <tr>
          <th scope="col">What</th>
          {hasTarget && <th scope="col">Target</th>}
          <th scope="col">Change</th>
          <th scope="col">Who</th>
          <th scope="col" class="num">
            When
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <tr id={`row-${row.seq}`}>
            <td>
              <span class={isRefusal(row) ? 'pill warn' : 'pill'}>{row.action.replaceAll('_', ' ')}</span>
              <span class="sub">#{row.seq}</span>
            </td>
            {hasTarget && (
              <td data-label="Target">
                <Target deps={deps} target={row.target} />
              </td>
            )}
            <td data-label="Change">
              <Detail row={row} />
            </td>
            <td data-label="Who">
              <span>
                <span class="words">{whoOf(row.actor)}</span>
                {row.address !== null && <span class="sub">{row.address}</span>}
              </span>
            </td>
            <td class="num" data-label="When">
              <Ago ms={row.atMs} nowMs={nowMs} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Filters({ query }: { query: URLSearchParams }) {
  return (
    <form method="get" action="/dashboard/audit" class="filters">
      <Choice name="action" label="What" choices={ACTIONS} chosen={query.get('action') ?? ''} />
      <Choice name="actor" label="Who" choices={ACTORS} chosen={query.get('actor') ?? ''} />
      <Words name="target" label="Target" hint="Any id" said={query.get('target') ?? ''} />
      <button type="submit">Filter</button>
    </form>
  )
}

/** The answer to "is it whole?", asked by a link: it walks the whole log. */
async function Verdict({ deps }: { deps: AdminDeps }) {
  const { ok, rows, head, fault } = await deps.audit.verify()
  if (ok)
    return (
      <p class="notice ok" role="status">
        The log is whole: {readableCount(rows)} rows{head && `, head ${head.hash.slice(0, 16)}…`}
      </p>
    )
  return (
    <p class="notice bad" role="alert">
      Row {fault?.seq} is wrong ({fault?.kind}): {fault?.message}.
    </p>
  )
}

/** The list. Throws `invalid_request` for a filter that cannot be. */
export async function auditListPage(deps: AdminDeps, query: URLSearchParams) {
  const { data, nextCursor } = await auditPage(deps, parseAuditQuery(query))
  const first = query.get('cursor') === null
  const filtered = ['action', 'actor', 'target'].some(name => query.get(name))
  const linkTo = (cursor: string | null): string => {
    const next = new URLSearchParams(query)
    for (const name of ['cursor', 'verify']) next.delete(name)
    if (cursor !== null) next.set('cursor', cursor)
    return `/dashboard/audit?${next}`
  }
  return (
    <Frame title="Audit" place="Audit">
      <Head title="Audit">
        <a class="button" href="/dashboard/audit?verify=1">
          Is it whole?
        </a>
      </Head>
      {query.get('verify') === '1' && <Verdict deps={deps} />}
      <Filters query={query} />
      {data.length === 0 ? (
        <section class="card empty">
          <h2>{filtered ? 'Nothing matches' : 'Nothing yet'}</h2>
          <p>{filtered ? 'Try another filter.' : 'Every change made here leaves a row.'}</p>
          {filtered && (
            <a class="button" href="/dashboard/audit">
              Clear the filters
            </a>
          )}
        </section>
      ) : (
        <section class="card scroll">
          <Rows deps={deps} rows={data} nowMs={deps.clock.now()} caption="Changes, newest first" />
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
        {nextCursor && (
          <a class="button" href={linkTo(nextCursor)}>
            Older
          </a>
        )}
      </nav>
    </Frame>
  )
}

const HISTORY_ROWS = 10

/** What became of one thing, for its own page. `target` as in `key:1a2b`. */
export async function History({ deps, target }: { deps: AdminDeps; target: string }) {
  const query = { order: 'newest', limit: HISTORY_ROWS, targets: [target] } as const
  const { data, nextCursor } = await auditPage(deps, query)
  return (
    <section class="card">
      <header>
        <h2>History</h2>
        {nextCursor && (
          <a class="small muted" href={`/dashboard/audit?target=${encodeURIComponent(target)}`}>
            All of it →
          </a>
        )}
      </header>
      {data.length === 0 ? (
        <div class="body">
          <p class="muted">Nothing was written down of it: it is older than the audit log.</p>
        </div>
      ) : (
        <div class="scroll">
          <Rows
            deps={deps}
            rows={data}
            nowMs={deps.clock.now()}
            caption="What became of it, newest first"
            hasTarget={false}
          />
        </div>
      )}
    </section>
  )
}
