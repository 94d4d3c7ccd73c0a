/** A file that hangs fails the run, by name and with the place where it loops; a process left behind does not keep it. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

function runOf(file: string): Promise<{ code: unknown; said: string }> {
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/hanging/config.ts', '--root', '.']
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [...args, file],
      { cwd: root, timeout: 120_000, killSignal: 'SIGKILL' },
      (error, out, err) => resolve({ code: error?.code, said: out + err }),
    )
  })
}

test('a test that never rests is named, with where it stands, and fails the run', async () => {
  const { code, said } = await runOf('loops.ts')
  expect(said).toContain('test/hanging/loops.ts hangs')
  // the place is told on Linux, where workers can be found
  if (process.platform === 'linux') expect(said).toContain('test/hanging/loops.ts:5')
  expect(code).toBe(1)
})

test.runIf(process.platform === 'linux')(
  'a process that a test leaves behind is named and ended',
  async () => {
    const { code, said } = await runOf('leaves.ts')
    expect(said).toContain('sleep 600')
    expect(said).toContain('1 passed')
    expect(code).toBe(undefined)
  },
)
