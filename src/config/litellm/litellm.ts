/** LiteLLM's proxy config → a `switchgate.yaml`, with a comment for everything that has no counterpart; no secret is taken over. Pure. */
import { stringify } from 'yaml'
import { createGuard } from '../../egress/guard.ts'
import { parseText } from '../text.ts'
import { deploy } from './deployments.ts'
import type { Env, Note } from './places.ts'
import { settle } from './settings.ts'
import { readSource } from './source.ts'

export interface Imported {
  readonly text: string
  readonly notes: readonly Note[]
  /** Entries of model_list that are not in the result. */
  readonly skipped: readonly string[]
  /** Variables that the result reads; a start needs them. */
  readonly variables: readonly string[]
  readonly providers: number
  readonly models: number
}

/** A variable for each key that stands in the file, the same for the same key. */
function createVariables(taken: Set<string>) {
  const known = new Map<string, string>()
  return (_at: string, kind: string, secret: string): string => {
    const found = known.get(secret)
    if (found !== undefined) return found
    const stem = `${kind.replace(/[^A-Za-z0-9]/g, '_').toUpperCase()}_KEY`
    let name = `${stem}_1`
    for (let n = 2; taken.has(name); n++) name = `${stem}_${n}`
    taken.add(name)
    known.set(secret, name)
    return name
  }
}

/** Private addresses and plain http are reached only where the file says so. */
function allowOf(providers: Readonly<Record<string, { readonly base_url?: string }>>): string[] {
  const guard = createGuard([])
  const allow = new Set<string>()
  for (const { base_url: text } of Object.values(providers)) {
    const url = text === undefined ? null : URL.parse(text)
    if (url === null || !('why' in guard.origin(url.origin))) continue
    allow.add(`${url.hostname}:${url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port}`)
  }
  return [...allow]
}

const withoutEmpty = (file: Readonly<Record<string, object>>) =>
  Object.fromEntries(Object.entries(file).filter(([, part]) => Object.keys(part).length > 0))

/** A line of a comment; nothing of it may end the comment. */
const commentLine = (text: string): string => `#   ${text.replace(/[\r\n\u0085\u2028\u2029]+/g, ' ')}\n`

function headOf(notes: readonly Note[], skipped: readonly string[], variables: readonly string[]): string {
  let text = "# Made by `switchgate import litellm` of a config of LiteLLM's proxy.\n"
  text +=
    '# A provider without base_url sells its whole catalogue: `--models` of a key says what it may call.\n'
  if (variables.length > 0)
    text += `# Variables that are read, from the environment or .env beside this file:\n${commentLine(variables.join(', '))}`
  if (skipped.length > 0) text += `# Left out:\n${skipped.map(commentLine).join('')}`
  if (notes.length > 0)
    text += `# What has no counterpart, or another one:\n${notes.map(({ at, text }) => commentLine(`${at}: ${text}`)).join('')}`
  return text
}

/** `env` = for addresses that are references there. Never throws. */
export function importLiteLlm(text: string, env: Env): Imported | { readonly why: string } {
  const parsed = parseText(text)
  if (!('lineOf' in parsed)) {
    const [fault] = parsed
    return {
      why: `${fault?.reason ?? 'not YAML'}${fault?.line === undefined ? '' : ` (line ${fault.line})`}`,
    }
  }
  const source = readSource(parsed.value)
  if ('why' in source) return source
  const notes: Note[] = []
  const tell = (at: string, note: string) => void notes.push({ at, text: note })
  // a made-up name must not be one that the file itself refers to
  const taken = new Set([...text.matchAll(/os\.environ\/([A-Za-z_]\w*)/g)].map(([, name]) => name ?? ''))
  const deployed = deploy(source, env, tell, createVariables(taken))
  const { aliases, ...settings } = settle(source, deployed, tell)
  const { providers, skipped } = deployed
  const allow = allowOf(providers)
  const file = withoutEmpty({
    providers,
    aliases,
    ...settings,
    ...(allow.length > 0 && { egress: { allow } }),
  })
  const variables = [
    ...new Set(
      Object.values(providers).flatMap(({ credentials = [] }) =>
        credentials.flatMap(({ secret }) => (secret.startsWith('env://') ? [secret.slice(6)] : [])),
      ),
    ),
  ]
  const body =
    Object.keys(file).length === 0 ? '' : stringify(file, { lineWidth: 0, aliasDuplicateObjects: false })
  return {
    text: `${headOf(notes, skipped, variables)}\n${body}`,
    notes,
    skipped,
    variables,
    providers: Object.keys(providers).length,
    models: [...deployed.groups.keys()].length,
  }
}
