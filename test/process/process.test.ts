/** The program as an operator meets it: real processes, exit codes, signals, kill -9. Needs the build in dist/. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  configFor,
  DONE,
  delta,
  finish,
  role,
  type ScriptedUpstream,
  sse,
  startUpstream,
  until,
  usageEvent,
} from '../gateway/harness.ts'

let root: string
let running: ChildProcess[] = []
let upstream: ScriptedUpstream | undefined

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'switchgate-process-'))
})
afterEach(async () => {
  for (const child of running) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  running = []
  await upstream?.close()
  upstream = undefined
  rmSync(root, { recursive: true, force: true })
})

interface Started {
  readonly child: ChildProcess
  output(): string
  readonly exit: Promise<number | null>
  url(): string
}

function start(env: Record<string, string> = {}, args = ['serve']): Started {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/_API_KEY$|^SWITCHGATE_|^VITEST/.test(name)),
  )
  const child = spawn(process.execPath, ['src/switchgate.cjs', ...args], {
    env: {
      ...clean,
      SWITCHGATE_DISCOVER_LOCAL: 'false',
      PORT: '0',
      SWITCHGATE_DATA: join(root, 'data'),
      LOG_FORMAT: 'json',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push(child)
  let text = ''
  child.stdout?.on('data', part => (text += part))
  child.stderr?.on('data', part => (text += part))
  const exit = new Promise<number | null>(resolve => child.on('exit', code => resolve(code)))
  return { child, output: () => text, exit, url: () => /"url":"(http[^"]+)"/.exec(text)?.[1] ?? '' }
}

async function ready(env: Record<string, string> = {}): Promise<Started> {
  const started = start(env)
  await until(() => started.url() !== '' || started.child.exitCode !== null, 120_000)
  if (started.url() === '') throw new Error(started.output())
  return started
}

const firstStart = () => readFileSync(join(root, 'data', 'first-start.txt'), 'utf8')
const keyIn = (text: string) => /sgate_live_\w+/.exec(text)?.[0] ?? ''
const tokenIn = (text: string) => /sgate_admin_\w+/.exec(text)?.[0] ?? ''
const chat = (url: string, key: string, body: object) =>
  fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'house-model', messages: [{ role: 'user', content: 'Hi' }], ...body }),
  })

async function withUpstream(): Promise<Record<string, string>> {
  upstream = await startUpstream(
    response => void sse(response).end(role + delta('Hi') + finish() + usageEvent + DONE),
  )
  const path = join(root, 'switchgate.yaml')
  writeFileSync(path, configFor({ alpha: upstream.port }))
  return { SWITCHGATE_CONFIG: path }
}

test('first start without a terminal: one private file, and its curl line works as pasted', async () => {
  const gateway = await ready()
  const path = join(root, 'data', 'first-start.txt')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(statSync(join(root, 'data')).mode & 0o777).toBe(0o700)
  expect(gateway.output()).toContain(path)
  expect(gateway.output()).not.toContain(keyIn(firstStart()))
  expect(gateway.output()).not.toContain(tokenIn(firstStart()))
  const line =
    firstStart()
      .split('\n')
      .find(text => text.trim().startsWith('curl ')) ?? ''
  const shell = spawn('sh', ['-c', line.trim()], { stdio: ['ignore', 'pipe', 'ignore'] })
  let said = ''
  shell.stdout?.on('data', part => (said += part))
  await new Promise(resolve => shell.on('exit', resolve))
  expect(JSON.parse(said).choices[0].message.content).toContain('demo')

  gateway.child.kill('SIGTERM')
  expect(await gateway.exit).toBe(0)
  rmSync(path)
  const again = await ready()
  expect(existsSync(path)).toBe(false)
  again.child.kill('SIGTERM')
  expect(await again.exit).toBe(0)
})

test('a second gateway on the same folder, and a port in use, are refused with the reason', async () => {
  const gateway = await ready()
  const second = start()
  expect(await second.exit).not.toBe(0)
  expect(second.output()).toContain('in use by process')
  const port = new URL(gateway.url()).port
  const third = start({ PORT: port, SWITCHGATE_DATA: join(root, 'other') })
  expect(await third.exit).not.toBe(0)
  expect(third.output()).toContain(`port ${port} is already in use`)
})

test.each([
  ['a missing config', { SWITCHGATE_CONFIG: '/nonexistent.yaml' }, 'does not exist'],
  ['a port that is none', { PORT: 'eighty' }, 'PORT'],
  ['an unknown environment', { SWITCHGATE_ENV: 'prod' }, 'staging'],
  ['a short admin token', { SWITCHGATE_ADMIN_TOKEN: 'short' }, '32'],
  ['Postgres, not yet', { DATABASE_URL: 'postgres://x/y' }, 'SQLite'],
])('%s: exit 78 or an error that names the cure', async (_name, env: Record<string, string>, words) => {
  const gateway = start(env)
  expect(await gateway.exit).toBeGreaterThan(0)
  expect(gateway.output()).toContain(words)
})

test.each(['the environment', 'a .env file'])(
  'a provider key from %s is enough to sell its models',
  async where => {
    writeFileSync(join(root, 'switchgate.yaml'), 'aliases: { best: { models: [gpt-5] } }\n')
    if (where === 'a .env file')
      writeFileSync(join(root, '.env'), 'OPENAI_API_KEY="sk-test-not-a-real-key-000"\n')
    const env: Record<string, string> =
      where === 'a .env file' ? {} : { OPENAI_API_KEY: 'sk-test-not-a-real-key-000' }
    const gateway = await ready({ SWITCHGATE_CONFIG: join(root, 'switchgate.yaml'), ...env })
    const headers = { authorization: `Bearer ${keyIn(firstStart())}` }
    const list = (await (await fetch(`${gateway.url()}/v1/models`, { headers })).json()) as {
      data: { id: string; owned_by: string }[]
    }
    const ids = list.data.map(model => model.id)
    expect(ids).toEqual(expect.arrayContaining(['gpt-5', 'best']))
    expect(ids).not.toContain('demo/echo')
    expect(new Set(list.data.map(model => model.owned_by))).toEqual(new Set(['openai', 'switchgate']))
    expect(gateway.output()).not.toContain('sk-test')
  },
)

test('https with a certificate of its own', async () => {
  const cert = join(root, 'cert.pem')
  const tlsKey = join(root, 'key.pem')
  const made = spawn('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '1',
    '-subj',
    '/CN=localhost',
    '-keyout',
    tlsKey,
    '-out',
    cert,
  ])
  expect(await new Promise(resolve => made.on('exit', resolve))).toBe(0)
  const gateway = await ready({ TLS_CERT_FILE: cert, TLS_KEY_FILE: tlsKey })
  const { status } = await new Promise<{ status: number | undefined }>((resolve, reject) => {
    const url = new URL(`${gateway.url()}/healthz`)
    get(
      url,
      { ca: readFileSync(cert), servername: 'localhost', checkServerIdentity: () => undefined },
      answer => resolve({ status: answer.statusCode }),
    ).on('error', reject)
  })
  expect([gateway.url().slice(0, 5), status]).toEqual(['https', 200])
})

test('a wrong config file: exit 78, each fault with path, reason and line', async () => {
  const path = join(root, 'switchgate.yaml')
  writeFileSync(
    path,
    'providers:\n  alpha:\n    kind: opnai\n  beta:\n    kind: openai\n    base_url: http://10.0.0.1/v1\nretires: { attempts: 3 }\n',
  )
  const gateway = start({ SWITCHGATE_CONFIG: path })
  expect(await gateway.exit).toBe(78)
  for (const words of [
    'providers.alpha.kind',
    'openai',
    'line 3',
    'retires',
    'retries',
    'line 7',
    'base_url',
  ]) {
    expect(gateway.output()).toContain(words)
  }
})

test('a wrong master key refuses to start and says which it expects', async () => {
  const gateway = await ready()
  gateway.child.kill('SIGTERM')
  await gateway.exit
  const wrong = start({ SWITCHGATE_MASTER_KEY: randomBytes(32).toString('base64') })
  expect(await wrong.exit).toBe(78)
  expect(wrong.output()).toMatch(/master key [0-9a-f]{8}.*expects [0-9a-f]{8}/)
  rmSync(join(root, 'data', 'master.key'))
  const lost = start()
  expect(await lost.exit).toBeGreaterThan(0)
  expect(lost.output()).toMatch(/expects master key [0-9a-f]{8}/)
  expect(existsSync(join(root, 'data', 'master.key'))).toBe(false)
})

test('SIGTERM: not ready at once, the stream finishes, its row is there, exit 0', async () => {
  const env = await withUpstream()
  const gateway = await ready(env)
  const key = keyIn(firstStart())
  const up = upstream as ScriptedUpstream
  const refused = Promise.withResolvers<void>()
  up.script = async response => {
    sse(response).write(role + delta('one '))
    await refused.promise
    response.end(delta('two') + finish() + usageEvent + DONE)
  }
  const answer = await chat(gateway.url(), key, { stream: true })
  const text = answer.text()
  gateway.child.kill('SIGTERM')
  await until(async () => (await fetch(`${gateway.url()}/readyz`)).status === 503)
  expect((await chat(gateway.url(), key, {})).status).toBe(503)
  refused.resolve()
  expect(await text).toBe(role + delta('one ') + delta('two') + finish() + DONE)
  expect(await gateway.exit).toBe(0)

  const again = await ready(env)
  const spend = (await (
    await fetch(`${again.url()}/v1/key/spend`, { headers: { authorization: `Bearer ${key}` } })
  ).json()) as {
    total: { requests: number; cost_nano_usd: string }
  }
  expect(spend.total).toMatchObject({ requests: 1, cost_nano_usd: '16000' })
})

test('kill -9 in the middle: what was settled stays, what was held is charged as unknown', async () => {
  const env = await withUpstream()
  const beganMs = performance.now()
  const gateway = await ready(env)
  const firstMs = performance.now() - beganMs
  const key = keyIn(firstStart())
  const up = upstream as ScriptedUpstream
  for (let i = 0; i < 20; i++)
    expect(await (await chat(gateway.url(), key, { stream: true })).text()).toContain(DONE)
  up.script = response => void sse(response).write(role + delta('half'))
  const open = Array.from({ length: 3 }, () =>
    chat(gateway.url(), key, { stream: true, max_tokens: 1000 })
      .then(answer => answer.text())
      .catch(() => 'gone'),
  )
  await until(() => up.seen.length === 23)
  gateway.child.kill('SIGKILL')
  await Promise.all(open)
  await gateway.exit

  const diedMs = performance.now()
  const again = await ready(env)
  // the time that a start takes on this machine, and at most ten seconds for what is put right
  expect(performance.now() - diedMs).toBeLessThan(10_000 + 3 * firstMs)
  const headers = { authorization: `Bearer ${key}` }
  const spend = (await (await fetch(`${again.url()}/v1/key/spend`, { headers })).json()) as {
    total: { attempts: number; cost_nano_usd: string; unknown_usd: number }
  }
  expect(spend.total.attempts).toBe(23)
  expect(Number(spend.total.cost_nano_usd)).toBeGreaterThan(20 * 16_000 + 3 * 2_000_000)
  expect(spend.total.unknown_usd).toBeGreaterThan(0)
})

test('a request whose body is on its way when the signal comes is answered', async () => {
  const env = await withUpstream()
  const gateway = await ready(env)
  const key = keyIn(firstStart())
  const messages = [{ role: 'user', content: 'Hello there.' }]
  const body = JSON.stringify({ model: 'house-model', stream: true, messages })
  const socket = connect(Number(new URL(gateway.url()).port), '127.0.0.1')
  let heard = ''
  socket.setEncoding('utf8').on('data', part => {
    heard += part
  })
  const over = new Promise(resolve => socket.on('close', resolve))
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-length: ${body.length}\r\n\r\n`
  socket.write(head + body.slice(0, 20))
  // its head is being looked at: nothing tells when
  await new Promise(resolve => setTimeout(resolve, 300))
  gateway.child.kill('SIGTERM')
  await until(async () => (await fetch(`${gateway.url()}/readyz`)).status === 503)
  socket.write(body.slice(20))
  await until(() => heard.includes(DONE))
  expect(heard).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(await gateway.exit).toBe(0)
  await over
})

test('a second signal ends at once and loses nothing', async () => {
  const env = await withUpstream()
  const gateway = await ready(env)
  const key = keyIn(firstStart())
  const up = upstream as ScriptedUpstream
  await (await chat(gateway.url(), key, { stream: true })).text()
  up.script = response => void sse(response).write(role + delta('half'))
  const running = await chat(gateway.url(), key, { stream: true, max_tokens: 1000 })
  let text = ''
  const open = (async () => {
    const decoder = new TextDecoder()
    for await (const part of running.body ?? []) text += decoder.decode(part, { stream: true })
  })()
  await until(() => text.includes('half'))
  gateway.child.kill('SIGTERM')
  await until(async () => (await fetch(`${gateway.url()}/readyz`)).status === 503)
  gateway.child.kill('SIGTERM')
  expect(await gateway.exit).toBe(0)
  // who was being answered hears why it ends there
  await open
  expect(text).toMatch(/data: \{"error":.*draining/)
  expect(text).not.toContain(DONE)
  const again = await ready(env)
  const headers = { authorization: `Bearer ${key}` }
  const spend = (await (await fetch(`${again.url()}/v1/key/spend`, { headers })).json()) as {
    total: { attempts: number; unknown_usd: number; estimated_usd: number }
  }
  expect(spend.total).toMatchObject({ attempts: 2, unknown_usd: 0 })
  expect(spend.total.estimated_usd).toBeGreaterThan(0)
})

test('a bad hot reload keeps the old configuration and says so; a good one is taken', async () => {
  const env = await withUpstream()
  const gateway = await ready(env)
  const key = keyIn(firstStart())
  const path = env.SWITCHGATE_CONFIG as string
  const good = readFileSync(path, 'utf8')
  writeFileSync(path, `${good}\nnonsense: true\n`)
  gateway.child.kill('SIGHUP')
  await until(() => gateway.output().includes('config.kept'))
  expect((await chat(gateway.url(), key, { stream: true })).status).toBe(200)
  writeFileSync(path, good.replace('house-model:', 'renamed-model:'))
  gateway.child.kill('SIGHUP')
  await until(() => gateway.output().includes('config.reloaded'))
  expect((await chat(gateway.url(), key, { stream: true, model: 'renamed-model' })).status).toBe(200)
})

test('no secret of the first start lies in the data folder in clear', async () => {
  const gateway = await ready()
  const text = firstStart()
  gateway.child.kill('SIGTERM')
  await gateway.exit
  const database = readFileSync(join(root, 'data', 'switchgate.db'))
  for (const secret of [keyIn(text), tokenIn(text)]) {
    expect(secret).not.toBe('')
    expect(database.includes(secret)).toBe(false)
  }
})

test('a host that is not loopback gets an admin listener of its own, and a warning about TLS', async () => {
  const free = createServer()
  await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve))
  const { port } = free.address() as { port: number }
  await new Promise(resolve => free.close(resolve))
  const gateway = await ready({ HOST: '0.0.0.0', SWITCHGATE_ADMIN_PORT: String(port) })
  expect(gateway.output()).toContain('public_without_tls')
  const data = gateway.url()
  expect((await fetch(`${data}/admin/v1/keys`)).status).toBe(404)
  expect((await fetch(`${data}/dashboard`)).status).toBe(404)
  expect((await fetch(`http://127.0.0.1:${port}/admin/v1/keys`)).status).toBe(401)
  expect(
    (
      await fetch(`http://127.0.0.1:${port}/admin/v1/keys`, {
        headers: { authorization: `Bearer ${tokenIn(firstStart())}` },
      })
    ).status,
  ).toBe(200)
  expect((await fetch(`http://127.0.0.1:${port}/v1/models`)).status).toBe(404)
})
