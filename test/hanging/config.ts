/** vitest with files that hang, and little patience: see guard.test.ts. */
import { defineConfig } from 'vitest/config'
import { guardAgainstHanging } from './guard.ts'

export default defineConfig({
  test: {
    include: ['test/hanging/loops.ts', 'test/hanging/leaves.ts'],
    pool: 'forks',
    reporters: ['default', guardAgainstHanging(20_000, 2_000)],
  },
})
