/** Alerts to a webhook: what is posted, who is told again and when, and what becomes of an address that does not answer. */
import { expect, test } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import { createAlerts } from '../../src/ledger/alerts.ts'
import type { UpstreamRequest } from '../../src/terms.ts'
import { createTestClock, NOON } from './parts.ts'

const HOOK = 'https://hooks.example:8443/in/T1?token=t'
const MINUTE = 60_000
/** How an address answers: with a status at once, with 200 after nine seconds, never, or not at all. */
type Answer = number | 'slow' | 'silent' | 'broken'

/** Alerts over a clock that moves when told. `answers` come in order, the last one again and again. */
function rig(answers: Answer[] = [200], webhook: () => Promise<string | undefined> = async () => HOOK) {
  const clock = createTestClock()
  const logs: [string, string, LogFields | undefined][] = []
  const posts: (UpstreamRequest & { atMs: number; aborted: boolean })[] = []
  let waits: { dueMs: number; go: () => void }[] = []
  const alert = createAlerts({
    webhook,
    send(request, to) {
      const answer = answers[Math.min(posts.length, answers.length - 1)]
      const post = { ...request, atMs: clock.now() - NOON, aborted: false }
      posts.push(post)
      if (answer === 'broken') to.fail(new Error('refused'))
      else if (typeof answer === 'number') to.head(answer, {})
      else if (answer === 'slow') waits.push({ dueMs: clock.now() + 9_000, go: () => to.head(200, {}) })
      return {
        pause() {},
        resume() {},
        abort() {
          post.aborted = true
        },
      }
    },
    clock,
    pause: ms => new Promise(go => waits.push({ dueMs: clock.now() + ms, go })),
    bytes: text => new TextEncoder().encode(text),
    log: (level, event, fields) => void logs.push([level, event, fields]),
  })
  /** Everything that can happen without time going by. */
  const settle = async () => {
    for (let turn = 0; turn < 3; turn++) {
      await new Promise(setImmediate)
      const due = waits.filter(wait => wait.dueMs <= clock.now())
      waits = waits.filter(wait => wait.dueMs > clock.now())
      for (const { go } of due) go()
    }
    await new Promise(setImmediate)
  }
  /** Time goes by, in steps of half a second. */
  const pass = async (ms: number) => {
    for (let left = ms; left > 0; left -= 500) {
      clock.advance(Math.min(500, left))
      await settle()
    }
  }
  return { alert, clock, logs, posts, settle, pass }
}

const SOFT = { key: 'k1', owner: 'k1', limit: 'key.budget.day', soft_usd: '1' }
const told = ({ body }: UpstreamRequest) => JSON.parse(new TextDecoder().decode(body))

test('one POST of JSON, in words too, to the whole address; its answer is not read', async () => {
  const { alert, posts, logs, settle } = rig()
  alert('budget.soft_limit', { ...SOFT, spent_usd: '1.5' })
  await settle()
  expect(posts).toHaveLength(1)
  expect(posts[0]).toMatchObject({
    origin: 'https://hooks.example:8443',
    path: '/in/T1?token=t',
    method: 'POST',
    headers: ['content-type', 'application/json', 'user-agent', 'switchgate'],
    aborted: true,
  })
  expect(told(posts[0] as UpstreamRequest)).toEqual({
    text: 'Switchgate: budget.soft_limit (key k1, owner k1, limit key.budget.day, soft_usd 1, spent_usd 1.5)',
    event: 'budget.soft_limit',
    at: '2026-01-15T12:00:00.000Z',
    ...SOFT,
    spent_usd: '1.5',
  })
  expect(logs).toEqual([])
})

test('the same is told once in ten minutes, by the clock that nobody sets; what differs is told at once', async () => {
  const { alert, clock, posts, settle } = rig()
  const overrun = { key: 'k1', request: 'r1', target: 'm@p' }
  alert('budget.soft_limit', { ...SOFT, spent_usd: '1' })
  alert('budget.soft_limit', { ...SOFT, spent_usd: '2' })
  alert('budget.overrun', overrun)
  alert('budget.overrun', { ...overrun, request: 'r2' })
  await settle()
  expect(posts).toHaveLength(2)
  for (const other of [{ key: 'k2' }, { owner: 'x' }, { limit: 'x' }, { soft_usd: '2' }, { target: 'x' }])
    alert('budget.soft_limit', { ...SOFT, ...other })
  alert('budget.other', SOFT)
  await settle()
  expect(posts).toHaveLength(8)
  clock.advance(10 * MINUTE - 1)
  clock.jump(60 * MINUTE)
  alert('budget.soft_limit', SOFT)
  await settle()
  expect(posts).toHaveLength(8)
  clock.advance(1)
  alert('budget.soft_limit', SOFT)
  await settle()
  expect(posts).toHaveLength(9)
})

test.each([
  [[500], [0, 2_000, 17_000], 500],
  [[429], [0, 2_000, 17_000], 429],
  [[300], [0, 2_000, 17_000], 300],
  [[199], [0, 2_000, 17_000], 199],
  [['broken'], [0, 2_000, 17_000], 0],
  [[503, 500, 204], [0, 2_000, 17_000], undefined],
  [[503, 299], [0, 2_000], undefined],
  // the address is refused: asking again changes nothing
  [[400], [0], 400],
  [[404], [0], 404],
  [[499], [0], 499],
  [[500, 410], [0, 2_000], 410],
  [['slow'], [0], undefined],
  // ten seconds of silence are no answer
  [['silent', 200], [0, 12_000], undefined],
  [['silent'], [0, 12_000, 37_000], 0],
] as [Answer[], number[], number | undefined][])(
  'answers %j: asked at %j',
  async (answers, asked, status) => {
    const { alert, posts, logs, pass, settle } = rig(answers)
    alert('budget.overrun', { key: 'k1' })
    await settle()
    await pass(MINUTE)
    expect(posts.map(({ atMs }) => atMs)).toEqual(asked)
    // nothing is left open
    expect(posts.every(({ aborted }) => aborted)).toBe(true)
    const untold = ['warn', 'alert.not_told', { alert: 'budget.overrun', status }]
    expect(logs).toEqual(status === undefined ? [] : [untold])
  },
)

test('without an address nothing is sent, nor said', async () => {
  const { alert, posts, logs, pass, settle } = rig([200], async () => undefined)
  alert('budget.overrun', {})
  await settle()
  await pass(MINUTE)
  expect([posts, logs]).toEqual([[], []])
})

test.each([
  [async () => Promise.reject(new Error('the variable HOOK is not set')), 'the variable HOOK is not set'],
  [async () => Promise.reject('x'), 'unknown'],
  [async () => 'no address', 'Invalid URL'],
])('an address that cannot be read is logged, and read anew for the next', async (webhook, reason) => {
  let isBad = true
  const { alert, posts, logs, settle } = rig([200], () => (isBad ? webhook() : Promise.resolve(HOOK)))
  alert('budget.overrun', { key: 'k1' })
  await settle()
  expect(logs).toEqual([['warn', 'alert.not_told', { alert: 'budget.overrun', reason }]])
  isBad = false
  alert('budget.overrun', { key: 'k2' })
  await settle()
  expect(posts).toHaveLength(1)
  expect(logs).toHaveLength(1)
})

test('at most a hundred wait for an address that does not answer; those beyond are logged, and may be told later', async () => {
  const { alert, posts, logs, pass, settle } = rig(['silent'])
  for (let i = 0; i < 102; i++) alert('budget.overrun', { key: `k${i}` })
  await settle()
  expect(posts).toHaveLength(100)
  const full = ['warn', 'alert.not_told', { alert: 'budget.overrun', waiting: 100 }]
  expect(logs).toEqual([full, full])
  await pass(MINUTE)
  // all were given up, so there is room; one that was given up is not told again so soon, one that never waited is
  expect(logs).toHaveLength(102)
  posts.length = 0
  alert('budget.overrun', { key: 'k0' })
  alert('budget.overrun', { key: 'k101' })
  await settle()
  expect(posts.map(post => told(post).key)).toEqual(['k101'])
})

test('what is remembered as told has an end: after ten thousand things it begins anew', async () => {
  const { alert, clock, posts, settle } = rig()
  const tell = async (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      alert('budget.overrun', { key: `k${i}` })
      if (i % 100 !== 99) continue
      clock.advance(1_000)
      await settle()
    }
    await settle()
  }
  await tell(0, 10_000)
  await tell(0, 100)
  expect(posts).toHaveLength(10_000)
  await tell(10_000, 10_001)
  await tell(0, 1)
  expect(posts).toHaveLength(10_002)
})
