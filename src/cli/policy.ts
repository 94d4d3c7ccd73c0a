/** `switchgate policy …`: keys and projects as a file. The file says what holds; what it does not name is left alone. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { stringify } from 'yaml'
import type { Policy, PolicyStep, Present } from '../admin/policy.ts'
import { GatewayError } from '../errors.ts'
import { getAll } from './client.ts'
import { type Command, type CommandCall, CommandError, EXIT, showWarnings } from './command.ts'
import { jsonText, money, plain } from './print.ts'

const load = () => import('../admin/policy.ts')

/** Faults of the file are the file's: exit 78. */
function asFault<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof GatewayError) throw new CommandError(`${path}: ${error.message}`, EXIT.config)
    throw error
  }
}

async function policyOf(call: CommandCall): Promise<{ path: string; policy: Policy }> {
  const path = resolve(call.words[0] ?? '')
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(
      `${path} cannot be read: ${error instanceof Error ? error.message : ''}`,
      EXIT.usage,
    )
  }
  const { readPolicy } = await load()
  return { path, policy: asFault(path, () => readPolicy(text)) }
}

async function presentOf({ admin }: CommandCall): Promise<Present> {
  const [keys, projects, organisation] = [
    await getAll(admin, '/keys'),
    await getAll(admin, '/projects'),
    await admin.get('/organisation'),
  ]
  return { keys, projects, organisation }
}

/** Projects that the file does not make are asked for; where nobody can be asked, that is told. */
async function checkProjects(call: CommandCall, path: string, policy: Policy): Promise<void> {
  const { projectsElsewhere, refuseElsewhere } = await load()
  const elsewhere = projectsElsewhere(policy)
  if (elsewhere.length === 0) return
  let projects: Record<string, unknown>[]
  try {
    projects = await getAll(call.admin, '/projects')
  } catch (error) {
    if (!(error instanceof CommandError) || error.code !== EXIT.unavailable) throw error
    for (const [name, project] of elsewhere)
      call.shell.err(
        `warning: keys.${plain(name)}.project: ${plain(project)} is not in the file, and no gateway could be asked for it\n`,
      )
    return
  }
  asFault(path, () => refuseElsewhere(policy, projects))
}

async function check(call: CommandCall): Promise<number> {
  const { path, policy } = await policyOf(call)
  await checkProjects(call, path, policy)
  const counts = { projects: Object.keys(policy.projects).length, keys: Object.keys(policy.keys).length }
  if (call.json) call.shell.out(jsonText({ ok: true, path, ...counts, tests: policy.tests.length }))
  else
    call.shell.out(
      `${path}: fine. ${counts.projects} projects, ${counts.keys} keys, ${policy.tests.length} tests\n`,
    )
  return EXIT.ok
}

async function planned(call: CommandCall) {
  const { path, policy } = await policyOf(call)
  const present = await presentOf(call)
  const { planPolicy, unnamedKeys } = await load()
  const steps = asFault(path, () => planPolicy(policy, present, Date.now()))
  const unnamed = unnamedKeys(policy, present).map(({ id, name }) => ({ id: String(id), name: String(name) }))
  return { path, steps, unnamed }
}

function stepText({ what, kind, changes, body }: PolicyStep): string {
  const shown = (value: unknown) => plain(JSON.stringify(value))
  if (kind === 'create') {
    // its id or name is what it is called by
    const known = what.startsWith('key ') ? 'name' : 'id'
    const rest = Object.entries(body).filter(([field]) => field !== known)
    return `+ ${plain(what)}  ${shown(Object.fromEntries(rest))}\n`
  }
  return `~ ${plain(what)}\n${changes.map(({ field, from, to }) => `    ${field}: ${shown(from)} → ${shown(to)}\n`).join('')}`
}

const stepWire = ({ what, kind, body, changes }: PolicyStep) => ({ what, kind, body, changes })

async function plan(call: CommandCall): Promise<number> {
  const { path, steps, unnamed } = await planned(call)
  if (call.json) call.shell.out(jsonText({ same: steps.length === 0, steps: steps.map(stepWire), unnamed }))
  else {
    if (steps.length === 0) call.shell.out(`${path}: nothing would change\n`)
    for (const step of steps) call.shell.out(stepText(step))
    for (const { id, name } of unnamed)
      call.shell.err(`not in the file, left alone: key ${plain(name)} (${id})\n`)
  }
  return steps.length === 0 ? EXIT.ok : EXIT.failed
}

async function apply(call: CommandCall): Promise<number> {
  const { steps, unnamed } = await planned(call)
  const made: { name: string; id: string; key: string }[] = []
  for (const { what, kind, method, path, body } of steps) {
    const { text } = await call.admin.send(method, path, body).catch((error: unknown) => {
      if (error instanceof CommandError)
        throw new CommandError(`${what}: ${error.message}`, error.code, error.facts)
      throw error
    })
    if (!call.json) call.shell.err(`${kind === 'create' ? 'made' : 'changed'}: ${plain(what)}\n`)
    const answer = JSON.parse(text) as Record<string, unknown>
    showWarnings(call, answer, what)
    if (typeof answer.key !== 'string') continue
    made.push({ name: String(answer.name), id: String(answer.id), key: answer.key })
    // at once: if a later step fails, this one has been made all the same
    if (!call.json) call.shell.out(`${plain(answer.name)}  ${plain(answer.key)}\n`)
  }
  if (call.json)
    call.shell.out(
      jsonText({ applied: steps.map(({ what, kind }) => ({ what, kind })), keys: made, unnamed }),
    )
  else if (steps.length === 0) call.shell.err('nothing to do\n')
  else if (made.length > 0) call.shell.err('New keys are shown here once.\n')
  return EXIT.ok
}

async function test(call: CommandCall): Promise<number> {
  const { path, policy } = await policyOf(call)
  const { keyNamed } = await load()
  const keys = await getAll(call.admin, '/keys')
  const results: { key: string; model: string; expect: string; found: string; why: string | null }[] = []
  for (const { key: name, model, expect } of policy.tests) {
    const key = asFault(path, () => keyNamed(name, keys))
    if (key === undefined)
      throw new CommandError(`there is no key "${name}" yet: switchgate policy apply ${path}`)
    const body = { model, messages: [{ role: 'user', content: 'Hello.' }] }
    const { text } = await call.admin.send('POST', `/route/explain?key=${String(key.id)}`, body)
    const { refusal } = JSON.parse(text) as { refusal: { message: string } | null }
    results.push({
      key: name,
      model,
      expect,
      found: refusal === null ? 'allow' : 'deny',
      why: refusal?.message ?? null,
    })
  }
  const ok = results.every(({ expect, found }) => expect === found)
  if (call.json) call.shell.out(jsonText({ ok, tests: results }))
  else
    for (const { key, model, expect, found, why } of results)
      call.shell.out(
        plain(
          `${expect === found ? '✓' : '✗'} ${key} ${model}: ${found}${expect === found ? '' : `, not ${expect}${why === null ? '' : ` (${why})`}`}`,
        ).concat('\n'),
      )
  return ok ? EXIT.ok : EXIT.failed
}

const DAY_MS = 86_400_000
const LOOK_BACK_DAYS = 30

async function suggest(call: CommandCall): Promise<number> {
  const [id = ''] = call.words
  const key = await call.admin.get(`/keys/${encodeURIComponent(id)}`)
  const from = new Date(Date.now() - LOOK_BACK_DAYS * DAY_MS).toISOString()
  const spend = await call.admin.get(
    `/keys/${encodeURIComponent(id)}/spend?${new URLSearchParams({ from, group_by: 'model' })}`,
  )
  const used = (spend.data as { model: string; requests: number }[]).map(({ model }) => model).sort()
  const { cost_usd: cost, requests } = spend.total as { cost_usd: number; requests: number }
  // twice what it needed, in whole dollars: a month that is busier than the last one must not stop it
  const usd = Math.max(1, Math.ceil(cost * 2))
  const name = String(key.name)
  const policy = {
    keys: { [name]: { models: used, budgets: [{ window: 'month', usd }] } },
    tests: used.slice(0, 20).map(model => ({ key: name, model, expect: 'allow' })),
  }
  if (call.json) {
    call.shell.out(jsonText({ ...policy, seen: { from, requests, cost_usd: cost } }))
    return EXIT.ok
  }
  const head = `# Drafted from ${requests} requests of ${plain(name)} since ${from.slice(0, 10)}, ${money(cost)} in all. Its other settings stay as they are.\n`
  call.shell.out(`${head}${stringify(policy, { lineWidth: 0 })}`)
  if (used.length === 0)
    call.shell.err('warning: it was not used in this time: `models: []` would allow it nothing\n')
  return EXIT.ok
}

const row = (name: string, summary: string, usage: string, run: Command['run']): Command => ({
  name: `policy ${name}`,
  summary,
  usage,
  words: [1, 1],
  run,
})

export const policyCommands: readonly Command[] = [
  row('check', 'Check a file of keys and projects', '<policy.yaml>', check),
  row('plan', 'What applying the file would change; exit 1 = something', '<policy.yaml>', plan),
  row('apply', 'Make keys and projects as the file says; new keys are shown once', '<policy.yaml>', apply),
  row('test', "Run the file's tests: which key may call which model", '<policy.yaml>', test),
  row('suggest', 'Draft a policy from what a key has used in 30 days', '<id>', suggest),
]
