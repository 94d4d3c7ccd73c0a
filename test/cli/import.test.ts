/** `switchgate import litellm`: what comes out is a config that checks and works, nothing is dropped in silence, no secret comes along. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { CHAT, completion, sendJson, startGateway, startUpstream } from '../gateway/harness.ts'
import { say } from './say.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgate-import-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let count = 0

/** Imports a text; the report of `--json` beside the file that was written. */
async function imported(text: string, env: Record<string, string> = {}) {
  const [from, out] = [join(folder, `from-${++count}.yaml`), join(folder, `to-${count}.yaml`)]
  writeFileSync(from, text)
  const said = await say(['import', 'litellm', from, '--out', out, '--json'], env)
  expect(said.err).toBe('')
  const report = JSON.parse(said.out)
  if (said.code > 1) return { ...said, report, notes: new Map(), file: {}, text: '', path: '' }
  const written = readFileSync(out, 'utf8')
  const notes = new Map(report.notes.map((note: { at: string; text: string }) => [note.at, note.text]))
  return { ...said, report, notes, file: parse(written) ?? {}, text: written, path: out }
}

/** As `config check` sees it once its variables are set. */
async function check(path: string, variables: readonly string[]) {
  const env = Object.fromEntries(variables.map(name => [name, `sk-${name.toLowerCase()}`]))
  return say('config check', { ...env, SWITCHGATE_CONFIG: path, SWITCHGATE_DATA: join(folder, 'data') })
}

const LARGE = `model_list:
  - model_name: gpt-4o
    litellm_params: { model: azure/gpt-4o-eu, api_base: "https://my-eu.openai.azure.com/", api_key: os.environ/AZURE_EU, api_version: "2024-10-21", rpm: 6 }
  - model_name: gpt-4o
    litellm_params: { model: azure/gpt-4o-ca, api_base: "https://my-ca.openai.azure.com/", api_key: os.environ/AZURE_CA, rpm: 60, azure_scope: x }
  - model_name: claude
    litellm_params: { model: anthropic/claude-sonnet-4-5, api_key: sk-ant-canary-1, extra_headers: { x-team: a, x-api-secret: canary-2, Authorization: Bearer canary-3 } }
  - model_name: claude
    litellm_params: { model: bedrock/converse/anthropic.claude-sonnet-4-5-20250929-v1:0, aws_region_name: us-east-1, aws_secret_access_key: canary-4 }
  - model_name: house
    litellm_params: { model: openai/facebook/opt-125m, api_base: "http://10.0.0.7:8000/v1/", api_key: none, timeout: 20 }
    model_info: { input_cost_per_token: 0.0000002, output_cost_per_token: 4e-7, cache_read_input_token_cost: 1e-8, max_input_tokens: 8192 }
  - model_name: local
    litellm_params: { model: ollama_chat/mistral, temperature: 0.2 }
  - model_name: gemini-pro
    litellm_params: { model: gemini/gemini-2.5-pro }
  - model_name: vertex
    litellm_params: { model: vertex_ai/gemini-2.5-flash, vertex_project: my-project, vertex_location: europe-west1 }
  - model_name: shared
    litellm_params: { model: groq/openai/gpt-oss-120b, litellm_credential_name: main_groq }
  - model_name: all-of-mistral/*
    litellm_params: { model: mistral/*, api_key: os.environ/MISTRAL_API_KEY }
  - model_name: "*"
    litellm_params: { model: "*" }
  - model_name: odd
    litellm_params: { model: sagemaker/endpoint-1 }
credential_list:
  - credential_name: main_groq
    credential_values: { api_key: os.environ/GROQ_SHARED }
    credential_info: { description: d }
litellm_settings:
  drop_params: true
  num_retries: 2
  request_timeout: 30
  fallbacks: [{ house: [claude, nobody] }]
  callbacks: [prometheus]
  some_new_setting: 1
router_settings:
  routing_strategy: latency-based-routing
  model_group_alias: { gpt-4: gpt-4o, smart: { model: claude, hidden: true } }
  redis_password: canary-5
general_settings:
  master_key: sk-canary-6
  global_max_parallel_requests: 100
  maximum_spend_logs_retention_period: 30d
environment_variables: { OPENAI_API_KEY: sk-canary-7 }
mcp_servers: { x: {} }
`

describe('a large config', () => {
  test('becomes one that config check takes, with every variable named', async () => {
    const { code, file, path, report } = await imported(LARGE)
    expect(code).toBe(0)
    expect(report.faults).toEqual([])
    expect(report.variables.sort()).toEqual([
      'ANTHROPIC_KEY_1',
      'AZURE_CA',
      'AZURE_EU',
      'GEMINI_API_KEY',
      'GROQ_SHARED',
      'MISTRAL_API_KEY',
    ])
    expect(report.unset.sort()).toEqual(report.variables)
    expect(statSync(path).mode & 0o077).toBe(0)
    const checked = await check(path, report.variables)
    expect(checked.code, checked.err).toBe(0)
    expect((await check(path, [])).code).toBe(78)
    expect(file.providers).toMatchObject({
      azure: {
        kind: 'azure',
        options: { account: 'my-eu', api_version: '2024-10-21' },
        credentials: [{ name: 'main', secret: 'env://AZURE_EU' }],
        models: { 'gpt-4o': { upstream: 'gpt-4o-eu' } },
      },
      'azure-2': { options: { account: 'my-ca' }, models: { 'gpt-4o': { upstream: 'gpt-4o-ca' } } },
      anthropic: { headers: { 'x-team': 'a' }, models: { claude: { upstream: 'claude-sonnet-4-5' } } },
      bedrock: {
        options: { region: 'us-east-1' },
        credentials: [{ secret: 'aws://default' }],
        models: { claude: { upstream: 'anthropic.claude-sonnet-4-5-20250929-v1:0' } },
      },
      openai: {
        base_url: 'http://10.0.0.7:8000/v1',
        timeouts: { total_ms: 20_000 },
        models: {
          house: {
            upstream: 'facebook/opt-125m',
            input_usd_per_mtok: 0.2,
            output_usd_per_mtok: 0.4,
            cache_read_usd_per_mtok: 0.01,
            context_tokens: 8192,
          },
        },
      },
      ollama: { base_url: 'http://localhost:11434/v1', models: { local: { upstream: 'mistral' } } },
      vertex: { options: { project: 'my-project', location: 'europe-west1' } },
      groq: { models: { shared: { upstream: 'openai/gpt-oss-120b' } } },
    })
    expect(file.providers.openai.credentials).toBeUndefined()
    expect(file.aliases).toEqual({
      house: { models: ['house', 'claude'], strategy: 'priority' },
      'gpt-4': { models: ['gpt-4o'] },
      smart: { models: ['claude'] },
    })
    expect(file).toMatchObject({
      routing: { strategy: 'latency' },
      retries: { attempts: 3 },
      timeouts: { total_ms: 30_000 },
      limits: { concurrency: 100 },
      retention: { requests_days: 30 },
      egress: { allow: ['10.0.0.7:8000', 'localhost:11434'] },
    })
  })

  test('what has no counterpart is told, in the file too; what is a secret is not', async () => {
    const { notes, text, report, out } = await imported(LARGE)
    for (const place of [
      'model_list[0].litellm_params.rpm',
      'model_list[1].litellm_params.azure_scope',
      'model_list[2].litellm_params.api_key',
      'model_list[2].litellm_params.extra_headers.x-api-secret',
      'model_list[2].litellm_params.extra_headers.Authorization',
      'model_list[3].litellm_params.aws_secret_access_key',
      'model_list[5].litellm_params.temperature',
      'model_list[9]',
      'model_list[10]',
      'model_list[11]',
      'litellm_settings.drop_params',
      'litellm_settings.fallbacks',
      'litellm_settings.callbacks',
      'litellm_settings.some_new_setting',
      'router_settings.redis_password',
      'general_settings.master_key',
      'environment_variables.OPENAI_API_KEY',
      'mcp_servers',
    ]) {
      expect(notes?.has(place), place).toBe(true)
      expect(text, place).toContain(`#   ${place}: `)
    }
    expect(notes?.get('model_list[2].litellm_params.api_key')).toContain('ANTHROPIC_KEY_1')
    expect(report.skipped).toEqual(['model_list[10] (*)', 'model_list[11] (odd)'])
    expect(out + text).not.toMatch(/canary/)
  })
})

describe('what it makes works', () => {
  test('a fallback takes over, shares by weight and rpm become an alias', async () => {
    const good = await startUpstream(response => sendJson(response, 200, completion()))
    const bad = await startUpstream(response => sendJson(response, 500, { error: { message: 'no' } }))
    const at = (port: number) => `http://127.0.0.1:${port}/v1`
    const { text, file } = await imported(`model_list:
  - { model_name: first, litellm_params: { model: openai/m1, api_base: "${at(bad.port)}", api_key: os.environ/KEY_A } }
  - { model_name: second, litellm_params: { model: openai/m2, api_base: "${at(good.port)}", api_key: os.environ/KEY_B, weight: 1 } }
  - { model_name: second, litellm_params: { model: openai/m3, api_base: "${at(good.port)}", api_key: os.environ/KEY_B, weight: 9 } }
router_settings: { fallbacks: [{ first: [second] }] }
`)
    expect(file.providers['openai-2'].models).toEqual({ second: { upstream: 'm2' }, m3: {} })
    expect(file.aliases).toEqual({
      first: { models: ['first', 'second@openai-2', 'm3@openai-2'], strategy: 'priority' },
      second: {
        models: ['second@openai-2', 'm3@openai-2'],
        weights: { 'second@openai-2': 1, 'm3@openai-2': 9 },
      },
    })
    const gateway = await startGateway({ config: text, env: { KEY_A: 'sk-a', KEY_B: 'sk-b' } })
    try {
      const key = await gateway.key()
      const answer = await gateway.post(key, { ...CHAT, model: 'first' })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('x-switchgate-provider')).toBe('openai-2')
      expect(bad.seen[0]?.headers.authorization).toBe('Bearer sk-a')
      expect(bad.seen[0]?.json().model).toBe('m1')
      expect((await gateway.post(key, { ...CHAT, model: 'second' })).status).toBe(200)
      expect(['m2', 'm3']).toContain(good.seen.at(-1)?.json().model)
    } finally {
      await gateway.close()
      await good.close()
      await bad.close()
    }
  })
})

describe('small things', () => {
  test('an address from the environment is looked up; without it the entry is left out and said', async () => {
    const text =
      'model_list: [{ model_name: m, litellm_params: { model: openai/m, api_base: os.environ/BASE } }]'
    const found = await imported(text, { BASE: 'https://models.example/v1' })
    expect(found.file.providers.openai.base_url).toBe('https://models.example/v1')
    // LiteLLM reads the usual variable when no key is named
    expect(found.report.variables).toEqual(['OPENAI_API_KEY'])
    const missing = await imported(text)
    expect(missing.report).toMatchObject({ skipped: ['model_list[0] (m)'], providers: 0 })
    expect(missing.notes?.get('model_list[0].litellm_params.api_base')).toContain('BASE is not set')
  })

  test('one key in two places has one variable, and never the name of another', async () => {
    const { report, file } = await imported(`model_list:
  - { model_name: a, litellm_params: { model: groq/a, api_key: gsk_one } }
  - { model_name: b, litellm_params: { model: groq/b, api_key: gsk_two } }
  - { model_name: c, litellm_params: { model: groq/c, api_key: gsk_one } }
  - { model_name: d, litellm_params: { model: xai/d, api_key: os.environ/GROQ_KEY_1 } }
`)
    expect(report.variables.sort()).toEqual(['GROQ_KEY_1', 'GROQ_KEY_2', 'GROQ_KEY_3'])
    expect(Object.keys(file.providers.groq.models)).toEqual(['a', 'c'])
  })

  test('a line break in a name ends no comment', async () => {
    const { text, code } = await imported(
      'model_list: [{ model_name: "x\\ny: 1\\u2028", litellm_params: { model: "sagemaker/a\\nb" } }]\n',
    )
    expect(code).toBe(0)
    expect(parse(text)).toBeNull()
  })

  test('what is no config of LiteLLM is refused; an existing file is not written over', async () => {
    for (const [text, reason] of [
      ['providers: {}', /neither model_list nor any of its settings/],
      ['model_list: [{ model_name: x }]', /model_list\.0\.litellm_params/],
      ['a: [', /not YAML/],
      ['- 1', /must be a map/],
    ] as const) {
      const { code, report } = await imported(text)
      expect(code, text).toBe(78)
      expect(report.error.message, text).toMatch(reason)
    }
    const from = join(folder, 'plain.yaml')
    writeFileSync(from, 'model_list: [{ model_name: m, litellm_params: { model: gpt-4o } }]')
    const shown = await say(['import', 'litellm', from])
    expect(shown.code).toBe(0)
    expect(parse(shown.out)).toEqual({
      providers: {
        openai: {
          kind: 'openai',
          credentials: [{ name: 'main', secret: 'env://OPENAI_API_KEY' }],
          models: { m: { upstream: 'gpt-4o' } },
        },
      },
    })
    expect(shown.err).toContain('set before you start: OPENAI_API_KEY')
    const again = await say(['import', 'litellm', from, '--out', from])
    expect(again).toMatchObject({ code: 64, out: '' })
    expect(readFileSync(from, 'utf8')).toContain('model_list')
  })
})

test('a number beyond what there is here is the most there is, one without counterpart is left out, and both are told', async () => {
  const nine = await imported('litellm_settings: { num_retries: 9 }\n')
  expect([nine.file.retries, [...nine.notes.keys()]]).toEqual([{ attempts: 10 }, []])
  const { file, notes, path } = await imported(
    'router_settings: { num_retries: 25, timeout: 0 }\ngeneral_settings: { max_request_size_mb: 4000, maximum_spend_logs_retention_period: 2w }\n',
  )
  expect(file).toMatchObject({ retries: { attempts: 10 }, limits: { body_bytes: 104_857_600 } })
  expect(file).not.toHaveProperty('timeouts')
  expect(file).not.toHaveProperty('retention')
  expect(notes.get('router_settings.num_retries')).toMatch(/most.*: 10/)
  expect(notes.get('general_settings.max_request_size_mb')).toMatch(/most/)
  expect(notes.get('router_settings.timeout')).toMatch(/left out/)
  expect(notes.get('general_settings.maximum_spend_logs_retention_period')).toMatch(/2w .*left out/)
  expect((await check(path, [])).code).toBe(0)
})
