/** Providers that the environment adds, and when it must not. */
import { describe, expect, test } from 'vitest'
import { KINDS } from '../../providers/index.ts'
import { configFrom } from '../route/world.ts'

const credentials = (text: string, env: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(configFrom(text, env).providers).map(([name, provider]) => [
      name,
      provider.credentials.map(credential => credential.secret),
    ]),
  )

describe('discover', () => {
  test('every kind with a variable is found by its first one, under its own name', () => {
    for (const { kind, host } of KINDS.values()) {
      const [variable] = host.env
      if (variable === undefined || host.baseUrl.includes('{')) continue
      expect(credentials('', { [variable]: 'x' })[kind], kind).toEqual([`env://${variable}`])
    }
  })

  test('the first variable that is set wins; an empty one is not set', () => {
    expect(credentials('', { GOOGLE_API_KEY: 'b', GEMINI_API_KEY: 'a' })).toEqual({
      gemini: ['env://GEMINI_API_KEY'],
    })
    expect(credentials('', { GOOGLE_API_KEY: 'b', GEMINI_API_KEY: ' ' })).toEqual({
      gemini: ['env://GOOGLE_API_KEY'],
    })
    expect(credentials('', { OPENAI_API_KEY: '' })).toEqual({})
  })

  test('discover_env: false adds nothing, and gives nothing to entries of the file', () => {
    const env = { OPENAI_API_KEY: 'x' }
    expect(credentials('discover_env: false', env)).toEqual({})
    expect(credentials('discover_env: false\nproviders: { openai: }', env)).toEqual({ openai: [] })
  })

  test('an entry of the same name replaces the discovered one', () => {
    const env = { OPENAI_API_KEY: 'x', TEAM_KEY: 'y' }
    expect(
      credentials('providers: { openai: { credentials: [{ name: team, secret: env://TEAM_KEY }] } }', env),
    ).toEqual({ openai: ['env://TEAM_KEY'] })
  })

  test("an entry without credentials uses its kind's variable", () => {
    expect(credentials('providers: { openai: { on_disconnect: drain } }', { OPENAI_API_KEY: 'x' })).toEqual({
      openai: ['env://OPENAI_API_KEY'],
    })
  })

  test('an own base URL never gets a key from the environment', () => {
    const env = { OPENAI_API_KEY: 'x' }
    const own = 'providers: { openai: { base_url: "https://models.example.com/v1" } }'
    expect(credentials(own, env)).toEqual({ openai: [] })
  })

  test('Azure is found by a key or an identity, but only where its address is known', () => {
    const azure = { AZURE_OPENAI_API_KEY: 'x' }
    expect(credentials('', azure)).toEqual({})
    const places: Record<string, string>[] = [
      { AZURE_OPENAI_ENDPOINT: 'https://mine.openai.azure.com/' },
      { AZURE_API_BASE: 'https://mine.cognitiveservices.azure.com' },
      { AZURE_RESOURCE_NAME: 'mine' },
    ]
    for (const more of places)
      expect(credentials('', { ...azure, ...more })).toEqual({ azure: ['env://AZURE_OPENAI_API_KEY'] })
    const endpoint = { AZURE_OPENAI_ENDPOINT: 'https://mine.openai.azure.com/' }
    expect(credentials('', endpoint)).toEqual({})
    for (const name of ['AZURE_CLIENT_SECRET', 'AZURE_FEDERATED_TOKEN_FILE', 'IDENTITY_ENDPOINT'])
      expect(credentials('', { ...endpoint, [name]: 'y' })).toEqual({ azure: ['azure://default'] })
    expect(credentials('', { ...endpoint, AZURE_API_KEY: 'x', AZURE_CLIENT_SECRET: 'y' })).toEqual({
      azure: ['env://AZURE_API_KEY'],
    })
  })

  test('Vertex is found by a key, or by default credentials and a project', () => {
    expect(credentials('', { GOOGLE_VERTEX_API_KEY: 'x' })).toEqual({
      vertex: ['env://GOOGLE_VERTEX_API_KEY'],
    })
    // the variable alone is often meant for other programs
    expect(credentials('', { GOOGLE_APPLICATION_CREDENTIALS: '/key.json' })).toEqual({})
    const env = { GOOGLE_APPLICATION_CREDENTIALS: '/key.json', GOOGLE_CLOUD_PROJECT: 'p' }
    expect(credentials('', env)).toEqual({ vertex: ['gcp://default'] })
    const file = 'providers: { vertex: { options: { project: p } } }'
    expect(credentials(file, { GOOGLE_APPLICATION_CREDENTIALS: '/key.json' })).toEqual({
      vertex: ['gcp://default'],
    })
  })

  test('a host of the file is discovered by its variables', () => {
    const text = 'hosts: { mine: { base_url: "https://m.example.com/v1", env: [MINE_KEY] } }'
    expect(credentials(text, { MINE_KEY: 'x' })).toEqual({ mine: ['env://MINE_KEY'] })
  })
})
