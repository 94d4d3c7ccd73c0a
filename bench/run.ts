/**
 * `npm run bench`: Switchgate beside its peers, in one run, on this machine. `--quick` takes a minute, the default some;
 * `--json` prints an object; `--only a,b` measures some targets; `--no-build` takes dist/ as it is.
 * Exit code 1 when an answer or a ledger row was wrong or a bar was missed. Progress goes to stderr.
 */
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { measure } from './measure.ts'
import { DEFAULT, QUICK } from './phases.ts'
import { hasProc, isPinned, killAll, pinSelf, stopAll } from './proc.ts'
import { isGood, reportJson, reportText, type Setting } from './report.ts'
import { build } from './switchgate.ts'
import { startWorld, TARGET_NAMES, type TargetName, type World } from './targets.ts'

const startedMs = performance.now()

function say(line: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
  process.stderr.write(`bench ${seconds.padStart(4)} s  ${line}\n`)
}

function wantedTargets(only: string | undefined): TargetName[] {
  if (only === undefined) return [...TARGET_NAMES]
  const names = only.split(',')
  const unknown = names.find(name => !TARGET_NAMES.some(known => known === name))
  if (unknown !== undefined) throw new Error(`--only: "${unknown}" is none of ${TARGET_NAMES.join(', ')}`)
  // direct is what the others are compared with
  return TARGET_NAMES.filter(name => name === 'direct' || names.includes(name))
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      only: { type: 'string' },
      'no-build': { type: 'boolean', default: false },
    },
  })
  const wanted = wantedTargets(values.only)
  const size = values.quick ? QUICK : DEFAULT
  if (!values['no-build'] && wanted.includes('switchgate')) {
    say('building')
    build()
  }
  const limit = setTimeout(() => {
    say(`gave up after ${size.limitSeconds} s`)
    process.exit(1)
  }, size.limitSeconds * 1000)
  limit.unref()
  pinSelf()
  let world: World | undefined
  try {
    world = await startWorld(wanted, say)
    const results = await measure(world, size, say)
    const setting: Setting = {
      node: process.version,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      isPinned,
      hasCpuFigures: hasProc,
      size: values.quick ? 'quick' : 'full',
      missing: world.missing,
    }
    const report = values.json
      ? `${JSON.stringify(reportJson(results, setting), null, 2)}\n`
      : `\n${reportText(results, setting)}`
    process.stdout.write(report)
    return isGood(results) ? 0 : 1
  } finally {
    await world?.stop()
    await stopAll()
  }
}

process.on('exit', killAll)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
try {
  process.exitCode = await main()
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
