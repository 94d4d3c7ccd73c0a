/** `switchgate config diff` against a gateway that runs, and against a folder in which none does. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { say } from './say.ts'

const TOKEN = 'config-diff-admin-token-0123456789abcdef'
const folder = mkdtempSync(join(tmpdir(), 'switchgate-diff-'))
const file = join(folder, 'next.yaml')
let upstream: ScriptedUpstream
let gateway: TestGateway
let config: string

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  config = configFor({ alpha: upstream.port })
  gateway = await startGateway({
    config,
    env: { SWITCHGATE_ADMIN_TOKEN: TOKEN, GROQ_API_KEY: 'gsk_environment-canary' },
  })
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

async function diff(text: string, more: readonly string[] = []) {
  writeFileSync(file, text)
  return say(['config', 'diff', file, '--url', gateway.url, '--token', TOKEN, ...more])
}

describe('against a gateway that runs', () => {
  test('the file that it runs with: nothing, exit 0', async () => {
    expect(await diff(config)).toEqual({ code: 0, out: `${file}: nothing would change\n`, err: '' })
    const json = await diff(`${config}\nretries: { attempts: 3 }\n`, ['--json'])
    expect(json.code).toBe(0)
    expect(JSON.parse(json.out)).toMatchObject({ ok: true, same: true, settings: [], offers: [] })
  })

  test('prices, models, aliases, limits and providers, exit 1; nothing is loaded', async () => {
    const text = `${config
      .replace('output_usd_per_mtok: 2.0', 'output_usd_per_mtok: 3.0')
      .replace(
        '      house-model:',
        '      new-model: { input_usd_per_mtok: 0.5, output_usd_per_mtok: 0.5 }\n      house-model:',
      )}
aliases: { fast: { models: [house-model] } }
limits: { body_bytes: 2097152 }
discover_env: false
`
    const said = await diff(text)
    expect(said).toMatchObject({ code: 1, err: '' })
    expect(said.out.split('\n')).toEqual(
      expect.arrayContaining([
        '+ aliases.fast',
        '~ discover_env: true → false',
        '~ limits.body_bytes: 10485760 → 2097152',
        '+ providers.alpha.models.new-model',
        '~ providers.alpha.models.house-model.output_usd_per_mtok: 2 → 3',
        '- provider groq',
        '+ new-model@alpha  $0.5 / $0.5',
        '~ house-model@alpha  $1 / $2 → $1 / $3',
      ]),
    )
    const { offers, providers } = JSON.parse((await diff(text, ['--json'])).out)
    expect(providers).toEqual({ added: [], removed: ['groq'] })
    const gone = offers.filter((offer: { provider: string }) => offer.provider === 'groq')
    expect(gone.length).toBeGreaterThan(3)
    expect(
      gone.every((offer: { kind: string; to: unknown }) => offer.kind === 'removed' && offer.to === null),
    ).toBe(true)

    const key = await gateway.key()
    const asked = (model: string) => gateway.post(key, { ...CHAT, model }).then(answer => answer.status)
    expect([await asked('house-model'), await asked('fast'), await asked('new-model')]).toEqual([
      200, 404, 404,
    ])
    expect((await diff(config)).code).toBe(0)
  })

  test('a wrong file: 78, with every fault and its line, and none of its values', async () => {
    const said = await diff(`${config}retries: { attempt: 2 }\nlimits: { body_bytes: sk-canary }\n`)
    expect(said).toMatchObject({ code: 78, out: '' })
    expect(said.err).toMatch(/would not be loaded:\n.*retries\.attempt: unknown key.*\(line \d+\)/)
    expect(said.err).toContain('limits.body_bytes')
    expect(said.err).not.toContain('canary')
    const json = await diff('providers: [', ['--json'])
    expect(json.code).toBe(78)
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, same: false, faults: [{ path: '' }] })
  })

  test('a credential that this gateway could not read is told, a secret never', async () => {
    const text = config.replace(
      '    models:',
      '    credentials: [{ name: main, secret: file:///not/there }]\n    headers: { x-team: header-canary }\n    models:',
    )
    const said = await diff(text)
    expect(said.code).toBe(1)
    expect(said.err).toMatch(/credential alpha\/main could not be used: .*\/not\/there/)
    expect(said.out).toContain('+ providers.alpha.headers.x-team\n')
    // nobody to ask without a credential
    expect(said.out).toContain('- house-model@alpha')
    const json = await diff(text, ['--json'])
    for (const canary of ['header-canary', 'environment-canary'])
      expect(json.out + said.out).not.toContain(canary)
    expect(gateway.logs.join('')).not.toContain('canary')
  })
})

describe('in a folder where no gateway runs', () => {
  test('the file named is held against the one that would be read', async () => {
    const config = join(folder, 'switchgate.yaml')
    writeFileSync(config, 'retries: { attempts: 2 }\n')
    writeFileSync(file, 'retries: { attempts: 4 }\n')
    const env = {
      SWITCHGATE_DATA: join(folder, 'data'),
      SWITCHGATE_CONFIG: config,
      SWITCHGATE_DISCOVER_LOCAL: 'false',
    }
    const nothing = await say(['config', 'diff', file], env)
    expect(nothing).toMatchObject({ code: 69, out: '' })
    expect(existsSync(env.SWITCHGATE_DATA)).toBe(false)
    expect((await say('key create --name any', env)).code).toBe(0)
    expect(await say(['config', 'diff', file], env)).toEqual({
      code: 1,
      out: '~ retries.attempts: 2 → 4\n',
      err: '',
    })
    expect((await say('config diff', env)).code).toBe(0)
    expect(await say(['config', 'diff', join(folder, 'nowhere.yaml')], env)).toMatchObject({
      code: 64,
      out: '',
    })
  })
})
