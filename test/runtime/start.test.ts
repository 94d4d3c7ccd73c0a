/** What `serve` says when it cannot start: exit code, the variable, and the cure, within seconds. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { CHECKPOINT_MS } from '../../src/audit/log.ts'
import { createRedactor } from '../../src/redact.ts'
import { serve } from '../../src/runtime/node/main.ts'
import { openGateway } from '../../src/runtime/node/open.ts'
import { readSettings } from '../../src/runtime/node/settings.ts'
import { sleep } from '../waiting.ts'
import { makeCertificates } from './certificates.ts'

// Each start listens to the process it believes to be its own.
for (const shared of [process, process.stdout, process.stderr]) shared.setMaxListeners(50)

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'switchgate-start-'))
  writeFileSync(join(root, 'empty.yaml'), '')
  writeFileSync(join(root, 'file'), '')
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(root, { recursive: true, force: true })
})

async function fails(env: Record<string, string>): Promise<{ code: number; said: string }> {
  let said = ''
  vi.spyOn(process.stderr, 'write').mockImplementation(text => {
    said += String(text)
    return true
  })
  const given = { PORT: '0', SWITCHGATE_ADMIN_PORT: '0', LOG_LEVEL: 'error', LOG_FORMAT: 'json', ...env }
  const code = await serve([], {
    SWITCHGATE_CONFIG: join(root, 'empty.yaml'),
    SWITCHGATE_DATA: join(root, 'data'),
    ...given,
  })
  return { code, said }
}

test.each([
  ['HOST', 'nonsense.invalid'],
  ['HOST', '203.0.113.7'],
  ['SWITCHGATE_ADMIN_HOST', '203.0.113.7'],
])('%s=%s is no address of this machine: exit 78, the variable and the cure', async (variable, host) => {
  const { code, said } = await fails({ HOST: '0.0.0.0', [variable]: host })
  expect(said).toMatch(
    new RegExp(`^switchgate: ${variable}: ${host} .*Set ${variable} to an address of this machine`),
  )
  expect(code).toBe(78)
})

test('a switch that is neither on nor off: exit 78, the variable', async () => {
  const { code, said } = await fails({ SWITCHGATE_DISCOVER_LOCAL: 'maybe' })
  expect([code, said]).toEqual([
    78,
    'switchgate: SWITCHGATE_DISCOVER_LOCAL: "maybe" is neither true nor false\n',
  ])
})

test.each(['PORT', 'SWITCHGATE_ADMIN_PORT'])(
  '%s that is taken: exit 69, the port and the variable',
  async variable => {
    const other = createServer()
    await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
    const address = other.address()
    const port = String(typeof address === 'object' ? address?.port : '')
    const { code, said } = await fails({
      HOST: variable === 'PORT' ? '127.0.0.1' : '0.0.0.0',
      [variable]: port,
    })
    expect(said).toContain(
      `port ${port} is already in use. Stop what listens there, or set ${variable} to another one.`,
    )
    expect(code).toBe(69)
    await new Promise(resolve => other.close(resolve))
  },
)

test.each([
  ['a file', () => join(root, 'file')],
  ['below a file', () => join(root, 'file', 'x', 'y')],
  ['/dev/null/x', () => '/dev/null/x'],
  // mkdir with `recursive` never comes back from this one
  ['/proc/x', () => '/proc/x'],
  ['/proc/x/y', () => '/proc/x/y'],
  ['/proc', () => '/proc'],
  ['a name too long', () => join(root, 'x'.repeat(300))],
])('SWITCHGATE_DATA as %s: exit 78, the variable and the cure', async (_name, path) => {
  const { code, said } = await fails({ SWITCHGATE_DATA: path() })
  expect(said).toContain(`switchgate: SWITCHGATE_DATA: ${path()} `)
  expect(said).toContain('Set it to a folder that this user may write to.')
  expect(code).toBe(78)
})

const DESCRIPTORS = '/proc/self/fd'
const openIn = (folder: string) =>
  readdirSync(DESCRIPTORS).flatMap(fd => {
    try {
      const path = readlinkSync(join(DESCRIPTORS, fd))
      return path.startsWith(folder) ? [path] : []
    } catch {
      // the one that lists them is gone by now
      return []
    }
  })

test.skipIf(!existsSync(DESCRIPTORS))(
  'a start that fails leaves nothing open in the data folder: the next one may have it at once',
  async () => {
    const good = { SWITCHGATE_CONFIG: join(root, 'empty.yaml'), SWITCHGATE_DATA: join(root, 'data') }
    const wrong = join(root, 'wrong.yaml')
    writeFileSync(wrong, 'providers: { alpha: { kind: nobody } }\n')
    const log = () => undefined
    const open = (env: Record<string, string>) =>
      openGateway({ settings: readSettings(env), log, redactor: createRedactor() })
    for (let i = 0; i < 3; i++) {
      await expect(open({ ...good, SWITCHGATE_CONFIG: wrong })).rejects.toThrow('providers.alpha.kind')
      expect(openIn(root)).toEqual([])
      const gateway = await open(good)
      expect(openIn(root)).not.toEqual([])
      await gateway.close()
      expect(openIn(root)).toEqual([])
    }
  },
)

test('a start that fails writes no checkpoint into the folder afterwards, which may be somebody else’s', async () => {
  const wrong = join(root, 'wrong.yaml')
  writeFileSync(wrong, 'providers: { alpha: { kind: nobody } }\n')
  const settings = readSettings({ SWITCHGATE_CONFIG: wrong, SWITCHGATE_DATA: join(root, 'data') })
  const opening = openGateway({ settings, log: () => undefined, redactor: createRedactor() })
  await expect(opening).rejects.toThrow('providers.alpha.kind')
  const noted = readFileSync(join(root, 'data/audit.checkpoints'), 'utf8')
  expect(noted).toMatch(/^v1 /)
  await sleep(CHECKPOINT_MS + 200)
  expect(readFileSync(join(root, 'data/audit.checkpoints'), 'utf8')).toBe(noted)
})

test('a file for TLS that is missing, no PEM, or of another certificate: exit 78, the setting and the cure', async () => {
  const at = (name: string) => join(root, name)
  makeCertificates(root)
  const rows = [
    [at('nowhere'), at('leaf.key'), `TLS_CERT_FILE: ${at('nowhere')} cannot be read: it does not exist`],
    [at('leaf.pem'), root, `TLS_KEY_FILE: ${root} cannot be read: it is a folder`],
    [at('file'), at('leaf.key'), `TLS_CERT_FILE: ${at('file')} is no certificate in PEM form`],
    [at('leaf.pem'), at('file'), `TLS_KEY_FILE: ${at('file')} is no private key in PEM form`],
    [at('leaf.pem'), at('ca.key'), `TLS_KEY_FILE: ${at('ca.key')} is not the key of the certificate`],
  ] as const
  for (const [cert, key, words] of rows) {
    const { code, said } = await fails({ TLS_CERT_FILE: cert, TLS_KEY_FILE: key })
    expect([code, said]).toEqual([78, expect.stringContaining(`switchgate: ${words}`)])
    expect(existsSync(join(root, 'data'))).toBe(false)
    vi.restoreAllMocks()
  }
})

test('a folder as the config file: exit 78, the setting and the cure', async () => {
  const { code, said } = await fails({ SWITCHGATE_CONFIG: root })
  expect([code, said]).toEqual([
    78,
    `switchgate: SWITCHGATE_CONFIG: ${root} cannot be read: it is a folder. Set it to a file that this user may read.\n`,
  ])
})

test('a folder called .env is none of ours', () => {
  mkdirSync(join(root, '.env'))
  expect(readSettings({ SWITCHGATE_CONFIG: join(root, 'empty.yaml') }).port).toBe(8484)
})

test('a wrong config file makes nothing: no data folder, and no false alarm at the first real start', async () => {
  const wrong = join(root, 'wrong.yaml')
  writeFileSync(wrong, 'providers: { alpha: { kind: nobody } }\n')
  const { code, said } = await fails({ SWITCHGATE_CONFIG: wrong })
  expect(code).toBe(78)
  expect(said).toContain('providers.alpha.kind')
  expect(existsSync(join(root, 'data'))).toBe(false)
})

test('a first start that fails further on leaves a log with a checkpoint: the next one warns of nothing', async () => {
  const logged: string[] = []
  const log = (_level: string, event: string) => void logged.push(event)
  const open = (more: Record<string, string>) =>
    openGateway({
      settings: readSettings({
        SWITCHGATE_CONFIG: join(root, 'empty.yaml'),
        SWITCHGATE_DATA: join(root, 'data'),
        ...more,
      }),
      log,
      redactor: createRedactor(),
    })
  await expect(open({ SWITCHGATE_ADMIN_TOKEN: 'too short' })).rejects.toThrow('SWITCHGATE_ADMIN_TOKEN')
  expect(existsSync(join(root, 'data', 'switchgate.db'))).toBe(true)
  const gateway = await open({})
  expect(logged).not.toContain('audit.no_checkpoints')
  await gateway.close()
})

test('a config file that is emptied while the gateway works is the middle of a save: what it said stays', async () => {
  const path = join(root, 'switchgate.yaml')
  const text =
    'discover_env: false\nproviders: { alpha: { kind: openai, base_url: "https://alpha.example/v1", models: { house: {} } } }\n'
  writeFileSync(path, text)
  const logged: { event: string; message: unknown }[] = []
  const gateway = await openGateway({
    settings: readSettings({ SWITCHGATE_CONFIG: path, SWITCHGATE_DATA: join(root, 'data') }),
    log: (_level, event, fields) => void logged.push({ event, message: fields?.message }),
    redactor: createRedactor(),
  })
  const { supply } = gateway
  const sold = () => supply.market().listings.map(({ offer }) => offer.model)
  expect(sold()).toEqual(['house'])
  for (const empty of ['', ' \n\n']) {
    truncateSync(path)
    writeFileSync(path, empty)
    logged.length = 0
    await supply.reload()
    expect(sold()).toEqual(['house'])
    expect(logged).toEqual([{ event: 'config.kept', message: expect.stringContaining('the file is empty') }])
  }
  writeFileSync(path, text.replace('house', 'home'))
  await supply.reload()
  expect(sold()).toEqual(['home'])
  // on purpose
  writeFileSync(path, 'discover_env: false\nproviders: {}\n')
  await supply.reload()
  expect(Object.keys(supply.config().providers)).toEqual([])
  await gateway.close()
})
