/** Ends well, and leaves a process behind that holds the worker's standard error: see guard.test.ts. */
import { spawn } from 'node:child_process'
import { expect, test } from 'vitest'

test('leaves a process behind', () => {
  const left = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'inherit'], detached: true })
  left.unref()
  expect(left.pid).toBeGreaterThan(0)
})
