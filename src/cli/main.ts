/** The program: `serve`, or one command of the command line. Node only. */
import { versionText } from '../runtime/node/version.ts'
import { CommandError, EXIT, type Shell } from './command.ts'
import { jsonText } from './print.ts'
import { run, tell, wantsJson } from './run.ts'

async function readStdin(): Promise<string | undefined> {
  if (process.stdin.isTTY) return undefined
  let text = ''
  process.stdin.setEncoding('utf8')
  for await (const part of process.stdin) {
    text += part
    if (text.length > 1024 * 1024) break
  }
  return text
}

const shell: Shell = {
  env: process.env,
  out: text => void process.stdout.write(text),
  err: text => void process.stderr.write(text),
  readStdin,
}

async function main(args: readonly string[]): Promise<number> {
  const [first, ...rest] = args
  const json = wantsJson(args)
  if (first === '--version' || first === '-v') {
    shell.out(json ? jsonText({ version: versionText() }) : `${versionText()}\n`)
    return EXIT.ok
  }
  if (first !== undefined && first !== 'serve') return run(args, shell)
  if (rest.length > 0 && rest[0] !== '--help' && rest[0] !== '-h') {
    const why = `serve takes no words or options ("${rest[0]}"): it is set by the environment and switchgate.yaml`
    return tell(new CommandError(why, EXIT.usage), json, shell)
  }
  if (rest.length > 0) return run(['help'], shell)
  const { serve } = await import('../runtime/node/main.ts')
  return serve(rest, process.env)
}

// A reader that has gone (`| head`) is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok)
})
process.exitCode = await main(process.argv.slice(2))
