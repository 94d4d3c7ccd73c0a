/** The config file: what is accepted, what it means, and what each mistake says. Faults are compared as printed. */
import { describe, expect, test } from 'vitest'
import { loadCatalog } from '../../providers/catalog/loader.ts'
import { KINDS } from '../../providers/index.ts'
import { formatFault, type LoadedConfig, loadConfig } from '../../src/config/load.ts'

const load = (text: string, env: Record<string, string> = {}): LoadedConfig =>
  loadConfig(text, { kinds: KINDS, catalog: loadCatalog(), env })

const faults = (text: string, env?: Record<string, string>): string[] => {
  const loaded = load(text, env)
  return loaded.ok ? [] : loaded.faults.map(formatFault)
}

const config = (text: string, env?: Record<string, string>) => {
  const loaded = load(text, env)
  if (!loaded.ok) throw new Error(loaded.faults.map(formatFault).join('\n'))
  return loaded.config
}

describe('what a good file means', () => {
  test('an empty file, an empty map and comments alone are all defaults', () => {
    const empty = config('')
    expect(empty).toEqual({
      providers: {},
      hosts: {},
      aliases: {},
      routing: {
        strategy: 'balanced',
        streamGuarantee: 'fast',
        settleMs: 2_000,
        settleTokens: 64,
        aroundContentFilter: false,
        hedge: { share: 0 },
      },
      retries: { attempts: 3 },
      timeouts: {
        connectMs: 5000,
        firstByteMs: 120000,
        firstTokenMs: 12000,
        idleMs: 10000,
        stallMs: 60000,
        keepaliveMs: 15000,
        totalMs: 1800000,
      },
      limits: {
        bodyBytes: 10485760,
        uploadBytes: 26214400,
        answerBytes: 33554432,
        eventBytes: 1048576,
        defaultMaxOutputTokens: 16384,
        throttleMs: 0,
      },
      budgets: { refusalStatus: 429, unpriced: 'refuse' },
      alerts: { webhook: undefined },
      metrics: { by: [] },
      durability: 'process',
      egress: { allow: [] },
      retention: { requestsDays: undefined },
      discoverEnv: true,
    })
    expect(config('{}')).toEqual(empty)
    expect(config('# nothing yet\n')).toEqual(empty)
    expect(config('providers:\naliases:\ntimeouts:\ndiscover_env:\n')).toEqual(empty)
  })

  test('the example of the contract, with every provider member', () => {
    const loaded = config(
      `
providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:9101/v1
    credentials:
      - { name: main, secret: env://ALPHA_KEY, weight: 1 }
      - { name: spare, secret: file:///run/secrets/alpha }
    models:
      house-model: { upstream: house-model-v2, input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, cache_read_usd_per_mtok: 0.1, context_tokens: 128000, max_output_tokens: 8192 }
      bare-model:
    headers: { X-Team: search }
    on_disconnect: drain
    timeouts: { first_token_ms: 20000 }
hosts:
  inhouse:
    base_url: https://models.example.com/v1
    auth: api-key
    env: [INHOUSE_KEY]
    quirks: { max_tokens_field: max_tokens, drops: [store], stream_options: false }
aliases:
  fast: { models: [house-model, gpt-5], strategy: latency }
budgets: { refusal_status: 402 }
egress: { allow: ["127.0.0.1:9101"] }
`,
      { ALPHA_KEY: 'x' },
    )
    expect(loaded.providers.alpha).toEqual({
      kind: 'openai',
      baseUrl: 'http://127.0.0.1:9101/v1',
      credentials: [
        { name: 'main', secret: 'env://ALPHA_KEY', weight: 1 },
        { name: 'spare', secret: 'file:///run/secrets/alpha', weight: 1 },
      ],
      models: {
        'house-model': {
          upstream: 'house-model-v2',
          inputUsdPerMtok: 1,
          outputUsdPerMtok: 2,
          cacheReadUsdPerMtok: 0.1,
          cacheWriteUsdPerMtok: undefined,
          contextTokens: 128000,
          maxOutputTokens: 8192,
        },
        'bare-model': {
          upstream: 'bare-model',
          inputUsdPerMtok: undefined,
          outputUsdPerMtok: undefined,
          cacheReadUsdPerMtok: undefined,
          cacheWriteUsdPerMtok: undefined,
          contextTokens: undefined,
          maxOutputTokens: undefined,
        },
      },
      options: {},
      headers: { 'X-Team': 'search' },
      onDisconnect: 'drain',
      timeouts: { firstTokenMs: 20000 },
    })
    expect(loaded.hosts.inhouse).toEqual({
      baseUrl: 'https://models.example.com/v1',
      auth: 'api-key',
      env: ['INHOUSE_KEY'],
      quirks: { maxTokensField: 'max_tokens', drops: ['store'], streamOptions: false },
      source: 'config',
    })
    expect(loaded.aliases).toEqual({ fast: { models: ['house-model', 'gpt-5'], strategy: 'latency' } })
    expect(loaded.budgets.refusalStatus).toBe(402)
  })

  test('a provider named as a kind needs nothing more, and a host of the file is a kind', () => {
    expect(config('providers: { groq: }').providers.groq?.kind).toBe('groq')
    expect(
      config('hosts: { mine: { base_url: "https://m.example.com/v1" } }\nproviders: { mine: {} }').providers
        .mine?.kind,
    ).toBe('mine')
  })
})

const LOCAL = 'egress: { allow: ["127.0.0.1:9101"] }\n'

describe('what a mistake says', () => {
  test.each([
    // names of keys and values
    ['provider: {}', 'provider: unknown key, did you mean "providers"? (line 1)'],
    [
      'providers:\n  groq:\n    timeouts:\n      first_tokn_ms: 1',
      'providers.groq.timeouts.first_tokn_ms: unknown key, did you mean "first_token_ms"? (line 4)',
    ],
    ['retries:\n  zzzzzzzz: 1', 'retries.zzzzzzzz: unknown key; known here: attempts (line 2)'],
    ['providers:\n  groc: {}', 'providers.groc: no kind is called "groc", did you mean "groq"? (line 2)'],
    [
      'providers:\n  a:\n    kind: opena',
      'providers.a.kind: unknown kind "opena", did you mean "openai"? (line 3)',
    ],
    ['providers:\n  google: {}', 'providers.google: unknown kind "google", did you mean "gemini"? (line 2)'],
    [
      'providers:\n  b: { kind: bedrock }',
      'providers.b.options: this kind needs the option "region", or the variable AWS_REGION or AWS_DEFAULT_REGION (line 2)',
    ],
    ['providers:\n  oci: {}', 'providers.oci: the kind oci is not supported yet (line 2)'],
    [
      'providers:\n  azure: {}',
      'providers.azure.options: this kind needs the option "account" (the name of the resource) or "endpoint" (its address) (line 2)',
    ],
    [
      'providers:\n  vertex: { options: { location: 4%, project: p } }',
      'providers.vertex.options.location: an option has letters, digits, ".", "_" and "-" (line 2)',
    ],
    [
      'providers:\n  vertex: { options: { location: Europe.West, project: p } }',
      'providers.vertex.options: the option "location" must be a region as in "europe-west4", "us", "eu" or "global" (line 2)',
    ],
    [
      'providers:\n  my-own-thing: {}',
      'providers.my-own-thing: no kind is called "my-own-thing": say which wire it speaks, as in `kind: openai` (line 2)',
    ],
    [
      'providers:\n  demo: { kind: groq }',
      'providers.demo: demo is the built-in provider; choose another name (line 2)',
    ],
    [
      'providers:\n  "a@b": { kind: groq }',
      'providers.a@b: a name has letters, digits, ".", "_" and "-", at most 64, and starts with a letter or digit (line 2)',
    ],
    [
      'hosts:\n  groq: { base_url: "https://x.example.com/v1" }',
      'hosts.groq: there is a built-in kind of this name; choose another (line 2)',
    ],
    // types and ranges
    ['providers: []', 'providers: expected map, received list (line 1)'],
    ['retries:\n  attempts: many', 'retries.attempts: expected number, received string (line 2)'],
    ['retries:\n  attempts: 0', 'retries.attempts: must be at least 1 (line 2)'],
    ['[1, 2]', 'file: the file must be a map of settings, as in `providers: …`'],
    // duplicates and YAML itself
    ['retries: {}\nretries: {}', 'file: the key "retries" stands twice (line 2)'],
    ['providers:\n  a: { kind: groq }\n  a: { kind: xai }', 'file: the key "a" stands twice (line 3)'],
    ['providers:\n\tgroq: {}', 'file: not YAML: a tab is used for indentation, use spaces (line 2)'],
    ['a: {}\n---\nb: {}', 'file: not YAML: more than one document (---) (line 2)'],
    ['providers: !mine {}', 'file: not YAML: unknown tag (!name) (line 1)'],
    ['providers: *nothing', 'file: not YAML: unresolved or too many aliases (&name, *name)'],
    ['__proto__:\n  routing: {}', '__proto__: this key is not allowed (line 1)'],
    ['providers:\n  constructor: { kind: groq }', 'providers.constructor: this key is not allowed (line 2)'],
    // addresses
    [
      `${LOCAL}providers:\n  a: { kind: openai, base_url: "127.0.0.1:9101/v1" }`,
      'providers.a.base_url: not a URL; write https://host/v1 (line 3)',
    ],
    [
      'providers:\n  a: { kind: openai, base_url: "ftp://x.example.com/v1" }',
      'providers.a.base_url: not a URL; write https://host/v1 (line 2)',
    ],
    [
      'providers:\n  a: { kind: openai, base_url: "https://user:hunter2@x.example.com/v1" }',
      'providers.a.base_url: must not carry a user or password: secrets belong under credentials (line 2)',
    ],
    [
      'providers:\n  a: { kind: openai, base_url: "https://x.example.com/v1?key=hunter2" }',
      'providers.a.base_url: must not have a query or fragment (line 2)',
    ],
    [
      'providers:\n  a: { kind: openai, base_url: "https://x.example.com/v1/chat/completions" }',
      'providers.a.base_url: ends with the name of a route: stop at the version segment, as in https://api.openai.com/v1 (line 2)',
    ],
    [
      'providers:\n  a: { kind: openai, base_url: "http://models.example.com/v1" }',
      'providers.a.base_url: models.example.com:80 is plain http; add "models.example.com:80" to egress.allow in the config file if this is meant (line 2)',
    ],
    [
      'providers:\n  a: { kind: openai, base_url: "http://127.0.0.1:9101/v1" }',
      'providers.a.base_url: 127.0.0.1:9101 is plain http; add "127.0.0.1:9101" to egress.allow in the config file if this is meant (line 2)',
    ],
    [
      `${LOCAL}providers:\n  a: { kind: openai, base_url: "http://127.0.0.1:9102/v1" }`,
      'providers.a.base_url: 127.0.0.1:9102 is plain http; add "127.0.0.1:9102" to egress.allow in the config file if this is meant (line 3)',
    ],
    [
      'egress:\n  allow:\n    - 10.0.0.0/8',
      'egress.allow[0]: not host:port; write for example "127.0.0.1:11434" or "[::1]:8080" (line 3)',
    ],
    [
      'egress:\n  allow: ["*:80"]',
      'egress.allow[0]: patterns are not supported: list each address; write for example "127.0.0.1:11434" or "[::1]:8080" (line 2)',
    ],
    [
      'providers:\n  a: { kind: openai, base_url: "http://[::1]:9101/v1" }',
      'providers.a.base_url: [::1]:9101 is plain http; add "[::1]:9101" to egress.allow in the config file if this is meant (line 2)',
    ],
    // a bound is broken once
    ['limits:\n  body_bytes: 1.0e+99', 'limits.body_bytes: must be at most 104857600 (line 2)'],
    ['limits:\n  body_bytes: -1.0e+99', 'limits.body_bytes: must be at least 1024 (line 2)'],
    // what would round to nothing
    [
      'providers:\n  groq:\n    models:\n      mine: { input_usd_per_mtok: 1.0e-7, output_usd_per_mtok: 0 }',
      'providers.groq.models.mine.input_usd_per_mtok: must be 0 (free) or at least 0.000001: less would round to nothing (line 4)',
    ],
    // credentials
    [
      'providers:\n  groq:\n    credentials:\n      - { name: a, secret: "vault://kv/groq" }',
      'providers.groq.credentials[0].secret: vault:// references are not supported yet: use env:// or file:// (line 4)',
    ],
    [
      'providers:\n  groq:\n    credentials:\n      - { name: a, secret: "env://GROQ_ONE" }',
      'providers.groq.credentials[0].secret: the environment variable GROQ_ONE is not set (line 4)',
    ],
    [
      'providers:\n  groq:\n    credentials:\n      - { name: a, secret: "file://relative" }',
      'providers.groq.credentials[0].secret: file:// takes an absolute path, as in file:///run/secrets/openai (line 4)',
    ],
    [
      'providers:\n  groq:\n    credentials:\n      - { name: a, secret: "env://SWITCHGATE_MASTER_KEY" }',
      "providers.groq.credentials[0].secret: env:// takes the name of a variable that is not Switchgate's own, as in env://OPENAI_API_KEY (line 4)",
    ],
    [
      'providers:\n  groq:\n    credentials:\n      - { name: a, secret: "file:///a" }\n      - { name: a, secret: "file:///b" }',
      'providers.groq.credentials[1].name: "a" stands twice (line 5)',
    ],
    [
      'providers:\n  groq:\n    headers:\n      Authorization: Bearer x',
      'providers.groq.headers.Authorization: this header is set by Switchgate; secrets belong under credentials (line 4)',
    ],
    ['routing:\n  hedge: { share: 0.6 }', 'routing.hedge.share: must be at most 0.5 (line 2)'],
    // members that are planned are refused, not ignored
    [
      'routing:\n  strategy: round_robin',
      'routing.strategy: there is no strategy "round_robin": use balanced, price, latency, throughput, weighted or priority (line 2)',
    ],
    [
      'providers:\n  groq:\n    options: { region: eu }',
      'providers.groq.options.region: this kind takes no options (line 3)',
    ],
    ['budgets:\n  refusal_status: 418', 'budgets.refusal_status: expected one of 429|402 (line 2)'],
    // models and aliases
    [
      'providers:\n  groq:\n    models:\n      mine: { input_usd_per_mtok: 1 }',
      'providers.groq.models.mine: output_usd_per_mtok is missing: a price needs both (0 = free) (line 4)',
    ],
    [
      'providers:\n  groq:\n    models:\n      mine: { cache_read_usd_per_mtok: 1 }',
      'providers.groq.models.mine: a cache price needs input_usd_per_mtok and output_usd_per_mtok beside it (line 4)',
    ],
    [
      'providers:\n  groq:\n    models:\n      "mine:floor":',
      'providers.groq.models.mine:floor: a model id must not end with ":floor" or ":nitro" (line 4)',
    ],
    [
      'aliases:\n  fast:\n    models:\n      - gpt-5\n      - gtp-5',
      'aliases.fast.models[1]: unknown model "gtp-5", did you mean "gpt-5"? (line 5)',
    ],
    [
      'aliases:\n  a: { models: [gpt-5] }\n  b: { models: [a] }',
      'aliases.b.models[0]: "a" is an alias itself: list its models (line 3)',
    ],
    ['aliases:\n  a: { models: [gpt-5, gpt-5] }', 'aliases.a.models[1]: "gpt-5" stands twice (line 2)'],
    ['aliases:\n  a: { models: [] }', 'aliases.a.models: must be at least 1 in the list (line 2)'],
  ])('%j', (text, fault) => {
    expect(faults(text)).toEqual([fault])
  })

  test('all faults of a file are told at once, each with its line', () => {
    const told = faults('providers:\n  groq: { kinds: 1 }\nretries: { attempts: 99 }\nnope: 1\n')
    expect(told).toHaveLength(3)
    expect(told.map(fault => /\(line (\d)\)$/.exec(fault)?.[1]).sort()).toEqual(['2', '3', '4'])
  })

  test.each([
    'sk-live-hunter2hunter2',
    'env://sk-live-hunter2hunter2',
    'env://gsk_hunter2hunter2',
    'https://user:hunter2hunter2@example.com',
    'vault:hunter2hunter2',
  ])('a literal secret is refused and never repeated: %s', secret => {
    const told = faults(`providers:\n  groq:\n    credentials:\n      - { name: a, secret: "${secret}" }`)
    expect(told).toHaveLength(1)
    expect(told[0]).toMatch(/^providers\.groq\.credentials\[0\]\.secret: .+ \(line 4\)$/)
    expect(told.join()).not.toContain('hunter2')
  })

  test('a broken file does not quote its lines either', () => {
    for (const text of [
      'a: {secret: "sk-hunter2\n',
      'secret: sk-hunter2: sk-hunter2',
      'providers:\n  - sk-hunter2\n wrong: x',
      '"sk-hunter2": &a [*a, *a]',
      'providers: { groq: { credentials: sk-hunter2 } }',
      'providers: { groq: { credentials: [sk-hunter2] } }',
      'providers: { groq: { headers: { x: "sk-hunter2\\nx" } } }',
    ]) {
      const told = faults(text)
      expect(told.length, text).toBeGreaterThan(0)
      if (!text.startsWith('"sk')) expect(told.join(), text).not.toContain('hunter2')
    }
  })

  test('deep nesting is a fault, not a crash', () => {
    expect(faults(`a: ${'['.repeat(100_000)}`).length).toBeGreaterThan(0)
    expect(faults(`a: ${'['.repeat(100_000)}`).length).toBeLessThanOrEqual(10)
    expect(faults(`a: ${'['.repeat(500)}${']'.repeat(500)}`).join()).toContain('nested too deeply')
    expect(faults('a: &a\n  b: *a').join()).toContain('nested too deeply')
    expect(faults(`${'x'.repeat(2_000_000)}`)).toEqual(['file: larger than 1 MiB'])
  })

  test('an alias bomb ends as a fault, quickly', () => {
    const rows = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let i = 1; i < 9; i++)
      rows.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      )
    expect(faults(rows.join('\n'))).toEqual(['file: not YAML: unresolved or too many aliases (&name, *name)'])
  })
})

test('a fault of one kind hides none of another, and what was taken out for one makes no echo', () => {
  const text = `routing: { strategy: fastest }
limits: { body_bytes: 5 }
aliases: { a: { models: [nope] } }
providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:9/v1
    credentials: [{ name: m, secret: sk-literal }]
    models: { x: { input_usd_per_mtok: 1 } }
  beta: { kind: opnai, base_url: https://x.example/v1, timeouts: { idle_ms: never } }
  gamma: { kind: opnai, base_url: https://x.example/v1 }
`
  expect(faults(text).map(fault => fault.replace(/: .*/, ''))).toEqual([
    'providers.alpha.credentials[0].secret',
    'providers.beta.timeouts.idle_ms',
    'routing.strategy',
    'limits.body_bytes',
    'providers.alpha.models.x',
    'providers.alpha.base_url',
    'providers.beta.kind',
    'providers.gamma.kind',
    'aliases.a.models[0]',
  ])
})

describe('a kind that nobody has is told beside every other fault of its provider', () => {
  const kind = 'providers.oa.kind: unknown kind "opneai", did you mean "openai"? (line 3)'
  test.each([
    ['credentials: [{ name: a, secret: sk-literal }]', 'credentials[0].secret'],
    ['credentials: [{ name: a }]', 'credentials[0].secret'],
    ['credentials: sk-literal', 'credentials'],
    ['base_ulr: x', 'base_ulr'],
    ['on_disconnect: never', 'on_disconnect'],
    ['weight: -1', 'weight'],
    ['models: { x: { context_tokens: -1 } }', 'models.x.context_tokens'],
    ['options: { region: 5 }', 'options.region'],
    ['base_url: "ftp://x.example.com"', undefined],
  ])('%s', (more, place) => {
    const told = faults(`providers:\n  oa:\n    kind: opneai\n    ${more}`)
    expect(told).toContain(kind)
    const others = told.filter(fault => fault !== kind).map(fault => fault.replace(/: .*/, ''))
    expect(others).toEqual(place === undefined ? [] : [`providers.oa.${place}`])
    expect(told.join()).not.toContain('sk-literal')
  })

  test('all of them together, and where the name is the kind', () => {
    const more = 'base_ulr: x\n    credentials: [{ name: a, secret: sk-literal }]'
    const places = (text: string) => faults(text).map(fault => fault.replace(/: .*/, ''))
    expect(places(`providers:\n  oa:\n    kind: opneai\n    ${more}`).sort()).toEqual([
      'providers.oa.base_ulr',
      'providers.oa.credentials[0].secret',
      'providers.oa.kind',
    ])
    expect(faults(`providers:\n  opneai:\n    ${more}`)).toContain(
      'providers.opneai: no kind is called "opneai", did you mean "openai"? (line 2)',
    )
  })

  test('an address, a reference and a bad name beside them too', () => {
    const text = `providers:
  oa:
    kind: openai
    base_url: ftp://x.example.com/v1
    on_disconnect: never
    credentials: [{ name: a, secret: env://UNSET_KEY, weight: -1 }, { name: b, secret: env://UNSET_TOO }]
  "a@b": { kind: groq }
  other: { kind: opneai }
`
    expect(
      faults(text)
        .map(fault => fault.replace(/: .*/, ''))
        .sort(),
    ).toEqual([
      'providers.a@b',
      'providers.oa.base_url',
      'providers.oa.credentials[0].secret',
      'providers.oa.credentials[0].weight',
      'providers.oa.credentials[1].secret',
      'providers.oa.on_disconnect',
      'providers.other.kind',
    ])
  })

  test.each([
    ['kind: 5', 'providers.oa.kind'],
    ['kind: mine', 'hosts.mine.base_url', 'hosts: { mine: { env: [MINE_KEY] } }'],
    ['kind: mine', 'hosts.mine.auth', 'hosts: { mine: { base_url: https://x.example/v1, auth: 5 } }'],
    ['kind: openai, base_url: http://127.0.0.1:9/v1', 'egress.allow[0]', 'egress: { allow: [5] }'],
    ['kind: openai, base_url: 5, options: { region: x }', 'providers.oa.base_url'],
  ])('but what was taken out for a fault of its own makes no echo: %s', (more, place, rest = '') => {
    const told = faults(`providers:\n  oa: { ${more} }\n${rest}`)
    expect(told.map(fault => fault.replace(/: .*/, ''))).toEqual([place])
  })
})
