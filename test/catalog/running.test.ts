/** A gateway that runs: its catalogue changes without a restart, bills keep the names of their prices, and what it knows can be searched. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type CatalogFile, type Row, textOf } from '../../providers/catalog/import.ts'
import { SHIPPED } from '../../providers/catalog/loader.ts'
import { sha256Of } from '../../src/catalog/keeper.ts'
import { type ScriptedUpstream, startGateway, startUpstream, type TestGateway } from '../gateway/harness.ts'

const open: { close(): Promise<void> }[] = []
const folders: string[] = []
function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-catalog-'))
  folders.push(folder)
  return folder
}
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

const newer = (edit: (rows: Row[]) => void): CatalogFile => {
  const copy = structuredClone(SHIPPED.offers) as unknown as Record<string, Row[]>
  edit(copy.groq ?? [])
  return {
    ...SHIPPED,
    date: '2026-12-01',
    sources: [...SHIPPED.sources, { name: 'later', date: '2026-12-01' }],
    offers: copy,
  }
}
const MODEL = 'llama-3.3-70b-versatile'
const repriced = (input: number) =>
  textOf(
    newer(rows => {
      const row = rows.find(each => each[0] === MODEL)
      if (row === undefined) throw new Error(MODEL)
      row[2] = input
      row[9] = SHIPPED.sources.length
    }),
  )

/** A gateway with an own host that borrows Groq's price for the model, and more lines of `providers:`. */
async function start(upstream: ScriptedUpstream, folder = newFolder(), more = ''): Promise<TestGateway> {
  const at = `127.0.0.1:${upstream.port}`
  const gateway = await startGateway({
    config: `
providers:
  mine: { kind: groq, base_url: "http://${at}/v1", models: { ${MODEL}: {} } }
  open: { kind: openrouter, base_url: "http://${at}/v1" }
${more}
aliases:
  speedy: { models: [${MODEL}] }
discover_env: ${more.includes('groq: {}')}
egress: { allow: ["${at}", "127.0.0.1:9"] }
`,
    env: { GROQ_API_KEY: 'gsk-canary' },
    folder,
  })
  open.push(gateway)
  return gateway
}

async function admin(gateway: TestGateway, method: string, path: string, body?: unknown) {
  const init: RequestInit = { method, headers: { 'content-type': 'application/json' } }
  if (body !== undefined) init.body = JSON.stringify(body)
  const request = new Request(`http://localhost/admin/v1${path}`, init)
  const answer = await gateway.gateway.admin.fetch(request, { trusted: true })
  return { status: answer.status, json: (await answer.json()) as Record<string, never> }
}

const completion = {
  id: 'c1',
  object: 'chat.completion',
  created: 1,
  model: MODEL,
  choices: [{ index: 0, message: { role: 'assistant', content: '' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1_000, completion_tokens: 0, total_tokens: 1_000 },
}
async function upstreamWith(files: Readonly<Record<string, string>> = {}): Promise<ScriptedUpstream> {
  const upstream = await startUpstream((response, seen) => {
    const file = files[seen.url]
    if (seen.url === '/moved') response.writeHead(302, { location: '/catalog.json' }).end()
    else if (file !== undefined) response.writeHead(200, { 'content-type': 'application/json' }).end(file)
    else if (seen.method === 'POST')
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(completion))
    else response.writeHead(404).end()
  })
  open.push(upstream)
  return upstream
}

describe('an update', () => {
  test('is billed from the next request on; rows before it keep their price and its name; a restart keeps it', async () => {
    const upstream = await upstreamWith()
    const gateway = await start(upstream)
    const key = await gateway.key()
    const ask = async (from: TestGateway) => {
      const body = { model: `${MODEL}@mine`, messages: [{ role: 'user', content: 'Hello' }] }
      const answer = await from.post(key, body)
      expect(answer.status, await answer.text()).toBe(200)
    }
    await ask(gateway)
    const text = repriced(1_000_000)
    const dry = await admin(gateway, 'POST', '/catalog', { text, dry_run: true })
    expect(dry.json).toMatchObject({ applied: false, repriced: [{ provider: 'groq', model: MODEL }] })
    await ask(gateway)
    const done = await admin(gateway, 'POST', '/catalog', { text, sha256: await sha256Of(text) })
    expect(done).toMatchObject({
      status: 200,
      json: {
        applied: true,
        to: '2026-12-01',
        refused: [],
        repriced: [{ before: { input_usd_per_mtok: 0.59 }, after: { input_usd_per_mtok: 1 } }],
      },
    })
    await ask(gateway)
    const rows = await gateway.rows()
    expect(rows.map(row => [row.costNanoUsd, row.priceId])).toEqual([
      [590_000, `groq/${MODEL}@2026-11-10`],
      [590_000, `groq/${MODEL}@2026-11-10`],
      [1_000_000, `groq/${MODEL}@2026-12-01`],
    ])
    const path = join(gateway.folder, 'data', 'catalog.json')
    expect(readFileSync(path, 'utf8')).toBe(text)
    expect(statSync(path).mode & 0o077).toBe(0)
    expect(existsSync(`${path}.new`)).toBe(false)

    const { folder } = gateway
    await open.pop()?.close()
    const again = await start(upstream, folder)
    expect((await admin(again, 'GET', '/catalog')).json).toMatchObject({
      origin: 'updated',
      date: '2026-12-01',
    })
    await ask(again)
    expect((await again.rows()).at(-1)?.costNanoUsd).toBe(1_000_000)
    expect((await admin(again, 'DELETE', '/catalog')).json).toEqual({ date: SHIPPED.date })
    await ask(again)
    expect((await again.rows()).at(-1)?.costNanoUsd).toBe(590_000)
    expect(existsSync(path)).toBe(false)
  })

  test('with a price that moved too far changes nothing of it', async () => {
    const gateway = await start(await upstreamWith())
    const { json } = await admin(gateway, 'POST', '/catalog', { text: repriced(59) })
    expect(json).toMatchObject({
      applied: true,
      repriced: [],
      refused: [{ provider: 'groq', model: MODEL, reason: expect.stringMatching(/10000× against its own/) }],
    })
    const meant = await admin(gateway, 'POST', '/catalog', {
      text: repriced(59),
      accept: [`groq/${MODEL}`],
    })
    expect(meant.json).toMatchObject({ refused: [], repriced: [{ model: MODEL }] })
  })

  test('comes from an address through the egress guard only', async () => {
    const upstream = await upstreamWith({ '/catalog.json': repriced(600_000), '/page': '<html>' })
    const gateway = await start(upstream)
    const from = (url: string, more: object = {}) => admin(gateway, 'POST', '/catalog', { url, ...more })
    const here = `http://127.0.0.1:${upstream.port}`
    const refused: readonly (readonly [string, object, string, RegExp])[] = [
      ['http://127.0.0.1:1/catalog.json', {}, 'url', /egress guard refused/],
      ['http://169.254.169.254/latest/meta-data', {}, 'url', /egress guard refused/],
      ['file:///etc/passwd', {}, 'url', /must be an address/],
      ['https://user:pass@host/x', {}, 'url', /without user or password/],
      [`${here}/none`, {}, 'url', /status 404/],
      [`${here}/moved`, {}, 'url', /redirects/],
      [`${here}/page`, {}, 'text', /not JSON/],
      [`${here}/catalog.json`, { sha256: 'f'.repeat(64) }, 'sha256', /not the one given/],
      [`${here}/catalog.json`, { text: 'x' }, 'text', /one of the two/],
    ]
    for (const [url, more, param, message] of refused) {
      const { status, json } = await from(url, more)
      expect([url, status, json.error], url).toEqual([
        url,
        400,
        expect.objectContaining({ param, message: expect.stringMatching(message) }),
      ])
    }
    expect((await admin(gateway, 'GET', '/catalog')).json).toMatchObject({ origin: 'built-in' })
    expect((await from(`${here}/catalog.json`)).json).toMatchObject({ applied: true, repriced: [{}] })
  })

  test('that lies damaged in the folder stops no start: it is named, and the built-in one is used', async () => {
    const upstream = await upstreamWith()
    const first = await start(upstream)
    const { folder } = first
    await open.pop()?.close()
    writeFileSync(join(folder, 'data', 'catalog.json'), repriced(1_000_000).slice(0, 5_000))
    const gateway = await start(upstream, folder)
    expect((await admin(gateway, 'GET', '/catalog')).json).toMatchObject({
      origin: 'built-in',
      ignored_update: expect.stringMatching(/not JSON/),
    })
    expect(gateway.logs.join('\n')).toContain('catalog.update_ignored')
  })
})

describe('models', () => {
  test('are refreshed from lists; one that cannot be asked holds up nobody, and no secret is told', async () => {
    const body = {
      data: [
        { id: MODEL },
        { id: 'x/brand-new', pricing: { prompt: '0.000001', completion: '0.000002' }, context_length: 9 },
      ],
    }
    const upstream = await upstreamWith({ '/v1/models': JSON.stringify(body) })
    const gateway = await start(
      upstream,
      newFolder(),
      '  down: { kind: groq, base_url: "https://127.0.0.1:9/v1", credentials: [{ name: k, secret: "env://GROQ_API_KEY" }] }',
    )
    const { status, json } = await admin(gateway, 'POST', '/models/refresh', { save: true })
    expect(status).toBe(200)
    const { data, prices } = json as unknown as {
      data: { provider: string; error: string | null }[]
      prices: unknown
    }
    expect(data.find(list => list.provider === 'mine')).toMatchObject({
      listed: 2,
      error: null,
      new: [{ id: 'x/brand-new', call_as: 'x/brand-new@mine', input_usd_per_mtok: null }],
    })
    expect(data.find(list => list.provider === 'open')).toMatchObject({
      new: [
        { id: MODEL },
        { id: 'x/brand-new', context_tokens: 9, input_usd_per_mtok: 1, output_usd_per_mtok: 2 },
      ],
    })
    expect(data.find(list => list.provider === 'down')?.error).toEqual(expect.any(String))
    // An own address may list what it likes: the catalogue's prices come from the sellers themselves.
    expect(prices).toBeNull()
    expect(JSON.stringify(json) + gateway.logs.join('\n')).not.toContain('canary')
  })

  test('are searched by words and provider, also on the callers’ side', async () => {
    // Groq itself is for sale here, but nobody calls it.
    const gateway = await start(await upstreamWith(), newFolder(), '  groq: {}')
    const key = await gateway.key({ models: ['speedy', `${MODEL}@mine`, 'gpt-oss-120b'] })
    const ids = async (query: string) => {
      const answer = await fetch(`${gateway.url}/v1/models${query}`, {
        headers: { authorization: `Bearer ${key}` },
      })
      const { data } = (await answer.json()) as { data: { id: string }[] }
      return data.map(model => model.id)
    }
    expect(await ids('')).toEqual(['gpt-oss-120b', MODEL, 'speedy'])
    expect(await ids('?search=')).toHaveLength(3)
    expect(await ids('?search=LLAMA%2070b')).toEqual([MODEL, 'speedy'])
    expect(await ids('?search=speedy')).toEqual(['speedy'])
    expect(await ids('?search=openai')).toEqual(['gpt-oss-120b'])
    expect(await ids('?provider=mine')).toEqual([MODEL, 'speedy'])
    expect(await ids('?provider=groq&search=gpt')).toEqual(['gpt-oss-120b'])
    expect(await ids('?provider=nobody')).toEqual([])
    const offers = await admin(gateway, 'GET', '/catalog/offers?search=gpt-5-mini&provider=openai')
    expect(offers.json).toMatchObject({
      data: expect.arrayContaining([
        expect.objectContaining({
          id: 'gpt-5-mini',
          provider: 'openai',
          price_id: expect.any(String),
          as_of: expect.any(String),
        }),
      ]),
    })
    const targets = await admin(gateway, 'GET', '/targets?search=versatile%20tools')
    expect(
      new Set((targets.json as unknown as { data: { provider: string }[] }).data.map(t => t.provider)),
    ).toEqual(new Set(['mine', 'groq']))
  })
})
