/** `switchgate explain`: who would be asked for a request, in which order, and why; nothing is sent. */
import { readFileSync } from 'node:fs'
import { type Command, type CommandCall, CommandError, EXIT, listOf, textOf } from './command.ts'
import { money, plain, table } from './print.ts'

type Wire = Record<string, unknown>

const PROMPT = 'Say hello.'

async function bodyText(call: CommandCall, path: string): Promise<string> {
  if (path === '-') return (await call.shell.readStdin()) ?? ''
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(`--body: ${(error as Error).message}`, EXIT.usage)
  }
}

/** The request that is asked about: a file's, or a short one; what the command line says goes before it. */
async function requestOf(call: CommandCall): Promise<Wire> {
  const path = textOf(call.values, 'body')
  let body: Wire = { messages: [{ role: 'user', content: PROMPT }] }
  if (path !== undefined) {
    const text = await bodyText(call, path)
    try {
      body = JSON.parse(text) as Wire
    } catch {
      throw new CommandError(`--body: ${path === '-' ? 'standard input' : path} is not JSON`, EXIT.usage)
    }
    if (typeof body !== 'object' || body === null || Array.isArray(body))
      throw new CommandError('--body: must be a JSON object, the body of a chat request', EXIT.usage)
  }
  const [model] = call.words
  if (model === undefined && typeof body.model !== 'string')
    throw new CommandError('name a model, as in: switchgate explain gpt-5', EXIT.usage)
  const only = listOf(call.values, 'only')
  const sort = textOf(call.values, 'sort')
  const provider = { ...(body.provider as Wire | undefined), ...(only && { only }), ...(sort && { sort }) }
  return {
    ...body,
    ...(model !== undefined && { model }),
    ...(Object.keys(provider).length > 0 && { provider }),
  }
}

const number = (value: unknown, digits: number): string =>
  typeof value === 'number' ? value.toFixed(digits) : ''

function print(call: CommandCall, answer: Wire): void {
  const targets = answer.targets as Wire[]
  const excluded = answer.excluded as Wire[]
  const refusal = answer.refusal as Wire | null
  const { out } = call.shell
  if (refusal !== null)
    out(`Refused with ${refusal.status} ${plain(refusal.code)}: ${plain(refusal.message)}\n`)
  else {
    const columns = [
      { title: '' },
      { title: 'PROVIDER' },
      { title: 'MODEL' },
      { title: 'CREDENTIAL' },
      ...['SCORE', 'LIKELY COST', 'SUCCESS', 'TTFT MS', 'TOKENS/S', 'IN FLIGHT'].map(title => ({
        title,
        right: true,
      })),
    ]
    const rows = targets.map(row => [
      row.rank,
      row.provider,
      row.upstream_model,
      (row.credential as Wire | null)?.name ?? '–',
      number(row.score, 3),
      money(row.likely_cost_usd),
      typeof row.success_rate === 'number' ? `${number(row.success_rate * 100, 1)}%` : '',
      number(row.ttft_ms, 0),
      number(row.tokens_per_second, 0),
      row.in_flight,
    ])
    out(table(columns, rows))
    out(`First because: ${plain(targets[0]?.why)}\n`)
  }
  if (excluded.length === 0) return
  out('\n')
  const columns = [{ title: 'OUT' }, { title: 'MODEL' }, { title: 'BECAUSE' }]
  out(
    table(
      columns,
      excluded.map(row => [row.provider, row.upstream_model, row.reason]),
    ),
  )
}

async function run(call: CommandCall): Promise<number> {
  const body = await requestOf(call)
  const key = textOf(call.values, 'key')
  const query = key === undefined ? '' : `?${new URLSearchParams({ key })}`
  const { text } = await call.admin.send('POST', `/route/explain${query}`, body)
  const answer = JSON.parse(text) as Wire
  if (call.json) call.shell.out(text)
  else print(call, answer)
  return answer.refusal === null ? EXIT.ok : EXIT.failed
}

export const explainCommands: readonly Command[] = [
  {
    name: 'explain',
    summary:
      'Who would be asked for a request, in which order, and why; exit 1 = it would be refused; nothing is sent',
    usage:
      '[<model>] [--body request.json|-] [--key <id>] [--only groq,openai] [--sort price|latency|throughput]',
    words: [0, 1],
    options: {
      body: { type: 'string' },
      key: { type: 'string' },
      only: { type: 'string', multiple: true },
      sort: { type: 'string' },
    },
    run,
  },
]
