/** One server-sent event of the chat wire, as text: its data, and what kind of chunk it holds. */

/** Is this one `data:` line and nothing else? */
export const isOneLine = (event: string): boolean =>
  event.startsWith('data:') &&
  event.indexOf('\n') === event.length - 2 &&
  event.endsWith('\n') &&
  !event.includes('\r')

/** The joined `data:` lines of one event; undefined for comments and empty events. */
export function dataOf(event: string): string | undefined {
  const lines = event.includes('\r') ? event.replace(/\r\n?/g, '\n') : event
  let data: string | undefined
  // a byte order mark may stand before the very first line
  for (let from = lines.startsWith('\ufeff') ? 1 : 0; from < lines.length; ) {
    const lf = lines.indexOf('\n', from)
    const end = lf < 0 ? lines.length : lf
    if (lines.startsWith('data:', from)) {
      const value = lines.slice(lines.charCodeAt(from + 5) === 32 ? from + 6 : from + 5, end)
      data = data === undefined ? value : `${data}\n${value}`
    }
    from = end + 1
  }
  return data?.trimEnd()
}

/** Undefined = no JSON object. `read`: how its numbers are read. */
export function parse(
  data: string,
  read: (text: string) => unknown = JSON.parse,
): Record<string, unknown> | undefined {
  try {
    const value: unknown = read(data)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

export function isBroken(event: string): boolean {
  const data = dataOf(event)
  return data !== undefined && data !== '' && data !== '[DONE]' && parse(data) === undefined
}

export function isError(chunk: Record<string, unknown>): boolean {
  return (
    (chunk.error !== undefined && chunk.error !== null && chunk.error !== false) || chunk.type === 'error'
  )
}

/** What an event named `error` says, as a chunk with an `error` member: who names the event often leaves the member out. */
export function namedError(event: string): Record<string, unknown> | undefined {
  if (!/^event: ?error[ \t]*\r?$/m.test(event)) return undefined
  const data = dataOf(event) ?? ''
  const said = parse(data)
  return said && isError(said) ? said : { error: said ?? { message: data } }
}

export function isUsageOnly(chunk: Record<string, unknown>): boolean {
  return (
    Array.isArray(chunk.choices) &&
    chunk.choices.length === 0 &&
    typeof chunk.usage === 'object' &&
    chunk.usage !== null
  )
}

export function hasCost(chunk: Record<string, unknown>): boolean {
  const usage = chunk.usage
  return typeof usage === 'object' && usage !== null && 'cost' in usage
}

const LF = 10
const CR = 13

/** Where the event around an offset begins. Line ends inside an event are single, between events double. */
export function eventStart(block: Uint8Array, at: number): number {
  let start = at
  for (; start > 0; start--) {
    if (block[start - 1] !== LF) continue
    if (block[start - 2] === LF || (block[start - 2] === CR && block[start - 3] === LF)) break
  }
  return start
}
