/** A page of another origin in a real browser: fetch, streams and OpenAI's SDK with a key of its own; pages that no key names get nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import type OpenAI from 'openai'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  finish,
  role,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'

const CHROMIUM = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium'
const found = existsSync(CHROMIUM)
if (!found) process.stderr.write(`browser tests skipped: no Chromium at ${CHROMIUM} (set CHROMIUM_PATH)\n`)

/** The SDK's own modules as they are in the package, for the page's `import`. */
const SDK = dirname(createRequire(import.meta.url).resolve('openai'))

const PAGE = `<!doctype html><title>page</title><link rel="icon" href="data:,">
<script type="module">import OpenAI from '/openai/index.mjs'; globalThis.OpenAI = OpenAI</script>`

/** A web site: a page, and the SDK under /openai/. */
function site(): Server {
  return createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://x').pathname
    const file = join(SDK, path.replace(/^\/openai\//, ''))
    const isModule = path.startsWith('/openai/') && /\.m?js$/.test(path) && existsSync(file)
    response.writeHead(path.startsWith('/openai/') && !isModule ? 404 : 200, {
      'content-type': isModule ? 'text/javascript' : 'text/html',
    })
    response.end(isModule ? readFileSync(file) : PAGE)
  })
}

describe.skipIf(!found)('a page of another origin', () => {
  let upstream: ScriptedUpstream
  let at: TestGateway
  let web: Server
  let browser: Browser
  let page: Page
  let port = 0
  let key = ''
  const own = () => `http://127.0.0.1:${port}`
  const other = () => `http://localhost:${port}`

  beforeAll(async () => {
    expect(readdirSync(SDK)).toContain('index.mjs')
    upstream = await startUpstream((response, seen) => {
      if (seen.json().stream === true)
        sse(response).end(role + delta('Hello') + delta(' page') + finish() + DONE)
      else sendJson(response, 200, completion())
    })
    at = await startGateway({ config: configFor({ alpha: upstream.port }) })
    web = site()
    await new Promise<void>(resolve => web.listen(0, '127.0.0.1', resolve))
    port = (web.address() as AddressInfo).port
    key = await at.key({ originAllow: [own()] })
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
    page = await browser.newPage()
    await page.goto(`${own()}/`)
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    web?.closeAllConnections()
    web?.close()
    await at?.close()
    await upstream?.close()
  })

  const ask = (on: Page, path: string, headers: Record<string, string>, body?: unknown) =>
    on.evaluate(
      async ({ url, headers, body }) => {
        try {
          const answer = await fetch(url, {
            method: body === undefined ? 'GET' : 'POST',
            headers,
            body: body === undefined ? null : JSON.stringify(body),
          })
          return { status: answer.status, headers: [...answer.headers.keys()], text: await answer.text() }
        } catch (error) {
          return { status: 0, headers: [], text: String(error) }
        }
      },
      { url: at.url + path, headers, body },
    )

  it('reads whole answers, streams and errors with their headers', async () => {
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'x-stainless-os': 'X',
    }
    const whole = await ask(page, '/v1/chat/completions', headers, CHAT)
    expect([whole.status, JSON.parse(whole.text).choices[0].message.content]).toEqual([200, 'Hello there.'])
    for (const name of [
      'x-request-id',
      'x-switchgate-provider',
      'x-switchgate-cost-usd',
      'x-switchgate-overhead-ms',
    ])
      expect(whole.headers).toContain(name)
    const stream = await ask(page, '/v1/chat/completions', headers, { ...CHAT, stream: true })
    expect([stream.status, stream.text.includes('[DONE]')]).toEqual([200, true])
    const refused = await ask(page, '/v1/chat/completions', headers, { ...CHAT, model: 'nobody-sells-this' })
    expect([refused.status, refused.headers.includes('x-should-retry')]).toEqual([404, true])
    const wrong = await ask(page, '/v1/models', { 'x-api-key': 'sgate_live_wrong' })
    expect([wrong.status, JSON.parse(wrong.text).error.code]).toEqual([401, 'invalid_api_key'])
    const list = await ask(page, '/v1/models', { authorization: `Bearer ${key}` })
    expect(JSON.parse(list.text).data.map((model: { id: string }) => model.id)).toEqual(['house-model'])
  })

  it('talks through OpenAI’s SDK as it is loaded in the page', async () => {
    await page.waitForFunction(() => 'OpenAI' in globalThis)
    const said = await page.evaluate(
      async ({ apiKey, baseURL }) => {
        const { OpenAI: Sdk } = globalThis as unknown as { OpenAI: typeof OpenAI }
        const client = new Sdk({ apiKey, baseURL, dangerouslyAllowBrowser: true, maxRetries: 0 })
        const messages = [{ role: 'user' as const, content: 'Say hello.' }]
        const whole = await client.chat.completions.create({ model: 'house-model', messages })
        let streamed = ''
        for await (const chunk of await client.chat.completions.create({
          model: 'house-model',
          messages,
          stream: true,
        }))
          streamed += chunk.choices[0]?.delta.content ?? ''
        const fault = await client.models
          .retrieve('nobody-sells-this')
          .catch((error: { status: number }) => error)
        return {
          whole: whole.choices[0]?.message.content,
          streamed,
          status: 'status' in fault ? fault.status : 0,
          id: whole._request_id,
        }
      },
      { apiKey: key, baseURL: `${at.url}/v1` },
    )
    expect(said).toEqual({
      whole: 'Hello there.',
      streamed: 'Hello page',
      status: 404,
      id: expect.stringMatching(/^req_/),
    })
  })

  it('gets nothing where no key names its origin, and nothing reaches the provider', async () => {
    const stranger = await browser.newPage()
    await stranger.goto(`${other()}/`)
    const before = upstream.seen.length
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
    expect(await ask(stranger, '/v1/chat/completions', headers, CHAT)).toMatchObject({ status: 0 })
    // a request that needs no preflight is sent, refused, and cannot be read
    expect(await ask(stranger, '/v1/models', {})).toMatchObject({ status: 0 })
    expect(upstream.seen.length).toBe(before)
    await stranger.close()
  })
})
