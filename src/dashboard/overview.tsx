/** `/dashboard`: what is spent, by whom, on what, and whether it works. */
import type { AdminDeps } from '../admin/deps.ts'
import { readSpend } from '../admin/spend.ts'
import type { SpendRow } from '../store/store.ts'
import { monthOf, sumOf } from '../wire/spend.ts'
import { readableCount, readableShare, readableUsd } from '../wire/readable.ts'
import { StackedChart } from './chart.tsx'
import { Frame } from './layout.tsx'
import { Bar, Head, Segments } from './parts.tsx'
import { PassedLimits } from './projects.tsx'
import { labelsOf, queryFor, RANGES, type Range, seriesOf, slotsOf } from './series.ts'

const DAY_MS = 86_400_000
/** Requests looked at for the share of errors. */
const RECENT = 200

interface Stat {
  readonly label: string
  readonly value: string
  readonly note: string
}

async function totalOf(deps: AdminDeps, fromMs: number, toMs: number): Promise<SpendRow | undefined> {
  return (await deps.store.spend({ fromMs, toMs, groupBy: [] }))[0]
}

async function statsOf(deps: AdminDeps): Promise<Stat[]> {
  const now = deps.clock.now()
  const today = Math.floor(now / DAY_MS) * DAY_MS
  const end = today + DAY_MS
  const month = monthOf(now)
  const [day, before, week, days30, monthly] = await Promise.all([
    totalOf(deps, today, end),
    totalOf(deps, today - DAY_MS, today),
    totalOf(deps, end - 7 * DAY_MS, end),
    totalOf(deps, end - 30 * DAY_MS, end),
    totalOf(deps, month.fromMs, month.toMs),
  ])
  const recent = (await deps.store.requests({ limit: RECENT })).data
  const failed = recent.filter(request => !isFine(request.attempts.find(row => row.last)?.status ?? 0)).length
  const money = (row: SpendRow | undefined) => readableUsd(row?.costNanoUsd ?? 0)
  const unpriced = days30?.unpricedRequests ?? 0
  return [
    { label: 'Today', value: money(day), note: `${money(before)} yesterday` },
    { label: 'Last 7 days', value: money(week), note: `${readableCount(week?.requests ?? 0)} requests` },
    { label: 'Last 30 days', value: money(days30), note: `${money(monthly)} this month` },
    {
      label: 'Requests today',
      value: readableCount(day?.requests ?? 0),
      note: `${readableCount((day?.inputTokens ?? 0) + (day?.outputTokens ?? 0))} tokens`,
    },
    {
      label: 'Errors',
      value: recent.length === 0 ? '–' : readableShare(failed / recent.length),
      note: recent.length === 0 ? 'no requests yet' : `of the last ${recent.length} requests`,
    },
    // what nobody knows the price of is in no sum: it must not pass for nothing
    ...(unpriced > 0
      ? [
          {
            label: 'Unpriced traffic',
            value: readableCount(unpriced),
            note: 'requests in 30 days, not in the spend',
          },
        ]
      : []),
  ]
}

const isFine = (status: number): boolean => status >= 200 && status < 400

function Stats({ stats }: { stats: readonly Stat[] }) {
  return (
    <dl class="card stats">
      {stats.map(stat => (
        <div class="stat">
          <dt>{stat.label}</dt>
          <dd class="value">{stat.value}</dd>
          <dd class="note">{stat.note}</dd>
        </div>
      ))}
    </dl>
  )
}

interface Ranked {
  readonly name: string
  readonly href: string
  readonly row: SpendRow
}

function Top({ title, unit, ranked }: { title: string; unit: string; ranked: readonly Ranked[] }) {
  const most = Math.max(1, ...ranked.map(entry => entry.row.costNanoUsd))
  return (
    <section class="card">
      <table class="top">
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">{unit}</th>
            <th scope="col" class="num">
              Requests
            </th>
            <th scope="col" class="num wide">
              Tokens
            </th>
            <th scope="col" class="num">
              Spend
            </th>
          </tr>
        </thead>
        <tbody>
          {ranked.map(({ name, href, row }) => (
            <tr>
              <td>
                <a class="strong" href={href}>
                  {name}
                </a>
                <Bar share={row.costNanoUsd / most} />
              </td>
              <td class="num">{readableCount(row.requests)}</td>
              <td class="num wide">{readableCount(row.inputTokens + row.outputTokens)}</td>
              <td class="num">{readableUsd(row.costNanoUsd)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

/** What to do when nothing has happened yet. */
function FirstSteps({ deps, origin }: { deps: AdminDeps; origin: string }) {
  const model = deps.market().listings[0]?.offer.model ?? 'demo/echo'
  const command = `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer $SWITCHGATE_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model":"${model}","messages":[{"role":"user","content":"Hello"}]}'`
  return (
    <section class="card empty">
      <h2>Nothing has been spent here yet</h2>
      <p>
        Make a key, put it into <code>SWITCHGATE_KEY</code>, and send a first request. It shows up here when
        its last byte has gone out.
      </p>
      <a class="button primary" href="/dashboard/keys?new=1">
        Make a key
      </a>
      <pre>
        <code>{command}</code>
      </pre>
    </section>
  )
}

/** Rows summed over time, dearest first. */
function sumBy(rows: readonly SpendRow[], group: 'key'): SpendRow[] {
  const byName = Map.groupBy(rows, row => row.group[group] ?? '')
  const sums = Array.from(byName, ([name, list]) => ({ ...sumOf(list), group: { [group]: name } }))
  return sums.sort((a, b) => b.costNanoUsd - a.costNanoUsd)
}

/** The overview for a range. `origin` = where the data plane answers, for the first command. */
export async function overviewPage(deps: AdminDeps, wanted: string | null, origin: string) {
  const range: Range = RANGES.find(known => known === wanted) ?? '7d'
  const slots = slotsOf(range, deps.clock.now())
  const { rows } = await readSpend(deps, queryFor(slots, 'key'))
  const window = { fromMs: slots.fromMs, toMs: slots.toMs }
  const keys = sumBy(rows, 'key')
  const models = await deps.store.spend({ ...window, groupBy: ['model'] })
  const stats = await statsOf(deps)
  const nameOf = (id: string) => deps.keys.get(id)?.name ?? id
  const topKeys = keys.slice(0, 6).map(row => {
    const id = row.group.key ?? ''
    return { name: nameOf(id), href: `/dashboard/keys/${encodeURIComponent(id)}`, row }
  })
  const topModels = models.slice(0, 6).map(row => {
    const model = row.group.model ?? ''
    return { name: model || '–', href: `/dashboard/requests?model=${encodeURIComponent(model)}`, row }
  })
  const ranges = RANGES.map(item => [item, `/dashboard?range=${item}`, item === range] as const)
  return (
    <Frame title="Overview" place="Overview" refreshSeconds={15}>
      <Head title="Overview">
        <Segments label="Range" items={ranges} />
      </Head>
      <PassedLimits deps={deps} />
      <Stats stats={stats} />
      {rows.length === 0 ? (
        <FirstSteps deps={deps} origin={origin} />
      ) : (
        <>
          <section class="card">
            <header>
              <h2>Spend by key</h2>
              <span class="muted small">per {slots.unit}, UTC</span>
            </header>
            <div class="body">
              <StackedChart
                title={`Spend by key, per ${slots.unit}`}
                slots={labelsOf(slots)}
                series={seriesOf(rows, 'key', slots, nameOf)}
              />
            </div>
          </section>
          <div class="grid-2">
            <Top title="Top keys" unit="Key" ranked={topKeys} />
            <Top title="Top models" unit="Model" ranked={topModels} />
          </div>
        </>
      )}
    </Frame>
  )
}
