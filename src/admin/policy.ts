/** Keys and projects as a file: what it says, held against what is there, is a list of calls to the admin plane. Pure; for `switchgate policy`. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { parseText } from '../config/text.ts'
import { canonicalWindow } from '../ledger/windows.ts'
import { nanoFromUsd } from '../price.ts'
import { draftOf, patchKeySchema } from './key-schema.ts'
import { checkLimits, limitsOf, limitsSchema, NO_LIMITS } from './limit-schema.ts'
import { patchProjectSchema } from './project-schema.ts'
import { parseStrict } from './validate.ts'

type Fields = Readonly<Record<string, unknown>>

/** What a fixture expects of one key and one model. */
export interface PolicyTest {
  readonly key: string
  readonly model: string
  readonly expect: 'allow' | 'deny'
}

export interface Policy {
  /** As written: absent members are left as they are. */
  readonly organisation: Fields | undefined
  readonly projects: Readonly<Record<string, Fields>>
  readonly keys: Readonly<Record<string, Fields>>
  readonly tests: readonly PolicyTest[]
}

/** One call that would bring what is there in line with the file. */
export interface PolicyStep {
  readonly what: string
  readonly kind: 'create' | 'change'
  readonly method: 'POST' | 'PATCH'
  readonly path: string
  readonly body: Fields
  /** Of a change: member by member. */
  readonly changes: readonly { readonly field: string; readonly from: unknown; readonly to: unknown }[]
}

/** As the admin plane answers them. */
export interface Present {
  readonly keys: readonly Fields[]
  readonly projects: readonly Fields[]
  readonly organisation: Fields
}

const fileSchema = z.strictObject({
  organisation: z.record(z.string(), z.unknown()).nullish(),
  projects: z.record(z.string(), z.record(z.string(), z.unknown()).nullable()).nullish(),
  keys: z.record(z.string(), z.record(z.string(), z.unknown()).nullable()).nullish(),
  tests: z
    .array(
      z.strictObject({
        key: z.string({ error: 'must be the name of a key' }),
        model: z.string({ error: 'must be the name of a model' }),
        expect: z.enum(['allow', 'deny'], { error: 'must be allow or deny' }),
      }),
    )
    .nullish(),
})

const PROJECT_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/

function refuse(param: string, reason: string): never {
  throw new GatewayError('invalid_request', `\`${param}\`: ${reason}`, { param })
}

/** Checks an entry as the admin plane would; a fault names its place in the file. */
function checked(place: string, schema: z.ZodType, fields: Fields): Fields {
  try {
    parseStrict(schema, fields)
    return fields
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    throw new GatewayError('invalid_request', `${place}: ${error.message}`, { param: place, cause: error })
  }
}

/** The file's text. Throws GatewayError `invalid_request` for the first fault. */
export function readPolicy(text: string): Policy {
  const parsed = parseText(text)
  if (!('lineOf' in parsed)) {
    const [fault] = parsed
    const line = fault?.line === undefined ? '' : ` (line ${fault.line})`
    throw new GatewayError('invalid_request', `${fault?.reason ?? 'not YAML'}${line}`)
  }
  const file = parseStrict(fileSchema, parsed.value)
  const projects = Object.entries(file.projects ?? {}).map(([id, fields]) => {
    if (!PROJECT_ID.test(id) || id === 'organisation')
      refuse(
        `projects.${id}`,
        'an id has 1 to 64 lower-case letters, digits, "-" or "_"; organisation stands by itself',
      )
    return [id, checked(`projects.${id}`, patchProjectSchema, fields ?? {})] as const
  })
  const keys = Object.entries(file.keys ?? {}).map(([name, fields]) => {
    if (fields !== null && 'name' in fields)
      refuse(`keys.${name}.name`, 'a key is known by its name here: leave it out')
    return [name, checked(`keys.${name}`, patchKeySchema, { ...fields, name })] as const
  })
  const organisation = file.organisation ?? undefined
  return {
    organisation: organisation && checked('organisation', patchProjectSchema, organisation),
    projects: Object.fromEntries(projects),
    keys: Object.fromEntries(keys),
    tests: file.tests ?? [],
  }
}

/** Without what is null or absent, lists in one order, times as numbers: so that the same is the same. */
function plainOf(value: unknown): unknown {
  if (Array.isArray(value))
    return value.map(plainOf).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, member]) => member !== null && member !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, member]) => [name, plainOf(member)]),
    )
  return value ?? null
}

const BUDGET_FIELDS = ['window', 'usd', 'soft_usd', 'per', 'user', 'tag', 'model'] as const

/** A raise is somebody's decision for a day: it stands unless the file names one. */
function budgetsOf(value: unknown, withRaise: boolean): Fields[] {
  if (!Array.isArray(value)) return []
  return value.map((budget: Fields) =>
    Object.fromEntries([...BUDGET_FIELDS, ...(withRaise ? ['raise'] : [])].map(name => [name, budget[name]])),
  )
}

const nanoOf = (usd: unknown): unknown => (typeof usd === 'number' ? nanoFromUsd(usd) : usd)

/** As the gateway keeps it, which may be other than the file has it: a zone has several names, an amount has nano-USD, an instant has many offsets. */
function kept({ window, usd, soft_usd: soft, raise, ...rest }: Fields): Fields {
  return {
    ...rest,
    window: canonicalWindow(String(window)) ?? window,
    usd: nanoOf(usd),
    soft_usd: nanoOf(soft),
    raise: isTable(raise) ? { usd: nanoOf(raise.usd), until: Date.parse(String(raise.until)) } : raise,
  }
}

const comparable = (value: unknown, withRaise: boolean): string =>
  JSON.stringify(plainOf(budgetsOf(value, withRaise).map(kept)))

const isTable = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Members that the admin plane merges: what the file leaves out is not compared. */
const MERGED = new Set(['limits', 'metadata'])
/** Of these an empty list and none are the same; elsewhere an empty list is "nothing at all". */
const EMPTY_IS_NONE = new Set(['tags', 'budgets'])

function isSame(field: string, to: unknown, from: unknown): boolean {
  if (field === 'budgets') {
    const withRaise = Array.isArray(to) && to.some((budget: Fields) => budget.raise !== undefined)
    return comparable(to, withRaise) === comparable(from, withRaise)
  }
  if (MERGED.has(field) && isTable(to)) {
    const present = isTable(from) ? from : {}
    return Object.entries(to).every(
      ([name, value]) => JSON.stringify(plainOf(value)) === JSON.stringify(plainOf(present[name])),
    )
  }
  if (field === 'expires_at' && typeof to === 'string' && typeof from === 'string')
    return Date.parse(to) === Date.parse(from)
  const none = (value: unknown) => EMPTY_IS_NONE.has(field) && Array.isArray(value) && value.length === 0
  const [wanted, there] = [none(to) ? null : to, none(from) ? null : from]
  return JSON.stringify(plainOf(wanted)) === JSON.stringify(plainOf(there))
}

/** Members that differ, as they stand there and as the file wants them. */
function changesOf(wanted: Fields, there: Fields): PolicyStep['changes'] {
  return Object.entries(wanted)
    .filter(([field, to]) => !isSame(field, to, there[field]))
    .map(([field, to]) => ({
      field,
      from: field === 'budgets' ? budgetsOf(there[field], false) : (there[field] ?? null),
      to,
    }))
}

function change(what: string, path: string, wanted: Fields, there: Fields): PolicyStep[] {
  const changes = changesOf(wanted, there)
  if (changes.length === 0) return []
  const body = Object.fromEntries(changes.map(({ field, to }) => [field, to]))
  return [{ what, kind: 'change', method: 'PATCH', path, body, changes }]
}

const works = (key: Fields): boolean => key.status === 'active' || key.status === 'suspended'

/** The key of this name: of two in a rotation the one that stays. Throws where the name is no answer. */
export function keyNamed(name: string, keys: readonly Fields[]): Fields | undefined {
  const all = keys.filter(key => key.name === name && works(key))
  const lasting = all.filter(key => key.expires_at === null)
  const [found, other] = all.length > 1 ? lasting : all
  if (all.length > 1 && (found === undefined || other !== undefined))
    refuse(`keys.${name}`, `${all.length} keys have this name: rename or revoke all but one`)
  return found
}

/** Keys of the file whose project the file does not make: `[key, project]`. */
export const projectsElsewhere = ({ keys, projects }: Policy): readonly (readonly [string, string])[] =>
  Object.entries(keys).flatMap(([name, { project }]) =>
    typeof project === 'string' && !Object.hasOwn(projects, project) ? [[name, project] as const] : [],
  )

/** Throws for a project that is neither in the file nor there, or that takes no keys any more. */
export function refuseElsewhere(policy: Policy, projects: readonly Fields[]): void {
  for (const [name, id] of projectsElsewhere(policy)) {
    const there = id === 'organisation' ? undefined : projects.find(project => project.id === id)
    if (there?.status === 'active') continue
    const what = there === undefined ? 'there is no project' : 'closed is the project'
    refuse(`keys.${name}.project`, `${what} ${JSON.stringify(id)}: add it under projects, or name another`)
  }
}

/** What the admin plane would refuse of a step that is sent to it: an end that has passed, a burst without a rate. */
function refuseStep(place: string, fields: Fields, there: Fields | undefined, nowMs: number): void {
  // a raise that is there already may have ended: it is looked at where the budget is
  const { budgets, ...rest } = patchKeySchema.partial().parse(fields)
  try {
    const draft = draftOf(
      { ...rest, ...(there === undefined && budgets !== undefined && { budgets }) },
      nowMs,
    )
    const onto = isTable(there?.limits) ? limitsOf(limitsSchema.parse(there.limits) ?? null) : {}
    checkLimits({ ...NO_LIMITS, ...onto }, draft.limits)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    throw new GatewayError('invalid_request', `${place}: ${error.message}`, { param: place, cause: error })
  }
}

/**
 * What would have to be done, in the order in which it must be. Throws as `keyNamed`, and for what the admin plane would
 * refuse: a file is applied whole or not at all.
 */
export function planPolicy(policy: Policy, present: Present, nowMs: number): PolicyStep[] {
  refuseElsewhere(policy, present.projects)
  const steps: PolicyStep[] = []
  if (policy.organisation)
    steps.push(...change('organisation', '/organisation', policy.organisation, present.organisation))
  for (const [id, wanted] of Object.entries(policy.projects)) {
    const there = present.projects.find(project => project.id === id)
    if (there?.status === 'closed') refuse(`projects.${id}`, 'this project is closed, and its id is taken')
    if (there) steps.push(...change(`project ${id}`, `/projects/${id}`, wanted, there))
    else
      steps.push({
        what: `project ${id}`,
        kind: 'create',
        method: 'POST',
        path: '/projects',
        body: { id, ...wanted },
        changes: [],
      })
  }
  for (const [name, wanted] of Object.entries(policy.keys)) {
    const there = keyNamed(name, present.keys)
    const changes = there && change(`key ${name}`, `/keys/${String(there.id)}`, wanted, there)
    for (const body of changes?.map(step => step.body) ?? [wanted])
      refuseStep(`keys.${name}`, body, there, nowMs)
    if (changes) steps.push(...changes)
    else
      steps.push({
        what: `key ${name}`,
        kind: 'create',
        method: 'POST',
        path: '/keys',
        body: wanted,
        changes: [],
      })
  }
  return steps
}

/** Keys that work and that the file does not name: they are left alone, but told. */
export const unnamedKeys = (policy: Policy, present: Present): readonly Fields[] =>
  present.keys.filter(key => works(key) && !Object.hasOwn(policy.keys, String(key.name)))
