/** Never ends and never rests, so that no timer of its process fires: see guard.test.ts. */
import { test } from 'vitest'

async function restless(): Promise<never> {
  for (;;) await Promise.resolve()
}

test('loops', restless)
