/** Runs a command of the command line in this process, with an environment of its own. */
import { run } from '../../src/cli/run.ts'

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

export async function say(
  args: string | readonly string[],
  env: Record<string, string> = {},
  stdin?: string,
): Promise<Said> {
  const said = { out: '', err: '' }
  const words = typeof args === 'string' ? args.split(' ').filter(Boolean) : args
  const code = await run(words, {
    env,
    out: text => {
      said.out += text
    },
    err: text => {
      said.err += text
    },
    readStdin: async () => stdin,
  })
  return { code, ...said }
}
