/** Log sink on Node: structured lines, scrubbed, gathered for a moment and written together, so that no request waits for a pipe or a file. */
import type { Log, LogFields, LogLevel } from '../../deps.ts'
import { type AccessFields, createAccessWriter } from '../../telemetry.ts'

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
/** A reader that has stopped reading must not fill our memory: above this, lines are dropped and counted. */
const BACKLOG_BYTES_MAX = 8 << 20
/** Lines wait at most this long, or until so many are there. Writing to a file blocks: one write a request costs more than the rest of the line. */
const GATHER_MS = 40
const GATHER_LINES = 512

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'json' | 'pretty'
  readonly scrub: (text: string) => string
  /** `Redactor.count`. */
  readonly secrets: () => number
  readonly write: (text: string) => void
  /** Bytes that the sink has not taken yet. */
  readonly backlog: () => number
}

/** `LOG_LEVEL` and `LOG_FORMAT`; throws naming what is possible. Without a format: pretty on a terminal, else JSON. */
export function logSettings(
  env: Readonly<Record<string, string | undefined>>,
  terminal: boolean,
): Pick<LogOptions, 'level' | 'format'> {
  const level = env.LOG_LEVEL || 'info'
  const format = env.LOG_FORMAT || (terminal ? 'pretty' : 'json')
  if (!ORDER.includes(level as LogLevel))
    throw new Error(`LOG_LEVEL: "${level}" is none of ${ORDER.join(', ')}`)
  if (format !== 'json' && format !== 'pretty')
    throw new Error(`LOG_FORMAT: "${format}" is neither pretty nor json`)
  return { level: level as LogLevel, format }
}

export function createLog(options: LogOptions): Log & { flush(): void } {
  const { scrub } = options
  const least = ORDER.indexOf(options.level)
  const accessed = createAccessWriter(scrub, options.secrets)
  let lines: string[] = []
  let dropped = 0
  const flush = () => {
    if (lines.length === 0) return
    const text = `${lines.join('\n')}\n`
    lines = []
    options.write(text)
  }
  /** Is a line of this level written? Then it is written soon. */
  const takes = (level: LogLevel): boolean => {
    if (ORDER.indexOf(level) < least) return false
    if (options.backlog() > BACKLOG_BYTES_MAX) {
      dropped++
      return false
    }
    // what went wrong is written at once: it may be the last thing that is
    if (level === 'error' || lines.length >= GATHER_LINES) setImmediate(flush)
    else if (lines.length === 0) setTimeout(flush, GATHER_MS)
    return true
  }
  /** How many were dropped since the line before this one. */
  const lost = (): string => {
    if (dropped === 0) return ''
    const told = membersOf({ dropped_lines: dropped }, scrub)
    dropped = 0
    return told
  }
  const log = (level: LogLevel, event: string, fields?: LogFields) => {
    if (!takes(level)) return
    if (options.format === 'json')
      lines.push(lineOf(level, JSON.stringify(event), membersOf(fields, scrub) + lost()))
    else lines.push(scrub(pretty(level, event, fields)))
  }
  const request = (fields: AccessFields) => {
    if (options.format !== 'json') log('info', 'request', fields)
    else if (takes('info'))
      lines.push(`{"time":"${isoNow()}","level":"info","event":"request"${accessed(fields)}${lost()}}`)
  }
  return Object.assign(log, { flush, request })
}

/** Names are ours: only the texts that the members hold are scrubbed, a quarter of the line. */
const lineOf = (level: LogLevel, event: string, members: string): string =>
  `{"time":"${isoNow()}","level":"${level}","event":${event}${members}}`

/** A field's name as it stands in a line; there are a few dozen, and the bound is for what nobody thought of. */
const named = new Map<string, string>()
const NAMED_MAX = 512

function memberName(name: string): string {
  let text = named.get(name)
  if (text === undefined) {
    text = `,${JSON.stringify(name)}:`
    if (named.size < NAMED_MAX) named.set(name, text)
  }
  return text
}

/** An object's members as they stand behind others. */
function membersOf(fields: LogFields | undefined, scrub: (text: string) => string): string {
  let text = ''
  for (const name in fields) {
    const value = fields[name]
    if (value === undefined) continue
    text += memberName(name) + JSON.stringify(typeof value === 'string' ? scrub(value) : value)
  }
  return text
}

let isoMs = 0
let isoText = ''
let secondMs = 0
let secondText = ''
/** Lines of one millisecond share its text, and those of one second all of it but the milliseconds. */
function isoNow(): string {
  const now = Date.now()
  if (now === isoMs) return isoText
  isoMs = now
  const ms = now % 1000
  if (now - ms !== secondMs) {
    secondMs = now - ms
    secondText = new Date(secondMs).toISOString().slice(0, -4)
  }
  isoText = `${secondText}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
  return isoText
}

function pretty(level: LogLevel, event: string, fields: LogFields | undefined): string {
  const time = new Date().toISOString().slice(11, 23)
  const parts = Object.entries(fields ?? {})
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        `${name}=${typeof value === 'string' && /\s/.test(value) ? JSON.stringify(value) : value}`,
    )
  return `${time} ${level.toUpperCase().padEnd(5)} ${event} ${parts.join(' ')}`
}
