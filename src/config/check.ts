/** What a schema cannot say: kinds that exist, addresses that may be reached, references that lead somewhere, names that mean something. */
import { createGuard, parseAllowEntry } from '../egress/guard.ts'
import { canonicalOf } from '../route/names.ts'
import {
  ANY_MODEL,
  filledOptions,
  filledUrl,
  kindsOf,
  optionsTaken,
  placeholdersOf,
  placeOf,
} from '../route/sites.ts'
import type { HostRow } from '../../providers/provider.ts'
import type { ConfigFile } from './file.ts'
import type { ConfigWorld } from './load.ts'
import { didYouMean } from './nearest.ts'

/** A place in the file, as zod gives it. */
export type Spot = readonly PropertyKey[]
/** `restsOn` = all that the fault rests on, where that is less than what stands around its place: told unless one of these was taken out. */
export type Report = (path: Spot, reason: string, restsOn?: readonly Spot[]) => void
type FileProvider = ConfigFile['providers'][string]

/** Wires that are planned: refused with that word while no kind has the name. */
const LATER = new Set(['watsonx', 'oci', 'replicate'])

/** Why a base URL is no good as one; undefined = good. The URL is not repeated: it may carry a secret by mistake. */
function whyBadUrl(text: string): string | undefined {
  const url = URL.parse(text)
  if (url === null || !/^https?:\/\//i.test(text)) return 'not a URL; write https://host/v1'
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must start with https:// or http://'
  if (url.username !== '' || url.password !== '')
    return 'must not carry a user or password: secrets belong under credentials'
  if (url.search !== '' || url.hash !== '') return 'must not have a query or fragment'
  if (/\/(chat\/completions|messages|models)\/?$/.test(url.pathname))
    return 'ends with the name of a route: stop at the version segment, as in https://api.openai.com/v1'
  return undefined
}

/** Everything that is wrong with a file that has the right shape. */
export function checkFile(file: ConfigFile, world: ConfigWorld, report: Report): void {
  const allow = file.egress.allow.filter((entry, i) => {
    if (parseAllowEntry(entry) !== undefined) return true
    const what = entry.includes('*') ? 'patterns are not supported: list each address' : 'not host:port'
    report(['egress', 'allow', i], `${what}; write for example "127.0.0.1:11434" or "[::1]:8080"`)
    return false
  })
  const guard = createGuard(allow)
  const checkUrl = (path: Spot, text: string) => {
    const bad = whyBadUrl(text)
    if (bad !== undefined) return report(path, bad, [path])
    const verdict = guard.origin(new URL(text).origin)
    if ('why' in verdict) report(path, verdict.why, [path, ['egress']])
  }

  for (const [name, host] of Object.entries(file.hosts)) {
    if (world.kinds.has(name))
      report(['hosts', name], 'there is a built-in kind of this name; choose another')
    checkUrl(
      ['hosts', name, 'base_url'],
      filledUrl(host.base_url, { account: 'x', region: 'x', project: 'x' }),
    )
  }
  const kinds = kindsOf(
    world.kinds,
    Object.fromEntries(
      Object.entries(file.hosts).map(([name, host]) => [
        name,
        { baseUrl: host.base_url, auth: host.auth, env: host.env, quirks: {}, source: '' },
      ]),
    ),
  )
  for (const [name, provider] of Object.entries(file.providers)) {
    const path = ['providers', name]
    checkCredentials(provider, world, path, report)
    checkModels(provider, path, report)
    if (name === 'demo') report(path, 'demo is the built-in provider; choose another name')
    const kind = kinds.get(provider.kind ?? name)
    if (kind === undefined) {
      report(...unknownKind(name, provider, [...kinds.keys()]))
      continue
    }
    const options = filledOptions(kind.host, provider.options, name => world.env[name])
    const lacks = checkOptions(provider, kind.host, options, path, report)
    const place = placeOf(kind, { options, baseUrl: provider.base_url, ...ANY_MODEL })
    if (provider.base_url !== undefined) checkUrl([...path, 'base_url'], provider.base_url)
    else if ('why' in place) {
      // what is lacking was named already
      if (!lacks) report([...path, 'options'], place.why)
    } else if (placeholdersOf(place.baseUrl).length === 0) checkUrl(path, place.baseUrl)
  }
  checkAliases(file, world, new Set([...Object.keys(file.providers), ...kinds.keys()]), report)
}

function unknownKind(
  name: string,
  provider: FileProvider,
  known: readonly string[],
): [Spot, string, readonly Spot[]] {
  const kind = provider.kind ?? name
  const written = ['providers', name, 'kind']
  const restsOn = [written, ['hosts', kind]]
  const path = provider.kind === undefined ? ['providers', name] : written
  if (LATER.has(kind)) return [path, `the kind ${kind} is not supported yet`, restsOn]
  if (kind === 'google') return [path, 'unknown kind "google", did you mean "gemini"?', restsOn]
  const hint = didYouMean(kind, known)
  if (provider.kind !== undefined) return [path, `unknown kind "${kind}"${hint}`, restsOn]
  const cure = hint || ': say which wire it speaks, as in `kind: openai`'
  return [path, `no kind is called "${kind}"${cure}`, restsOn]
}

/** A variable's name, unless it looks as if somebody wrote the secret itself there. */
const nameable = (variable: string) => (/^[A-Z][A-Z0-9_]{0,63}$/.test(variable) ? ` ${variable}` : '')

function checkCredentials(provider: FileProvider, world: ConfigWorld, path: Spot, report: Report): void {
  const seen = new Set<string>()
  provider.credentials.forEach((credential, i) => {
    const at = [...path, 'credentials', i]
    const secret = [...at, 'secret']
    if (seen.has(credential.name)) report([...at, 'name'], `"${credential.name}" stands twice`)
    seen.add(credential.name)
    const variable = /^env:\/\/(.+)$/.exec(credential.secret)?.[1]
    if (variable !== undefined && !world.env[variable]?.trim())
      report(secret, `the environment variable${nameable(variable)} is not set`, [secret])
    else {
      const why = world.whyUnusable?.(credential.secret)
      if (why !== undefined) report(secret, why, [secret])
    }
  })
}

function checkModels(provider: FileProvider, path: Spot, report: Report): void {
  for (const [id, model] of Object.entries(provider.models)) {
    const at = [...path, 'models', id]
    const tell = (reason: string) => report(at, reason, [at])
    const hasInput = model.input_usd_per_mtok !== undefined
    const hasOutput = model.output_usd_per_mtok !== undefined
    if (hasInput !== hasOutput)
      tell(`${hasInput ? 'output' : 'input'}_usd_per_mtok is missing: a price needs both (0 = free)`)
    const hasCache =
      model.cache_read_usd_per_mtok !== undefined || model.cache_write_usd_per_mtok !== undefined
    if (hasCache && !hasInput && !hasOutput)
      tell('a cache price needs input_usd_per_mtok and output_usd_per_mtok beside it')
    const hasSound =
      model.audio_input_usd_per_mtok !== undefined || model.audio_output_usd_per_mtok !== undefined
    if (hasSound && !hasInput && !hasOutput)
      tell('a price of sound needs input_usd_per_mtok and output_usd_per_mtok beside it')
    if (/:(floor|nitro)$/.test(id)) tell('a model id must not end with ":floor" or ":nitro"')
  }
}

/** Is an option lacking that the kind cannot do without? */
function checkOptions(
  provider: FileProvider,
  host: HostRow,
  filled: Readonly<Record<string, string>>,
  path: Spot,
  report: Report,
): boolean {
  const taken = optionsTaken(host)
  let lacks = false
  for (const [option, row] of Object.entries(taken)) {
    // with an own address the kind's has no place to fill
    const needed = row.optional !== true && provider.base_url === undefined
    if (!needed || option in filled) continue
    lacks = true
    const or = row.env.length > 0 ? `, or the variable ${row.env.join(' or ')}` : ''
    report([...path, 'options'], `this kind needs the option "${option}"${or}`)
  }
  const names = provider.base_url === undefined ? Object.keys(taken) : Object.keys(host.options ?? {})
  for (const option of Object.keys(provider.options))
    if (!names.includes(option))
      report(
        [...path, 'options', option],
        names.length === 0
          ? 'this kind takes no options'
          : `unknown option; this kind takes ${names.join(', ')}`,
      )
  return lacks
}

function checkAliases(
  file: ConfigFile,
  { catalog }: ConfigWorld,
  providers: ReadonlySet<string>,
  report: Report,
): void {
  const own = new Set(Object.values(file.providers).flatMap(provider => Object.keys(provider.models)))
  const isKnown = (name: string) => own.has(name) || canonicalOf(name, catalog) !== undefined
  const isAddressed = (name: string) => {
    const slash = name.indexOf('/')
    return (
      (name.lastIndexOf('@') > 0 && providers.has(name.slice(name.lastIndexOf('@') + 1))) ||
      (slash > 0 && providers.has(name.slice(0, slash)) && isKnown(name.slice(slash + 1)))
    )
  }
  for (const [alias, { models }] of Object.entries(file.aliases)) {
    if (/:(floor|nitro)$/.test(alias))
      report(['aliases', alias], 'an alias must not end with ":floor" or ":nitro"')
    models.forEach((model, i) => {
      const at = ['aliases', alias, 'models', i]
      if (models.indexOf(model) !== i) report(at, `"${model}" stands twice`)
      else if (isKnown(model) || isAddressed(model)) return
      else if (Object.hasOwn(file.aliases, model))
        report(at, `"${model}" is an alias itself: list its models`)
      else report(at, `unknown model "${model}"${didYouMean(model, [...own, ...catalog.byModel.keys()])}`)
    })
  }
}
