/** What the live test asks the model server itself: which model it has, and its own counters (llama.cpp's `/metrics`). */
import type OpenAI from 'openai'

const headersOf = (apiKey: string | undefined): Record<string, string> =>
  apiKey ? { authorization: `Bearer ${apiKey}` } : {}

/** The first model of `GET <base>/models`. Throws when nothing answers. */
export async function modelOf(baseUrl: string, apiKey: string | undefined): Promise<string> {
  const response = await fetch(`${baseUrl}/models`, { headers: headersOf(apiKey) })
  const { data } = (await response.json()) as { data?: readonly { id?: string }[] }
  const id = data?.[0]?.id
  if (id === undefined) throw new Error(`${baseUrl}/models names no model: set LIVE_MODEL`)
  return id
}

/** Totals since the server's start, and how many requests it works on now. */
export interface Counters {
  readonly prompt: number
  readonly completion: number
  readonly running: number
}

/** llama.cpp's counters; undefined at servers that have none. */
export async function countersOf(baseUrl: string, apiKey: string | undefined): Promise<Counters | undefined> {
  try {
    const response = await fetch(new URL('/metrics', baseUrl), { headers: headersOf(apiKey) })
    const text = await response.text()
    const read = (name: string) => {
      const value = new RegExp(`^llamacpp:${name} (\\S+)$`, 'm').exec(text)?.[1]
      return value === undefined ? Number.NaN : Number(value)
    }
    const counters = {
      prompt: read('prompt_tokens_total'),
      completion: read('tokens_predicted_total'),
      running: read('requests_processing'),
    }
    return Object.values(counters).some(Number.isNaN) ? undefined : counters
  } catch {
    return undefined
  }
}

/** One whole answer, asked for without Switchgate. */
export async function completionOf(
  baseUrl: string,
  apiKey: string | undefined,
  body: object,
): Promise<OpenAI.ChatCompletion> {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { ...headersOf(apiKey), 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`asked directly, the server answers ${response.status}`)
  return (await response.json()) as OpenAI.ChatCompletion
}

/** Tool calls as `name(arguments)`. */
export function callsOf(answer: OpenAI.ChatCompletion): string[] {
  const calls = answer.choices[0]?.message.tool_calls ?? []
  return calls.flatMap(call =>
    call.type === 'function' ? [`${call.function.name}(${call.function.arguments})`] : [],
  )
}
