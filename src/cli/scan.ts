/** `switchgate scan`: keys that stand in files or in a repository's history, and which of ours still work. Never prints one. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Finding, Scanned } from '../runtime/node/scan.ts'
import { getAll } from './client.ts'
import { type Command, type CommandCall, CommandError, EXIT } from './command.ts'
import { jsonText, plain } from './print.ts'

interface Told extends Finding {
  /** Of a key of ours: its status, or `not_here`. Of another: `in_use` as a credential here. Null = nobody could be asked. */
  readonly status: string | null
  /** Name of the key or credential. */
  readonly name: string | null
}

type Known = ReadonlyMap<string, { readonly status: string; readonly name: string }>

/** A question to a gateway or folder that may not be there. */
async function asked(
  what: Promise<Record<string, unknown>[]>,
): Promise<Record<string, unknown>[] | undefined> {
  try {
    return await what
  } catch {
    return undefined
  }
}

async function keysOf({ admin }: CommandCall): Promise<Known | undefined> {
  const keys = await asked(getAll(admin, '/keys'))
  return (
    keys && new Map(keys.map(key => [String(key.id), { status: String(key.status), name: String(key.name) }]))
  )
}

async function credentialsOf({ admin }: CommandCall): Promise<Known | undefined> {
  const all = await asked(getAll(admin, '/credentials'))
  const sealed = all?.filter(({ fingerprint }) => typeof fingerprint === 'string')
  return (
    sealed &&
    new Map(
      sealed.map(one => [
        String(one.fingerprint),
        { status: 'in_use', name: `${String(one.provider)}/${String(one.name)}` },
      ]),
    )
  )
}

/** What the gateway knows of them; asked only when there is something to ask about. */
async function tellAll(call: CommandCall, findings: readonly Finding[]): Promise<Told[]> {
  const isOurs = ({ kind }: Finding) => kind === 'switchgate'
  const keys = findings.some(isOurs) ? await keysOf(call) : undefined
  const credentials = findings.some(finding => !isOurs(finding)) ? await credentialsOf(call) : undefined
  return findings.map(finding => {
    const known = isOurs(finding) ? keys?.get(finding.id ?? '') : credentials?.get(finding.fingerprint)
    const unknown = isOurs(finding) && keys !== undefined ? 'not_here' : null
    return { ...finding, status: known?.status ?? unknown, name: known?.name ?? null }
  })
}

const STATUS: Readonly<Record<string, string>> = {
  active: 'ACTIVE here',
  suspended: 'suspended here',
  revoked: 'revoked here',
  expired: 'expired here',
  not_here: 'no key of this gateway',
  in_use: 'IN USE here',
}

function lineOf({ path, line, commit, kind, id, fingerprint, status, name }: Told): string {
  const place = `${commit === undefined ? '' : `${commit}:`}${path}:${line}`
  const known = status === null ? '' : `  ${STATUS[status] ?? status}${name === null ? '' : ` (${name})`}`
  return plain(`${place}  ${kind}  ${id ?? `#${fingerprint}`}${known}`)
}

function rooted(call: CommandCall): string {
  const root = resolve(call.words[0] ?? '')
  const stat = statSync(root, { throwIfNoEntry: false })
  if (stat?.isDirectory() || stat?.isFile()) return root
  throw new CommandError(`${root} is neither a folder nor a file`, EXIT.usage)
}

function print(call: CommandCall, scanned: Scanned, told: readonly Told[]): void {
  const { out, err } = call.shell
  for (const one of told) out(`${lineOf(one)}\n`)
  const megabytes = (scanned.bytes / 1e6).toFixed(1)
  err(
    `${scanned.files} files, ${megabytes} MB, ${scanned.binary} passed over as no text: ${told.length} found\n`,
  )
  if (scanned.unreadable > 0) err(`warning: ${scanned.unreadable} could not be read\n`)
  for (const id of new Set(told.flatMap(({ id, status }) => (id && status === 'active' ? [id] : []))))
    err(`to stop it: switchgate key revoke ${plain(id)}, or key rotate\n`)
  if (told.some(({ kind }) => !kind.startsWith('switchgate')))
    err('keys of providers are revoked at the provider; then: switchgate credential rotate\n')
}

async function run(call: CommandCall): Promise<number> {
  const root = rooted(call)
  const { scanFolder, scanHistory } = await import('../runtime/node/scan.ts')
  const scanned = scanFolder(root)
  let history: Finding[] = []
  if (call.values.git === true)
    history = await scanHistory(root).catch((error: unknown) => {
      throw new CommandError(error instanceof Error ? error.message : String(error), EXIT.usage)
    })
  const told = await tellAll(call, [...scanned.findings, ...history])
  if (call.json) {
    const { files, bytes, binary, unreadable } = scanned
    const findings = told.map(({ commit, id, ...one }) => ({
      ...one,
      commit: commit ?? null,
      id: id ?? null,
    }))
    call.shell.out(jsonText({ path: root, files, bytes, binary, unreadable, findings }))
  } else print(call, scanned, told)
  return told.length === 0 ? EXIT.ok : EXIT.failed
}

export const scanCommands: readonly Command[] = [
  {
    name: 'scan',
    summary: 'Find keys in files, and say which of ours still work; never prints one; exit 1 = found',
    usage: '<folder> [--git]',
    words: [1, 1],
    options: { git: { type: 'boolean' } },
    run,
  },
]
