/** `switchgate scan`: finds what is a key, passes over what only looks like one, and prints none. */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mint } from '../../src/keys/format.ts'
import { findLeaks } from '../../src/keys/leaks.ts'
import { say } from './say.ts'

const root = mkdtempSync(join(tmpdir(), 'switchgate-scan-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const nowhere = { SWITCHGATE_DATA: join(root, 'no-data'), SWITCHGATE_DISCOVER_LOCAL: 'false' }

/** So many random characters of an alphabet, the same in no two runs: no real key can be among them. */
function random(
  length: number,
  alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
): string {
  return [...randomBytes(length)].map(byte => alphabet[byte % alphabet.length]).join('')
}
const HEX = '0123456789abcdef'
const fingerprint = (secret: string) => createHash('sha256').update(secret).digest('hex').slice(0, 6)

const SAMPLES: Readonly<Record<string, string>> = {
  anthropic: `sk-ant-api03-${random(95)}`,
  openrouter: `sk-or-v1-${random(64, HEX)}`,
  openai: `sk-proj-${random(120)}`,
  google: `AIza${random(35)}`,
  groq: `gsk_${random(52)}`,
  xai: `xai-${random(80)}`,
  perplexity: `pplx-${random(48)}`,
  huggingface: `hf_${random(34)}`,
  nvidia: `nvapi-${random(64)}`,
  replicate: `r8_${random(37)}`,
  github: `ghp_${random(36)}`,
  'aws-access-key-id': `AKIA${random(16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')}`,
  'sk-hex': `sk-${random(32, HEX)}`,
  switchgate: mint('live', randomBytes).text,
  'switchgate-admin': mint('admin', randomBytes).text,
}

function folderOf(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = mkdtempSync(join(root, 'tree-'))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), content)
  }
  return folder
}

async function scan(folder: string, more: readonly string[] = [], env: Record<string, string> = nowhere) {
  const said = await say(['scan', folder, '--json', ...more], env)
  for (const secret of Object.values(SAMPLES)) expect(said.out + said.err).not.toContain(secret)
  return {
    ...said,
    ...(JSON.parse(said.out) as { findings: Record<string, unknown>[]; files: number; binary: number }),
  }
}

describe('forms', () => {
  test('each is found, in any surroundings, with its kind', () => {
    for (const [kind, secret] of Object.entries(SAMPLES))
      for (const text of [
        secret,
        `KEY=${secret}`,
        `"${secret}"`,
        `Bearer ${secret}\n`,
        `(${secret}),`,
        `é${secret} é`,
      ])
        expect(findLeaks(text), `${kind}: ${text.replace(secret, '…')}`).toMatchObject([{ kind, secret }])
  })

  test('what only looks like one is none', () => {
    const key = SAMPLES.switchgate ?? ''
    const typo = key.endsWith('A') ? 'B' : 'A'
    for (const text of [
      `${key.slice(0, -1)}${typo}`,
      'sgate_live_000000000000_'.padEnd(73, '0'),
      `sk-proj-${'x'.repeat(60)}`,
      'sk-ant-api03-...',
      `task-${random(32, HEX)}`,
      `AIza${random(34)}`,
      'AKIAIOSFODNN7EXAMPLE',
      'const prefix = "sgate_live_"',
    ])
      expect(findLeaks(text), text).toEqual([])
  })

  test('a key takes no time that grows faster than the text', () => {
    const text = `${'sk-ant-api03-'.repeat(20_000)}${'-----BEGIN PRIVATE KEY-----\\n'.repeat(10_000)}`
    for (const { secret } of findLeaks(text)) expect(secret.length).toBeLessThan(400)
  })
})

describe('a folder', () => {
  test('is told file by file with lines, ids and fingerprints; exit 1', async () => {
    const { openai = '', switchgate = '' } = SAMPLES
    const folder = folderOf({
      '.env': `# mine\n\nOPENAI_API_KEY=${openai}\nSWITCHGATE_KEY=${switchgate}\n`,
      'src/deep/a.ts': `const a = 1\nconst b = '${openai}'\n`,
      'src/fine.ts': 'nothing here\n',
    })
    const found = await scan(folder)
    expect(found.code).toBe(1)
    expect(found.findings).toEqual([
      {
        path: '.env',
        line: 3,
        kind: 'openai',
        id: null,
        fingerprint: fingerprint(openai),
        commit: null,
        status: null,
        name: null,
      },
      {
        path: '.env',
        line: 4,
        kind: 'switchgate',
        id: switchgate.split('_')[2],
        fingerprint: fingerprint(switchgate),
        commit: null,
        status: null,
        name: null,
      },
      expect.objectContaining({ path: 'src/deep/a.ts', line: 2, kind: 'openai' }),
    ])
    expect(found.files).toBe(3)
    const shown = await say(['scan', folder], nowhere)
    expect(shown.out).toContain(`.env:4  switchgate  ${switchgate.split('_')[2]}\n`)
    expect(shown.out).toContain(`src/deep/a.ts:2  openai  #${fingerprint(openai)}\n`)
    expect(shown.out + shown.err).not.toContain(openai)
    expect(existsSync(nowhere.SWITCHGATE_DATA)).toBe(false)
  })

  test('passes over packages, binaries and links, but not over what is merely large', async () => {
    const { groq = '', xai = '', google = '' } = SAMPLES
    const filler = `${'x'.repeat(199)}\n`.repeat(30_000)
    const folder = folderOf({
      'node_modules/p/index.js': groq,
      'a/node_modules/p/index.js': groq,
      'image.bin': Buffer.concat([Buffer.from([0, 1, 2]), Buffer.from(groq)]),
      'large.log': `${filler}${xai}\n${filler}${google}`,
      'one-line.js': `${'y'.repeat((1 << 20) - 20)} ${xai} ${'z'.repeat(3 << 20)}`,
    })
    symlinkSync('/', join(folder, 'link'))
    symlinkSync(folder, join(folder, 'circle'))
    const found = await scan(folder)
    expect(found.findings.map(({ path, line, kind }) => [path, line, kind])).toEqual([
      ['large.log', 30_001, 'xai'],
      ['large.log', 60_002, 'google'],
      ['one-line.js', 1, 'xai'],
    ])
    expect(found.binary).toBe(1)
  })

  test('that has none: exit 0; one file may be named; a secret in a file’s name is not printed', async () => {
    const { groq = '' } = SAMPLES
    expect(await scan(folderOf({ 'a.txt': 'fine' }))).toMatchObject({ code: 0, findings: [], files: 1 })
    const folder = folderOf({ 'one.txt': `k ${groq}`, [`x ${groq} x.txt`]: `again ${groq}` })
    expect((await scan(join(folder, 'one.txt'))).findings).toMatchObject([
      { path: join(folder, 'one.txt'), line: 1 },
    ])
    const both = await scan(folder)
    expect(both.findings.map(({ path }) => path)).toEqual(['one.txt', `x [${fingerprint(groq)}] x.txt`])
    expect((await say(['scan', join(folder, 'none')], nowhere)).code).toBe(64)
  })
})

describe('what the gateway knows of them', () => {
  const data = join(root, 'data')
  const env = { SWITCHGATE_DATA: data, SWITCHGATE_DISCOVER_LOCAL: 'false' }
  let active: string
  let revoked: string
  beforeAll(async () => {
    active = (await say('key create --name in-use', env)).out.trim()
    revoked = (await say('key create --name gone', env)).out.trim()
    await say(`key revoke ${revoked.split('_')[2]}`, env)
    const added = await say('credential add openai', env, `${SAMPLES.openai}\n`)
    expect(added.code, added.err).toBe(0)
  })

  test('which of ours still work, and which of theirs are in use here', async () => {
    const { openai = '', switchgate = '', groq = '' } = SAMPLES
    const folder = folderOf({ f: [active, revoked, switchgate, openai, groq].join('\n') })
    const found = await scan(folder, [], env)
    expect(found.findings.map(({ status, name }) => [status, name])).toEqual([
      ['active', 'in-use'],
      ['revoked', 'gone'],
      ['not_here', null],
      ['in_use', 'openai/main'],
      [null, null],
    ])
    const shown = await say(['scan', folder], env)
    expect(shown.out).toContain(`f:1  switchgate  ${active.split('_')[2]}  ACTIVE here (in-use)\n`)
    expect(shown.err).toContain(`switchgate key revoke ${active.split('_')[2]}`)
    expect(shown.out + shown.err).not.toContain(active)
  })
})

describe('--git', () => {
  const git = (folder: string, ...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@t.example', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    }).toString()

  test('finds what was committed once and removed since, where it first stood, and runs nothing of the repository', async () => {
    const { groq = '', xai = '' } = SAMPLES
    const folder = folderOf({ 'a.txt': `one\ntwo ${groq}\n`, 'keep.txt': 'k\n' })
    git(folder, 'init', '-q')
    git(folder, 'add', '.')
    git(folder, 'commit', '-q', '-m', 'first')
    const first = git(folder, 'rev-parse', 'HEAD').slice(0, 12)
    writeFileSync(join(folder, 'a.txt'), 'zero\none\ntwo\n')
    writeFileSync(join(folder, 'sp ace.txt'), `+++ b/evil\n@@ -1 +1 @@\n${xai}\n`)
    git(folder, 'add', '.')
    git(folder, 'commit', '-q', '-m', 'second')
    const second = git(folder, 'rev-parse', 'HEAD').slice(0, 12)
    rmSync(join(folder, 'sp ace.txt'))
    git(folder, 'commit', '-q', '-a', '-m', 'third')
    // what a repository that somebody else made could carry
    const trap = join(root, 'trap')
    writeFileSync(join(root, 'trap.sh'), `#!/bin/sh\ntouch ${trap}\n`)
    chmodSync(join(root, 'trap.sh'), 0o700)
    for (const name of ['diff.external', 'diff.x.textconv', 'diff.x.command', 'core.fsmonitor', 'core.pager'])
      git(folder, 'config', name, join(root, 'trap.sh'))
    writeFileSync(join(folder, '.gitattributes'), '* diff=x\n')

    expect((await scan(folder)).findings).toEqual([])
    const found = await scan(folder, ['--git'])
    expect(found.code).toBe(1)
    expect(found.findings.map(({ commit, path, line, kind }) => [commit, path, line, kind])).toEqual(
      expect.arrayContaining([
        [first, 'a.txt', 2, 'groq'],
        [second, 'sp ace.txt', 3, 'xai'],
      ]),
    )
    expect(found.findings).toHaveLength(2)
    expect(existsSync(trap)).toBe(false)
  })

  test('without a repository says so', async () => {
    const said = await say(['scan', folderOf({ a: 'x' }), '--git'], {
      ...nowhere,
      GIT_CEILING_DIRECTORIES: root,
    })
    expect(said).toMatchObject({ code: 64, out: '' })
    expect(said.err).toMatch(/history of .* cannot be read: .*not a git repository/)
  })
})
