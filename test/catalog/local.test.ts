/** Model servers on one's own machine: recognised, offered and never enabled in silence; configured, they sell what they serve for nothing. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { loadCatalog } from '../../providers/catalog/loader.ts'
import { KINDS } from '../../providers/index.ts'
import { isLocalKind, LOCAL_SERVERS } from '../../providers/local.ts'
import { linesFor, recognised, serversOf, unconfigured, withServed } from '../../src/catalog/local.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/schema.ts'
import { findServers, maySearch, offer } from '../../src/runtime/node/local.ts'
import { startGateway, type TestGateway } from '../gateway/harness.ts'

const world = { kinds: KINDS, catalog: loadCatalog(), env: {} }

function configOf(text: string): Config {
  const loaded = loadConfig(text, world)
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.faults))
  return loaded.config
}

const model = (id: string, more: object = {}) => ({ id, object: 'model', created: 1, ...more })
const listed = (id: string) => ({
  id,
  contextTokens: 8_192,
  maxOutputTokens: undefined,
  price: undefined,
  marks: undefined,
})

describe('a server on this machine', () => {
  const serverOf = (kind: string) => {
    const found = LOCAL_SERVERS.find(server => server.kind === kind)
    if (found === undefined) throw new Error(kind)
    return found
  }

  test('has a host row at the very address that is asked', () => {
    for (const { kind, address } of LOCAL_SERVERS) {
      expect(KINDS.get(kind)?.host.baseUrl, kind).toBe(`http://${address}/v1`)
      expect(isLocalKind(kind)).toBe(true)
    }
    for (const kind of ['openai', 'ollama-cloud', 'groq']) expect(isLocalKind(kind)).toBe(false)
  })

  test.each([
    ['ollama', { object: 'list', data: [model('llama3.2:3b', { owned_by: 'library' })] }, ['llama3.2:3b']],
    ['ollama', { object: 'list', data: null }, undefined],
    ['ollama', { object: 'list', data: [] }, []],
    [
      'lmstudio',
      { data: [model('openai/gpt-oss-20b', { owned_by: 'organization_owner' })] },
      ['openai/gpt-oss-20b'],
    ],
    ['llamacpp', { data: [model('/m/q.gguf', { owned_by: 'llamacpp' })] }, ['/m/q.gguf']],
    ['llamacpp', { data: [model('x', { owned_by: 'somebody' })] }, undefined],
    [
      'vllm',
      { data: [model('Qwen/Qwen3-8B', { owned_by: 'vllm', max_model_len: 4096 })] },
      ['Qwen/Qwen3-8B'],
    ],
    ['vllm', { data: [model('x', { owned_by: 'switchgate' })] }, undefined],
    ['vllm', '<html>', undefined],
    ['lmstudio', undefined, undefined],
    ['lmstudio', { data: [null, 7, { id: 'a b' }, { id: 'ok' }] }, ['ok']],
  ])('%s is recognised by what it answers %#', (kind, body, models) => {
    expect(recognised(serverOf(kind), body)?.models).toEqual(models)
  })

  test('is offered with lines that a config file accepts as they are, and is then no longer offered', () => {
    expect(unconfigured(configOf(''))).toEqual(LOCAL_SERVERS)
    const text = linesFor(LOCAL_SERVERS).join('\n')
    expect(text).toBe(
      'providers: { ollama: {}, lmstudio: {}, llamacpp: {}, vllm: {} }\n' +
        'egress: { allow: ["127.0.0.1:11434", "127.0.0.1:1234", "127.0.0.1:8080", "127.0.0.1:8000"] }',
    )
    expect(unconfigured(configOf(text))).toEqual([])
    const own = configOf(
      'providers: { mine: { kind: openai, base_url: "http://127.0.0.1:8000/v1" } }\negress: { allow: ["127.0.0.1:8000"] }',
    )
    expect(unconfigured(own).map(server => server.kind)).toEqual(['ollama', 'lmstudio', 'llamacpp'])
  })

  test('is not looked for when that is turned off', () => {
    expect(maySearch({})).toBe(true)
    for (const value of ['false', '0', 'off', 'No'])
      expect(maySearch({ SWITCHGATE_DISCOVER_LOCAL: value })).toBe(false)
  })

  test('is found by asking it, once, and nothing that hangs or is not there holds anybody up', async () => {
    const seen: string[] = []
    const answering = await serve((url, respond) => {
      seen.push(url)
      respond(200, { data: [model('tiny', { owned_by: 'vllm' })] })
    })
    const hanging = await serve(() => undefined)
    const closed = await serve(() => undefined)
    await stop(closed)
    const at = (server: Server, kind: string) => ({ ...serverOf(kind), address: addressOf(server) })
    const startedAt = performance.now()
    const found = await findServers([
      at(answering, 'vllm'),
      at(hanging, 'ollama'),
      { ...serverOf('lmstudio'), address: closedAddress },
    ])
    expect(performance.now() - startedAt).toBeLessThan(20_000)
    expect(found.map(server => [server.kind, server.models])).toEqual([['vllm', ['tiny']]])
    expect(seen).toEqual(['/v1/models'])
    const logged: unknown[] = []
    offer(found, (level, event, fields) => void logged.push([level, event, fields]))
    expect(logged).toEqual([
      [
        'info',
        'local_server.found',
        expect.objectContaining({
          server: 'vLLM',
          models: 1,
          cure: expect.stringMatching(
            /^to use it, put into switchgate\.yaml: providers: \{ vllm: \{\} \} and egress/,
          ),
        }),
      ],
    ])
  })
})

describe('a configured server', () => {
  const allow = 'egress: { allow: ["127.0.0.1:11434", "10.0.0.5:8000"] }\n'

  test('is asked at its usual address always, at an own one unless the file lists its models, and only if it is local', () => {
    const config = configOf(`
providers:
  ollama: { models: { mine: {} } }
  gpu: { kind: vllm, base_url: "http://10.0.0.5:8000/v1" }
  listed: { kind: vllm, base_url: "http://10.0.0.5:8000/v1", models: { mine: {} } }
  other: { kind: openai, base_url: "http://10.0.0.5:8000/v1" }
${allow}`)
    expect(serversOf(config)).toEqual(['ollama', 'gpu'])
  })

  test('sells its models for nothing, under canonical ids where they are known; what the file says stays', () => {
    const config = configOf(
      `providers: { ollama: { models: { mine: { upstream: "a:1b", input_usd_per_mtok: 1, output_usd_per_mtok: 1 } } } }\n${allow}`,
    )
    const served = ['a:1b', 'b:7b', 'openai/gpt-oss-20b', 'gpt-oss-20b', '__proto__'].map(listed)
    const sold = withServed(config, new Map([['ollama', served]]), world.catalog).providers.ollama
    const rows = Object.entries(sold?.models ?? {}).map(([id, m]) => [id, m.upstream, m.inputUsdPerMtok])
    expect(rows).toEqual([
      ['mine', 'a:1b', 1],
      ['b:7b', 'b:7b', 0],
      ['gpt-oss-20b', 'openai/gpt-oss-20b', 0],
      ['__proto__', '__proto__', 0],
    ])
    expect(config.providers.ollama?.models).not.toHaveProperty('b:7b')
  })
})

type Respond = (status: number, body: unknown) => void
let closedAddress = ''
const servers: Server[] = []
const gateways: TestGateway[] = []

async function serve(answer: (url: string, respond: Respond) => void, port = 0): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () =>
      answer(request.url ?? '', (status, body) => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(JSON.stringify(body))
      }),
    )
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  servers.push(server)
  return server
}
const addressOf = (server: Server) => `127.0.0.1:${(server.address() as AddressInfo).port}`
async function stop(server: Server): Promise<void> {
  closedAddress = addressOf(server)
  server.closeAllConnections()
  await new Promise<void>(resolve => server.close(() => resolve()))
  servers.splice(servers.indexOf(server), 1)
}
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close()
  for (const server of servers.slice()) await stop(server)
})

describe('a gateway with a server of its own', () => {
  const completion = {
    id: 'c1',
    object: 'chat.completion',
    created: 1,
    model: 'tiny',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
  }
  const vllm = (url: string, respond: Respond) =>
    url.endsWith('/models')
      ? respond(200, { data: [model('tiny', { owned_by: 'vllm', max_model_len: 4096 })] })
      : respond(200, completion)

  const ids = async (gateway: TestGateway, key: string) => {
    const answer = await fetch(`${gateway.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
    return ((await answer.json()) as { data: { id: string }[] }).data.map(one => one.id)
  }

  test('starts while it is down, sells what it serves when it is up, bills nothing, and keeps selling when it is down again', async () => {
    const placeholder = await serve(vllm)
    const address = addressOf(placeholder)
    await stop(placeholder)
    const gateway = await startGateway({
      config: `providers: { gpu: { kind: vllm, base_url: "http://${address}/v1" } }\negress: { allow: ["${address}"] }\n`,
    })
    gateways.push(gateway)
    const { supply, deps } = gateway.gateway
    const key = await gateway.key({ budgets: [{ window: 'total', limitNanoUsd: 1_000, softNanoUsd: null }] })
    await supply.look(deps.send)
    expect(await ids(gateway, key)).toEqual([])
    const server = await serve(vllm, Number(address.split(':')[1]))
    await supply.look(deps.send)
    expect(await ids(gateway, key)).toEqual(['tiny'])
    const messages = [{ role: 'user', content: 'Hello' }]
    for (const name of ['tiny', 'tiny@gpu', 'gpu/tiny', 'unlisted@gpu']) {
      const answer = await gateway.post(key, { model: name, messages })
      expect([name, answer.status]).toEqual([name, 200])
      expect(answer.headers.get('x-switchgate-cost-usd')).toBe('0')
    }
    expect((await gateway.rows()).map(row => row.costNanoUsd)).toEqual([0, 0, 0, 0])
    await stop(server)
    await supply.look(deps.send)
    expect(await ids(gateway, key)).toEqual(['tiny'])
    await supply.reload()
    expect(await ids(gateway, key)).toEqual(['tiny'])
  })
})
