/** The ids that the gateway gives: time first, so that what is kept by id is kept in order, and found by its time. */

/** Base 36 holds epoch milliseconds in nine digits until the year 5188. */
const TIME_DIGITS = 9
const ID = /^[a-z]+_([0-9a-z]{9})[0-9a-z]{10,14}$/

/** Epoch ms as the first digits of an id. */
export const timeText = (ms: number): string => ms.toString(36).padStart(TIME_DIGITS, '0')

/** When an id was made, epoch ms; undefined = not an id of ours. */
export function timeOfId(id: string): number | undefined {
  const digits = ID.exec(id)?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits, 36)
}
