import { defineConfig } from 'vitest/config'
import { guardAgainstHanging } from './test/hanging/guard.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    // these only guard against hanging: the suite also has to pass on a small machine that does something else beside it
    testTimeout: 180_000,
    hookTimeout: 180_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default', guardAgainstHanging()],
  },
})
