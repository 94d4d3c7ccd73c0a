/** `switchgate key create|change` with routes, origins and hours, over a folder in which no gateway runs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { run } from '../../src/cli/run.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgate-cli-use-'))
const env = { SWITCHGATE_DATA: join(folder, 'data'), SWITCHGATE_DISCOVER_LOCAL: 'false' }
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function say(args: readonly string[]) {
  const said = { out: '', err: '' }
  const code = await run(args, {
    env,
    out: text => {
      said.out += text
    },
    err: text => {
      said.err += text
    },
    readStdin: async () => undefined,
  })
  return { code, ...said }
}

test('routes, origins and hours are set, shown, changed, emptied and taken away', async () => {
  const hours = 'mon-fri 08:00-18:00, sat 10:00-14:00@Europe/Berlin'
  const set = ['--scopes', 'chat,models', '--origins', 'https://app.example.com', '--hours', hours]
  const made = await say(['key', 'create', '--name', 'page', ...set])
  expect(made.code, made.err).toBe(0)
  const id = made.out.split('_')[2] ?? ''
  const wire = async () => JSON.parse((await say(['key', 'show', id, '--json'])).out)
  expect(await wire()).toMatchObject({
    scopes: ['chat', 'models'],
    origin_allow: ['https://app.example.com'],
    hours: {
      zone: 'Europe/Berlin',
      allow: [
        { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '18:00' },
        { days: ['sat'], from: '10:00', to: '14:00' },
      ],
    },
  })
  const shown = (await say(['key', 'show', id])).out
  expect(shown).toMatch(/^scopes +chat, models$/m)
  expect(shown).toMatch(/^origins +https:\/\/app\.example\.com$/m)
  expect(shown).toContain(`${'hours'.padEnd(14)}${hours}`)
  await say(['key', 'change', id, '--scopes', 'none', '--origins', 'none', '--hours', 'never'])
  expect(await wire()).toMatchObject({ scopes: [], origin_allow: [], hours: { allow: [] } })
  expect((await say(['key', 'show', id])).out).toMatch(/^hours +never$/m)
  const cleared = await say(['key', 'change', id, '--scopes', 'all', '--origins', 'any', '--hours', 'always'])
  expect(cleared.out).toMatch(/^scopes +all\nip allow +any\norigins +any\nhours +always$/m)
  expect(await wire()).toMatchObject({ scopes: null, origin_allow: null, hours: null, name: 'page' })
})

test('what cannot be meant is refused with the cure', async () => {
  const bad = await say(['key', 'create', '--hours', 'office'])
  expect(bad).toMatchObject({ code: 64, out: '' })
  expect(bad.err).toContain('mon-fri 08:00-18:00; or always, or never')
  const scope = await say(['key', 'create', '--scopes', 'chats'])
  expect(scope).toMatchObject({ code: 1, out: '' })
  expect(scope.err).toMatch(/`scopes\[0\]`: must be one of chat, completions/)
  expect((await say(['key', 'create', '--origins', 'app.example.com'])).err).toMatch(/must be an origin/)
})
