/** vitest with a file that hangs, and little patience: see guard.test.ts. */
import { defineConfig } from 'vitest/config'
import { guardAgainstHanging } from './guard.ts'

export default defineConfig({
  test: { include: ['test/hanging/loops.ts'], pool: 'forks', reporters: [guardAgainstHanging(2_000)] },
})
