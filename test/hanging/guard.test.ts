/** A file that hangs fails the run, by name and with the place where it loops. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

test('a test that never rests is named, with where it stands, and fails the run', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const { code, said } = await new Promise<{ code: unknown; said: string }>(resolve => {
    execFile(
      process.execPath,
      ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/hanging/config.ts', '--root', '.'],
      { cwd: root, timeout: 120_000, killSignal: 'SIGKILL' },
      (error, out, err) => resolve({ code: error?.code, said: out + err }),
    )
  })
  expect(said).toContain('test/hanging/loops.ts hangs')
  // the place is told on Linux, where workers can be found
  if (process.platform === 'linux') expect(said).toContain('test/hanging/loops.ts:5')
  expect(code).toBe(1)
})
