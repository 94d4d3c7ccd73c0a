/** Log sink on Node: structured lines, scrubbed, gathered for a moment and written together, so that no request waits for a pipe or a file. */
import { Buffer } from 'node:buffer'
import type { Writable } from 'node:stream'
import type { Log, LogFields, LogLevel } from '../../deps.ts'
import { type AccessFields, createAccessWriter } from '../../telemetry.ts'

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
/** A reader that has stopped reading must not fill our memory: above this, lines are dropped and counted. */
const BACKLOG_BYTES_MAX = 8 << 20
/** Lines wait at most this long, or until so much is there. Writing to a file blocks: one write a request costs more than the rest of the line. */
const GATHER_MS = 40
const GATHER_CHARS = 16_384
const ROOM_BYTES = 65_536
/** UTF-8 of one unit of a JavaScript string, at most. */
const BYTES_PER_UNIT_MAX = 3

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

/** Writes texts to a stream. What it took at once was in kept room: no buffer is made for it. */
export function createOutput(stream: Writable): (text: string) => void {
  let room = Buffer.allocUnsafeSlow(ROOM_BYTES)
  return text => {
    if (text.length * BYTES_PER_UNIT_MAX > ROOM_BYTES) {
      stream.write(text)
      return
    }
    stream.write(room.subarray(0, room.write(text, 'utf8')))
    // what waits in the stream must stay what it is
    if (stream.writableLength > 0) room = Buffer.allocUnsafeSlow(ROOM_BYTES)
  }
}

export function createLog(options: LogOptions): Log & { flush(): void } {
  const { scrub } = options
  const least = ORDER.indexOf(options.level)
  const accessed = createAccessWriter(scrub, options.secrets)
  let lines = ''
  let isDue = false
  let dropped = 0
  const flush = () => {
    if (lines === '') return
    const text = lines
    lines = ''
    options.write(text)
  }
  const onTime = () => {
    isDue = false
    flush()
  }
  /** Is a line of this level written? Then it is written soon. */
  const takes = (level: LogLevel): boolean => {
    if (ORDER.indexOf(level) < least) return false
    if (options.backlog() > BACKLOG_BYTES_MAX) {
      dropped++
      return false
    }
    // what went wrong is written at once: it may be the last thing that is
    if (level === 'error' || lines.length >= GATHER_CHARS) setImmediate(flush)
    else if (!isDue) {
      isDue = true
      setTimeout(onTime, GATHER_MS)
    }
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
      lines += lineOf(level, JSON.stringify(event), membersOf(fields, scrub) + lost())
    else lines += `${scrub(pretty(level, event, fields))}\n`
  }
  const request = (fields: AccessFields) => {
    if (options.format !== 'json') log('info', 'request', fields)
    else if (takes('info'))
      lines += `{"time":"${isoNow()}","level":"info","event":"request"${accessed(fields)}${lost()}}\n`
  }
  return Object.assign(log, { flush, request })
}

/** Names are ours: only the texts that the members hold are scrubbed, a quarter of the line. */
const lineOf = (level: LogLevel, event: string, members: string): string =>
  `{"time":"${isoNow()}","level":"${level}","event":${event}${members}}\n`

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
