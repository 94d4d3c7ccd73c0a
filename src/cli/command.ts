/** What a command of the command line is: options, words, and a function that answers with an exit code. */
import type { ParseArgsOptionsConfig } from 'node:util'
import type { AdminClient } from './client.ts'
import { plain } from './print.ts'

/** Exit codes of sysexits.h, where they say something. */
export const EXIT = { ok: 0, failed: 1, usage: 64, unavailable: 69, config: 78 } as const

/** The error object of `--json`: the same four members as the gateway's own errors. */
export interface ErrorFacts {
  readonly type: string
  readonly param: string | null
  readonly code: string
}

/** Ends a command with a message for people; `facts` are what the gateway said of it, if it was the gateway. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: number
  readonly facts: ErrorFacts | undefined

  constructor(message: string, code: number = EXIT.failed, facts?: ErrorFacts) {
    super(message)
    this.code = code
    this.facts = facts
  }
}

export type Env = Readonly<Record<string, string | undefined>>

/** The world outside a command; tests give their own. */
export interface Shell {
  readonly env: Env
  out(text: string): void
  err(text: string): void
  /** Standard input to its end; undefined when it is a terminal. */
  readStdin(): Promise<string | undefined>
}

/** Options as written; strings, or true for flags. A repeated option of `multiple` is a list. */
export type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>

export interface CommandCall {
  readonly values: Values
  readonly words: readonly string[]
  readonly json: boolean
  readonly shell: Shell
  /** The gateway: remote, running here, or this folder opened in-process. */
  readonly admin: AdminClient
}

export interface Command {
  /** As typed: `key create`, `backup`. */
  readonly name: string
  readonly summary: string
  /** What follows the name, as in `<id> [--grace 24h]`. */
  readonly usage: string
  /** How many words must and may follow. */
  readonly words: readonly [number, number]
  readonly options?: ParseArgsOptionsConfig
  run(call: CommandCall): Promise<number>
}

/** The option as text, if it was given. */
export function textOf(values: Values, name: string): string | undefined {
  const value = values[name]
  return typeof value === 'string' ? value : undefined
}

/** All values of a repeatable option; commas separate as well. Undefined = not given. */
export function listOf(values: Values, name: string): string[] | undefined {
  const value = values[name]
  if (!Array.isArray(value)) return undefined
  return value
    .flatMap(entry => String(entry).split(','))
    .map(entry => entry.trim())
    .filter(entry => entry !== '')
}

/** A limit: `none` takes it away. Throws a usage error. */
export const limitOf = (values: Values, name: string): number | null | undefined =>
  textOf(values, name) === 'none' ? null : numberOf(values, name)

/** What a command changes. Throws a usage error where that is nothing. */
export function changesOf<T extends Record<string, unknown>>(body: T): T {
  if (Object.values(body).some(value => value !== undefined)) return body
  throw new CommandError('nothing to change: say at least one thing, as in --budget 25/month', EXIT.usage)
}

/** A number option. Throws a usage error. */
export function numberOf(values: Values, name: string): number | undefined {
  const text = textOf(values, name)
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value)) return value
  throw new CommandError(`--${name}: "${text}" is not a number`, EXIT.usage)
}

/** Names in an answer of the admin plane that match nothing now, a line each; `what` = whose they are, where several things are made. */
export function showWarnings(
  call: CommandCall,
  { warnings }: Readonly<Record<string, unknown>>,
  what = '',
): void {
  const whose = what === '' ? '' : `${plain(what)}: `
  for (const each of (warnings ?? []) as unknown[]) call.shell.err(`warning: ${whose}${plain(each)}\n`)
}
