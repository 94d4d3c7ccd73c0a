/** The correctness gate: what comes through a target is, byte for byte, what comes from the upstream. */
import { Agent, request } from 'node:http'
import type { Target } from './targets.ts'
import { chatBody, PATH, PROMPT_TOKENS } from './traffic.ts'

interface Got {
  readonly status: number
  readonly body: string
}

interface Case {
  readonly name: string
  readonly body: string
  readonly repeats: number
  /** The usage event is left out of the comparison: a gateway may add what the request cost. */
  readonly usageApart?: boolean
}

const CASES: readonly Case[] = [
  { name: 'whole answer', body: chatBody(), repeats: 20 },
  { name: 'burst stream', body: chatBody({ events: 100, gapMs: 0 }), repeats: 10 },
  { name: 'long burst stream', body: chatBody({ events: 5_000, gapMs: 0 }), repeats: 2 },
  { name: 'paced stream', body: chatBody({ events: 20, gapMs: 2 }), repeats: 3 },
  {
    name: 'stream with usage',
    body: chatBody({ events: 10, gapMs: 0 }, true),
    repeats: 3,
    usageApart: true,
  },
]

function ask(target: Target, body: string, agent: Agent): Promise<Got> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  for (const line of target.headers) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon)] = line.slice(colon + 1).trim()
  }
  return new Promise((resolve, reject) => {
    const call = request(
      { host: '127.0.0.1', port: target.port, method: 'POST', path: PATH, headers, agent },
      answer => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }),
        )
      },
    )
    call.setTimeout(30_000, () => call.destroy(new Error('no answer in 30 s')))
    call.on('error', reject)
    call.end(body)
  })
}

interface Chunk {
  readonly choices: readonly unknown[]
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null
}

/** A stream without its usage event, and the tokens that it named. */
function withoutUsage(body: string): { readonly rest: string; readonly tokens: string } {
  let tokens = 'no usage event'
  const rest = body.split('\n\n').filter(event => {
    const data = event.replace(/^data: /, '')
    if (!data.startsWith('{')) return true
    const { choices, usage } = JSON.parse(data) as Chunk
    if (choices.length > 0 || !usage) return true
    tokens = `${usage.prompt_tokens} in, ${usage.completion_tokens} out`
    return false
  })
  return { rest: rest.join('\n\n'), tokens }
}

function difference(want: string, got: string): string | undefined {
  if (want === got) return undefined
  let at = 0
  while (at < want.length && want[at] === got[at]) at++
  const near = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 10), at + 50))
  return `differs at byte ${at}: upstream ${near(want)}, target ${near(got)}`
}

function judge(test: Case, want: Got, got: Got): string | undefined {
  if (got.status !== 200) return `status ${got.status}: ${got.body.slice(0, 200)}`
  if (!test.usageApart) return difference(want.body, got.body)
  const [a, b] = [withoutUsage(want.body), withoutUsage(got.body)]
  if (a.tokens !== b.tokens || !b.tokens.startsWith(String(PROMPT_TOKENS)))
    return `usage differs: upstream ${a.tokens}, target ${b.tokens}`
  return difference(a.rest, b.rest)
}

/** Faults of one target against `direct`; empty = every byte is as it should be. `asked` counts the exchanges. */
export async function compare(
  direct: Target,
  target: Target,
): Promise<{ readonly faults: readonly string[]; readonly asked: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 })
  const faults: string[] = []
  let asked = 0
  for (const test of CASES) {
    const want = await ask(direct, test.body, agent)
    const all = await Promise.all(Array.from({ length: test.repeats }, () => ask(target, test.body, agent)))
    asked += all.length
    const fault = all.map(got => judge(test, want, got)).find(found => found !== undefined)
    if (fault !== undefined) faults.push(`${target.name}, ${test.name}: ${fault}`)
  }
  agent.destroy()
  return { faults, asked }
}
