/** Config file text → Config, or the list of everything that is wrong with it. Pure: the environment and the known kinds are passed in. */
import type { z } from 'zod'
import type { Catalog } from '../../providers/catalog/loader.ts'
import type { Kind } from '../../providers/index.ts'
import type { HostRow } from '../../providers/provider.ts'
import { checkFile, type Spot } from './check.ts'
import { ConfigFile } from './file.ts'
import { didYouMean } from './nearest.ts'
import { isMapAt, knownKeysAt } from './outline.ts'
import { quirksOf } from './quirks.ts'
import { aliasOf, rulesOf } from './routing.ts'
import type { Config, ModelConfig, ProviderConfig, Timeouts } from './schema.ts'
import { type Fault, formatPath, parseText } from './text.ts'

export { type Fault, formatFault } from './text.ts'

/** Environment variables; undefined or '' = not set. */
export type Env = Readonly<Record<string, string | undefined>>

/** What the file is checked against. */
export interface ConfigWorld {
  /** Everything that may stand as `kind`. */
  readonly kinds: ReadonlyMap<string, Kind>
  readonly catalog: Catalog
  readonly env: Env
  /** Why the secret that a reference points to cannot be had now; undefined = it can, or nobody has looked. */
  readonly whyUnusable?: (reference: string) => string | undefined
}

export type LoadedConfig =
  /** `file` = what the text says, defaults filled in. */
  | { readonly ok: true; readonly config: Config; readonly file: ConfigFile }
  | { readonly ok: false; readonly faults: readonly Fault[] }

/** Deeper than any place of ours; also where an alias that contains itself ends. */
const DEPTH_MAX = 12

/** A key with nothing behind it is null in YAML and means "empty" or "default". Keys that would reach a prototype are refused. */
function tidied(node: unknown, path: Spot, report: (path: Spot, reason: string) => void): unknown {
  if (node === null || typeof node !== 'object') return node
  if (path.length > DEPTH_MAX) {
    report(path, 'nested too deeply')
    return undefined
  }
  if (Array.isArray(node)) return node.map((item, i) => tidied(item, [...path, i], report))
  const copy: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(node)) {
    const at = [...path, key]
    if (key === '__proto__' || key === 'constructor' || key === 'prototype')
      report(at, 'this key is not allowed')
    else if (item !== null) copy[key] = tidied(item, at, report)
    else if (isMapAt(at)) copy[key] = {}
    // Unknown keys stay, so that they are reported.
    else if (knownKeysAt(path)?.includes(key) !== true) copy[key] = null
  }
  return copy
}

type Issue = z.core.$ZodIssue

/** One issue per bound of a value: a number beyond what integers hold breaks the schema's own bound as well. The later check is the tighter one. */
function withoutEchoes(issues: readonly Issue[]): readonly Issue[] {
  const bounds = new Map<string, Issue>()
  for (const issue of issues)
    if (issue.code === 'too_big' || issue.code === 'too_small')
      bounds.set(`${issue.code} ${formatPath(issue.path)}`, issue)
  return issues.filter(issue => {
    if (issue.code !== 'too_big' && issue.code !== 'too_small') return true
    return bounds.get(`${issue.code} ${formatPath(issue.path)}`) === issue
  })
}

/** zod's issue in plain words; the value itself never stands in them. */
function wordsOf(issue: Issue): string {
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    if (!/^Too (small|big)/.test(issue.message)) return issue.message
    const bound = issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`
    const unit = issue.origin === 'array' ? ' in the list' : issue.origin === 'string' ? ' characters' : ''
    return `must be ${bound}${unit}`
  }
  return issue.message
    .replace(/^Invalid (input|option): /, '')
    .replace(/\brecord\b|\bobject\b/g, 'map')
    .replace(/\barray\b/g, 'list')
}

function faultsOfIssue(issue: Issue): { path: readonly PropertyKey[]; reason: string }[] {
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeysAt(issue.path) ?? []
    return issue.keys.map(key => ({
      path: [...issue.path, key],
      reason: `unknown key${didYouMean(key, known) || `; known here: ${known.join(', ')}`}`,
    }))
  }
  // A bad key of a map: say what is wrong with the key, not that there is one.
  if (issue.code === 'invalid_key')
    return issue.issues.map(inner => ({ path: issue.path, reason: inner.message }))
  return [{ path: issue.path, reason: wordsOf(issue) }]
}

/** Passes over a file; what a pass takes out may uncover faults that it hid. */
const PASSES_MAX = 6

/** Takes out what an issue is about, or what holds it where it is missing. Gives the places taken out that had a fault. */
function prune(value: unknown, issues: readonly Issue[]): Spot[] {
  const gone: Spot[] = []
  for (const issue of issues) {
    const steps = issue.path as Spot
    const parents: unknown[] = [value]
    for (const step of steps)
      parents.push((parents.at(-1) as Record<PropertyKey, unknown> | undefined)?.[step])
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) delete (parents.at(-1) as Record<string, unknown> | undefined)?.[key]
      continue
    }
    let at = steps.length
    while (at > 1 && parents[at] === undefined) at--
    const holder = parents[at - 1] as Record<PropertyKey, unknown> | undefined
    const step = steps[at - 1]
    if (holder && step !== undefined) delete holder[step]
    gone.push(steps.slice(0, at))
  }
  return gone
}

/** Does this place hold something that was taken out, or stand beside it? What is said of it may be an echo. */
const isEcho = (path: Spot, gone: readonly Spot[]): boolean =>
  gone.some(taken => taken.slice(0, -1).every((step, i) => i >= path.length || path[i] === step))

/** Was this place taken out, or something in it, or what it stood in? */
const isGone = (place: Spot, gone: readonly Spot[]): boolean =>
  gone.some(taken => taken.every((step, i) => i >= place.length || place[i] === step))

/** Reads the file's text ('' = no file). Every fault is found in one pass; no fault repeats a value that may be a secret. */
export function loadConfig(text: string, world: ConfigWorld): LoadedConfig {
  const parsed = parseText(text)
  if (!('lineOf' in parsed)) return { ok: false, faults: parsed }
  const faults: Fault[] = []
  const report = (path: Spot, reason: string) => {
    const line = parsed.lineOf(path)
    faults.push({ path: formatPath(path), reason, ...(line !== undefined && { line }) })
  }
  const value = tidied(parsed.value, [], report)
  const gone: Spot[] = []
  let file = ConfigFile.safeParse(value)
  for (let pass = 0; !file.success && pass < PASSES_MAX; pass++) {
    const { issues } = file.error
    for (const issue of withoutEchoes(issues))
      for (const { path, reason } of faultsOfIssue(issue))
        if (!isEcho(path as Spot, gone)) report(path as Spot, reason)
    // The rest is checked as well, so that one run shows every fault.
    gone.push(...prune(value, issues))
    file = ConfigFile.safeParse(value)
  }
  if (file.success)
    checkFile(file.data, world, (path, reason, restsOn) => {
      const echoes = restsOn ? restsOn.some(place => isGone(place, gone)) : isEcho(path, gone)
      if (!echoes) report(path, reason)
    })
  if (faults.length > 0 || !file.success) return { ok: false, faults }
  return { ok: true, config: configOf(file.data), file: file.data }
}

type FileProvider = ConfigFile['providers'][string]

const timeoutsOf = (file: ConfigFile['timeouts']): Timeouts => ({
  connectMs: file.connect_ms,
  firstByteMs: file.first_byte_ms,
  firstTokenMs: file.first_token_ms,
  idleMs: file.idle_ms,
  stallMs: file.stall_ms,
  keepaliveMs: file.keepalive_ms,
  totalMs: file.total_ms,
})

/** Without its undefined members, so that it can be spread over defaults. */
function present<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Partial<T>
}

const modelOf = (id: string, file: FileProvider['models'][string]): ModelConfig => ({
  upstream: file.upstream ?? id,
  inputUsdPerMtok: file.input_usd_per_mtok,
  outputUsdPerMtok: file.output_usd_per_mtok,
  cacheReadUsdPerMtok: file.cache_read_usd_per_mtok,
  cacheWriteUsdPerMtok: file.cache_write_usd_per_mtok,
  audioInputUsdPerMtok: file.audio_input_usd_per_mtok,
  audioOutputUsdPerMtok: file.audio_output_usd_per_mtok,
  unitUsd: file.unit_usd,
  contextTokens: file.context_tokens,
  maxOutputTokens: file.max_output_tokens,
})

function mapped<T, U>(
  record: Readonly<Record<string, T>>,
  change: (value: T, key: string) => U,
): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]))
}

const providerOf = (file: FileProvider, name: string): ProviderConfig => ({
  kind: file.kind ?? name,
  baseUrl: file.base_url,
  credentials: file.credentials,
  models: mapped(file.models, (model, id) => modelOf(id, model)),
  options: file.options,
  headers: file.headers,
  onDisconnect: file.on_disconnect,
  timeouts: present(timeoutsOf(file.timeouts as ConfigFile['timeouts'])),
  ...present({ weight: file.weight, priority: file.priority, region: file.region, data: file.data }),
})

const hostOf = (file: ConfigFile['hosts'][string]): HostRow => ({
  baseUrl: file.base_url,
  auth: file.auth,
  env: file.env,
  quirks: quirksOf(file.quirks),
  source: file.source,
})

function configOf(file: ConfigFile): Config {
  return {
    providers: mapped(file.providers, providerOf),
    hosts: mapped(file.hosts, hostOf),
    aliases: mapped(file.aliases, aliasOf),
    routing: {
      strategy: file.routing.strategy,
      ...(file.routing.rules.length > 0 && { rules: rulesOf(file.routing.rules) }),
      streamGuarantee: file.routing.stream_guarantee,
      settleMs: file.routing.settle_ms,
      settleTokens: file.routing.settle_tokens,
      aroundContentFilter: file.routing.around_content_filter,
      hedge: file.routing.hedge,
    },
    retries: { attempts: file.retries.attempts },
    timeouts: timeoutsOf(file.timeouts),
    limits: {
      bodyBytes: file.limits.body_bytes,
      uploadBytes: file.limits.upload_bytes,
      answerBytes: file.limits.answer_bytes,
      eventBytes: file.limits.event_bytes,
      defaultMaxOutputTokens: file.limits.default_max_output_tokens,
      throttleMs: file.limits.throttle_ms,
      ...(file.limits.concurrency !== undefined && { concurrency: file.limits.concurrency }),
    },
    budgets: { refusalStatus: file.budgets.refusal_status, unpriced: file.budgets.unpriced },
    alerts: { webhook: file.alerts.webhook },
    metrics: file.metrics,
    durability: file.durability,
    egress: { allow: file.egress.allow },
    retention: { requestsDays: file.retention.requests_days ?? undefined },
    discoverEnv: file.discover_env,
  }
}
