/** The Worker as it is deployed: with little or nothing set up, under wrangler itself, and what its bundle holds. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHAT } from '../gateway/harness.ts'
import {
  ADMIN_TOKEN,
  type Bundle,
  buildBundle,
  json,
  MASTER_KEY,
  PROVIDER_SECRET,
  readinessUnderWrangler,
  SECRETS,
  startWorker,
} from './worker-gateway.ts'

const SLOW = 60_000

let bundle: Bundle
beforeAll(async () => {
  bundle = await buildBundle()
})
afterAll(() => bundle?.remove())

describe('without a configuration', () => {
  const chat = (origin: string, bearer: string, stream: boolean) =>
    fetch(`${origin}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...CHAT, model: 'demo/echo', stream }),
    })

  test('the demo model answers, streams too', async () => {
    const bare = await startWorker(bundle, SECRETS)
    try {
      const made = await json(bare.admin('POST', '/keys', { name: 'first' }))
      const whole = await chat(bare.url, made.key, false)
      expect(whole.status).toBe(200)
      expect(await whole.text()).toContain('demo')
      const streamed = await (await chat(bare.url, made.key, true)).text()
      expect(streamed.split('data: ').length).toBeGreaterThan(3)
      expect(streamed.endsWith('data: [DONE]\n\n')).toBe(true)
    } finally {
      await bare.close()
    }
  })

  test('a provider’s variable makes it a provider', async () => {
    const bare = await startWorker(bundle, { ...SECRETS, OPENAI_API_KEY: PROVIDER_SECRET })
    try {
      const made = await json(bare.admin('POST', '/keys', { name: 'first' }))
      const models = await fetch(`${bare.url}/v1/models`, {
        headers: { authorization: `Bearer ${made.key}` },
      })
      expect(await models.text()).toContain('gpt-5')
      expect(bare.logs.join('\n')).not.toContain(PROVIDER_SECRET)
    } finally {
      await bare.close()
    }
  })
})

describe('set-up faults are told, never worked around', () => {
  test.each([
    ['no master key', { SWITCHGATE_ADMIN_TOKEN: ADMIN_TOKEN }, 'SWITCHGATE_MASTER_KEY'],
    ['no admin token', { SWITCHGATE_MASTER_KEY: MASTER_KEY }, 'SWITCHGATE_ADMIN_TOKEN'],
    ['a short admin token', { ...SECRETS, SWITCHGATE_ADMIN_TOKEN: 'short' }, 'has 5 characters'],
    ['a faulty configuration', { ...SECRETS, SWITCHGATE_CONFIG: 'provders: {}' }, 'SWITCHGATE_CONFIG'],
  ])(
    '%s',
    async (_, secrets, words) => {
      const broken = await startWorker(bundle, secrets)
      try {
        const response = await fetch(`${broken.url}/v1/models`)
        expect(response.status).toBe(503)
        const { error } = await json(response)
        expect(error).toMatchObject({ code: 'not_set_up' })
        expect(error.message).toContain(words)
      } finally {
        await broken.close()
      }
    },
    SLOW,
  )

  test('a database without its migrations', async () => {
    const bare = await startWorker(bundle, SECRETS, false)
    try {
      const response = await fetch(`${bare.url}/readyz`)
      expect(response.status).toBe(503)
      expect((await json(response)).error.message).toContain('wrangler d1 migrations apply')
    } finally {
      await bare.close()
    }
  })
})

test(
  'wrangler runs it from wrangler.toml and applies its migrations',
  async () => {
    expect(await readinessUnderWrangler(bundle)).toEqual([503, 200])
  },
  SLOW,
)

describe('the bundle', () => {
  /** Minified. The catalogue is about 150 KB of it; Workers take 3 MB compressed on the free plan. */
  const BYTES_MAX = 1_850_000
  const GZIP_BYTES_MAX = 530_000

  test('stays within its byte budget', () => {
    const code = readFileSync(join(bundle.folder, 'index.js'))
    expect(code.length).toBeLessThan(BYTES_MAX)
    expect(gzipSync(code).length).toBeLessThan(GZIP_BYTES_MAX)
  })

  test('holds nothing that is only for Node', () => {
    const { sources } = JSON.parse(readFileSync(join(bundle.folder, 'index.js.map'), 'utf8')) as {
      sources: string[]
    }
    const from = (part: string) => sources.filter(path => path.includes(part))
    expect(from('src/runtime/worker/').length).toBeGreaterThan(5)
    for (const name of ['better-sqlite3', 'undici', 'node-server', '/openai/', '@anthropic-ai', '@google'])
      expect(from(`node_modules/${name.replace(/^\//, '')}`), name).toEqual([])
    expect(from('src/runtime/node/').map(path => path.split('/').at(-1))).toEqual(['digest.ts'])
  })
})
