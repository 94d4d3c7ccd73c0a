/** How tests wait: for conditions, never for a machine to be as fast as the last one. */

export const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Waits until the condition holds. The time only guards against hanging: what must be quick is measured with `quickest`. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('the condition did not come to hold')
    await sleep(10)
  }
}

/** Waits until the value has stayed the same for half a second, and returns it. */
export async function settled(value: () => number): Promise<number> {
  for (let last = value(), same = 0; ; ) {
    await sleep(50)
    same = value() === last ? same + 1 : 0
    last = value()
    if (same === 10) return last
  }
}

/**
 * The shortest of up to five measurements in ms; no more are made once one is below the limit. What the product takes is the
 * same each time, what a busy machine adds is not.
 */
export async function quickest(limitMs: number, measure: () => Promise<number>): Promise<number> {
  let best = await measure()
  for (let i = 1; i < 5 && best >= limitMs; i++) best = Math.min(best, await measure())
  return best
}

/** What a stream says until this text has been heard. A stream that ends before is an error, not a loop. */
export async function heardUntil(
  text: string,
  reader: ReadableStreamDefaultReader<string> | undefined,
): Promise<string> {
  let heard = ''
  while (!heard.includes(text)) {
    const part = await reader?.read()
    if (part?.value === undefined) throw new Error(`the stream ended before ${text}; it said\n${heard}`)
    heard += part.value
  }
  return heard
}
