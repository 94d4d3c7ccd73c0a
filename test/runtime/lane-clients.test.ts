/** Real clients at a listener with the lane: the OpenAI SDK, undici with pipelining, curl in its several moods. */
import { execFile, execFileSync } from 'node:child_process'
import OpenAI from 'openai'
import { Client } from 'undici'
import { describe, expect, test } from 'vitest'
import type { Call, Sink } from '../../src/terms.ts'
import { open, PATH } from './lane-rig.ts'

const BYTES_MAX = 20_000_000
const text = (body: string) => Buffer.from(body)

const frame = { id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'm' }
const event = (content: string) =>
  text(`data: ${JSON.stringify({ ...frame, choices: [{ index: 0, delta: { content } }] })}\n\n`)

/** Says back what the last message says: whole, or a word at a time. */
async function parrot(call: Call, sink: Sink): Promise<void> {
  const body = JSON.parse(Buffer.from(await call.read(BYTES_MAX)).toString())
  const said: string = body.messages.at(-1).content
  const by = ['x-by', call.constructor.name]
  if (body.stream) {
    sink.head(200, ['content-type', 'text/event-stream', ...by])
    for (const word of said.split(' ')) {
      sink.write(event(`${word} `))
      await new Promise(done => setImmediate(done))
    }
    return sink.end(text('data: [DONE]\n\n'))
  }
  const message = { role: 'assistant', content: said, refusal: null }
  const answer = text(
    JSON.stringify({
      ...frame,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
    }),
  )
  sink.head(200, ['content-type', 'application/json', 'content-length', String(answer.length), ...by])
  sink.end(answer)
}

const bodyOf = (said: string, more: object = {}) =>
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content: said }], ...more })

test('the OpenAI SDK, whole and streamed, many at once and one after the other', async () => {
  const { port } = await open(parrot)
  const client = new OpenAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'k', maxRetries: 0 })
  const ask = (content: string) => ({ model: 'm', messages: [{ role: 'user' as const, content }] })
  for (let round = 0; round < 3; round++) {
    const whole = Array.from({ length: 10 }, async (_, i) => {
      const { data, response } = await client.chat.completions.create(ask(`whole ${i} é€`)).withResponse()
      expect(data.choices[0]?.message.content).toBe(`whole ${i} é€`)
      expect(response.headers.get('x-by')).toBe('LaneExchange')
    })
    const streamed = Array.from({ length: 10 }, async (_, i) => {
      const stream = await client.chat.completions.create({ ...ask(`streamed ${i} é€`), stream: true })
      let said = ''
      for await (const part of stream) said += part.choices[0]?.delta.content ?? ''
      expect(said).toBe(`streamed ${i} é€ `)
    })
    await Promise.all([...whole, ...streamed])
  }
  // a stream that its reader leaves, and the next request
  const stream = await client.chat.completions.create({ ...ask('one two three'), stream: true })
  for await (const _ of stream) break
  expect((await client.chat.completions.create(ask('after'))).choices[0]?.message.content).toBe('after')
})

test('undici, with requests sent ahead', async () => {
  const { port } = await open(parrot)
  const client = new Client(`http://127.0.0.1:${port}`, { pipelining: 10 })
  try {
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const isLarge = i % 7 === 0
        const said = isLarge ? `${i} `.repeat(60_000) : `number ${i}`
        const { body, headers, statusCode } = await client.request({
          method: 'POST',
          path: PATH,
          body: bodyOf(said, { stream: i % 3 === 0 && !isLarge }),
          // undici sends nothing ahead of a request that might not be repeated
          idempotent: true,
          headers: { 'content-type': 'application/json' },
        })
        const heard = await body.text()
        expect(statusCode).toBe(200)
        if (i % 3 === 0 && !isLarge) expect(heard.match(/data: /g)).toHaveLength(said.split(' ').length + 1)
        else expect(JSON.parse(heard).choices[0].message.content).toBe(said)
        return headers['x-by']
      }),
    )
    expect(answers).toContain('LaneExchange')
  } finally {
    await client.destroy()
  }
})

function hasCurl(): boolean {
  try {
    execFileSync('curl', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

describe.skipIf(!hasCurl())('curl (skipped where there is none)', () => {
  /** curl's exit code and what it wrote; `-s -i` and the body's way in are given. */
  const curl = (port: number, args: readonly string[], body: string, path = PATH) =>
    new Promise<{ code: number; out: string }>(resolve => {
      const all = ['-s', '-i', '--max-time', '60', ...args, '--data-binary', '@-']
      const child = execFile(
        'curl',
        [...all, `http://127.0.0.1:${port}${path}`],
        { encoding: 'latin1', maxBuffer: 100_000_000 },
        (error, out) => resolve({ code: Number(error?.code ?? 0), out }),
      )
      child.stdin?.on('error', () => {})
      child.stdin?.end(body)
    })

  test.each([
    ['as it comes', [], 'LaneExchange'],
    ['closing', ['-H', 'Connection: close'], 'LaneExchange'],
    ['with HTTP/1.0', ['--http1.0'], 'NodeCall'],
    ['with Expect: 100-continue', ['-H', 'Expect: 100-continue', '--expect100-timeout', '60'], 'NodeCall'],
    ['chunked', ['-H', 'Transfer-Encoding: chunked'], 'NodeCall'],
    ['offering an upgrade to HTTP/2', ['--http2'], 'NodeCall'],
  ])('%s', async (_name, args, by) => {
    const { port } = await open(parrot)
    const { code, out } = await curl(port, args, bodyOf('hello from curl'))
    expect(code).toBe(0)
    expect(out).toContain(`x-by: ${by}`)
    expect(out).toContain('hello from curl')
    if (args.includes('Expect: 100-continue')) expect(out).toContain('HTTP/1.1 100 Continue')
  })

  test('a large body, for which it waits to be told to go on', async () => {
    const { port } = await open(parrot)
    const { code, out } = await curl(port, ['--expect100-timeout', '60'], bodyOf('x'.repeat(5_000_000)))
    expect(code).toBe(0)
    expect(out.length).toBeGreaterThan(5_000_000)
  })

  test('two on one connection, and a GET after them', async () => {
    const { port } = await open(parrot)
    const body = bodyOf('hello')
    const url = `http://127.0.0.1:${port}`
    const out = await new Promise<string>(resolve =>
      execFile(
        'curl',
        [
          ...['-s', '-w', ' connects: %{num_connects}\n', '-d', body, url + PATH],
          ...['--next', '-s', '-w', ' connects: %{num_connects}\n', '-d', body, url + PATH],
          ...['--next', '-s', '-w', ' connects: %{num_connects}\n', `${url}/healthz`],
        ],
        (_, heard) => resolve(heard),
      ),
    )
    expect([...out.matchAll(/connects: (\d)/g)].map(([, n]) => n)).toEqual(['1', '0', '0'])
    expect(out).toContain('app GET /healthz')
  })

  test('HTTP/2 without asking is refused, as by node:http alone', async () => {
    const said = []
    for (const lane of [true, false]) {
      const { port } = await open(parrot, { lane })
      said.push(await curl(port, ['--http2-prior-knowledge'], bodyOf('hello')))
    }
    expect(said[0]?.code).not.toBe(0)
    expect(said[0]).toEqual(said[1])
  })
})
