/** `/dashboard/requests/{id}`: one request with its attempts: where it went, why, how long, how sure the bill is. */
import type { Child } from 'hono/jsx'
import type { AdminDeps } from '../admin/deps.ts'
import { requestOf } from '../admin/requests.ts'
import type { AttemptRow } from '../terms.ts'
import { certaintyOf, requestCost } from '../wire/account.ts'
import { readableCount, readableMs, readableUsd } from '../wire/readable.ts'
import { Frame } from './layout.tsx'
import { Ago, Head, HttpStatusPill } from './parts.tsx'

const CERTAINTY_TEXT = {
  exact: 'exact: the provider’s own count',
  recovered: 'recovered: read to its end after the caller left',
  estimated: 'estimated: the provider sent no count',
  unknown: 'unknown: charged at what was held',
} as const

function usageText(attempt: AttemptRow): string {
  const usage = attempt.usage
  if (usage === null) return 'not known'
  const parts = [`${readableCount(usage.inputTokens)} in`, `${readableCount(usage.outputTokens)} out`]
  if (usage.cacheReadInputTokens > 0)
    parts.push(`${readableCount(usage.cacheReadInputTokens)} of them cached`)
  if (usage.reasoningOutputTokens > 0) parts.push(`${readableCount(usage.reasoningOutputTokens)} reasoning`)
  return parts.join(', ')
}

function Attempt({ attempt }: { attempt: AttemptRow }) {
  return (
    <tr>
      <td>
        <span class="strong">{attempt.provider || 'not sent'}</span>
        <span class="sub">{attempt.upstreamModel}</span>
      </td>
      <td data-label="Status">
        <HttpStatusPill status={attempt.status} />
        {attempt.error && <span class="sub">{attempt.error}</span>}
      </td>
      <td data-label="Why here">{attempt.why ?? <span class="muted">–</span>}</td>
      <td class="num" data-label="First token">
        {attempt.ttftMs === null ? <span class="muted">–</span> : readableMs(attempt.ttftMs)}
      </td>
      <td class="num" data-label="Total">
        {readableMs(attempt.totalMs)}
      </td>
      <td class="num" data-label="Cost">
        {attempt.costNanoUsd === null ? <span class="muted">unknown</span> : readableUsd(attempt.costNanoUsd)}
        <span class="sub">{attempt.certainty}</span>
      </td>
    </tr>
  )
}

function factsOf(
  deps: AdminDeps,
  attempts: readonly AttemptRow[],
  last: AttemptRow,
): readonly (readonly [string, Child])[] {
  const now = deps.clock.now()
  const key = deps.keys.get(last.keyId)
  const cost = requestCost(attempts)
  const overrun = attempts.reduce((sum, attempt) => sum + attempt.overrunNanoUsd, 0)
  return [
    ['Key', <a href={`/dashboard/keys/${encodeURIComponent(last.keyId)}`}>{key?.name ?? last.keyId}</a>],
    ['Asked for', last.requestedModel],
    ['Answered by', last.provider === '' ? 'nobody' : `${last.upstreamModel} at ${last.provider}`],
    ['Kind', `${last.operation}${last.stream ? ', streamed' : ''}`],
    ['Finish', last.finishReason ?? 'none'],
    ['Tokens', usageText(last)],
    ['Cost', cost === null ? 'unknown: the model has no known price' : readableUsd(cost)],
    ['Certainty', CERTAINTY_TEXT[certaintyOf(attempts)]],
    ...(overrun > 0 ? [['Beyond the hold', readableUsd(overrun)] as const] : []),
    ['Client address', last.peer || 'not known'],
    ['User', last.user ?? 'none'],
    ['Tags', last.tags.join(', ') || 'none'],
    ['Answer’s id', last.answerId === null ? 'none' : <code>{last.answerId}</code>],
    ['When', <Ago ms={attempts[0]?.createdAtMs ?? last.createdAtMs} nowMs={now} />],
  ]
}

/** One request. Throws 404 `not_found`. */
export async function requestPage(deps: AdminDeps, id: string) {
  const { attempts, id: requestId } = await requestOf(deps, id)
  const last = attempts.find(attempt => attempt.last) ?? attempts.at(-1)
  return (
    <Frame title="Request" place="Requests">
      <Head title={<code class="mono">{requestId}</code>} crumb={<a href="/dashboard/requests">Requests</a>}>
        {last && <HttpStatusPill status={last.status} />}
      </Head>
      <section class="card scroll">
        <table class="fold">
          <caption>{attempts.length === 1 ? 'One attempt' : `${attempts.length} attempts`}</caption>
          <thead>
            <tr>
              <th scope="col">Target</th>
              <th scope="col">Status</th>
              <th scope="col">Why here</th>
              <th scope="col" class="num">
                First token
              </th>
              <th scope="col" class="num">
                Total
              </th>
              <th scope="col" class="num">
                Cost
              </th>
            </tr>
          </thead>
          <tbody>
            {attempts.map(attempt => (
              <Attempt attempt={attempt} />
            ))}
          </tbody>
        </table>
      </section>
      {last && (
        <section class="card">
          <div class="body">
            <dl class="facts">
              {factsOf(deps, attempts, last).map(([name, value]) => (
                <>
                  <dt>{name}</dt>
                  <dd class={value === 'none' ? 'muted' : ''}>{value}</dd>
                </>
              ))}
            </dl>
          </div>
        </section>
      )}
    </Frame>
  )
}
