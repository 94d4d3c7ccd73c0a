/** The ids that the gateway gives: time first, so that what is kept by id is kept in order, and found by its time. */

/** Base 36 holds epoch milliseconds in nine digits until the year 5188. */
const TIME_DIGITS = 9
const PREFIX = 'req_'
const ID_LENGTHS = { min: PREFIX.length + TIME_DIGITS + 10, max: PREFIX.length + TIME_DIGITS + 14 }
const DOT = 0x2e
const DIGITS = /^[0-9a-z]{9}$/

let latestMs = -1
let latestText = ''

/** Epoch ms as the first digits of an id. Ids of one millisecond share the text. */
export function timeText(ms: number): string {
  if (ms !== latestMs) {
    latestMs = ms
    latestText = ms.toString(36).padStart(TIME_DIGITS, '0')
  }
  return latestText
}

/** When a request's id was made, epoch ms; undefined = not an id of ours. */
export function timeOfId(id: string): number | undefined {
  if (!id.startsWith(PREFIX) || id.length < ID_LENGTHS.min || id.length > ID_LENGTHS.max) return undefined
  const digits = id.slice(PREFIX.length, PREFIX.length + TIME_DIGITS)
  if (digits === latestText) return latestMs
  return DIGITS.test(digits) ? Number.parseInt(digits, 36) : undefined
}

/** `<request id>.<n>` → request id; anything else stays as it is. */
export function requestIdOf(attemptId: string): string {
  // the number is short: a look from the end is over sooner than a search begins
  let dot = attemptId.length - 1
  while (dot > 0 && attemptId.charCodeAt(dot) !== DOT) dot--
  return dot > 0 ? attemptId.slice(0, dot) : attemptId
}
