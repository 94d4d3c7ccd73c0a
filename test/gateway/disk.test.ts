/** A disk that is really full under a whole gateway: a small tmpfs, filled and emptied while requests run. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, it } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  finish,
  role,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
  usageEvent,
} from './harness.ts'

/** Undefined where this user may not mount: then nothing here can be shown. */
function mountSmall(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder], { stdio: 'ignore' })
    return folder
  } catch {
    rmSync(folder, { recursive: true })
    return undefined
  }
}

const folder = process.platform === 'linux' ? mountSmall() : undefined
if (folder === undefined) process.stderr.write('disk.test.ts: skipped, a small disk cannot be mounted here\n')

let gateway: TestGateway | undefined
let upstream: ScriptedUpstream | undefined
afterEach(async () => {
  await gateway?.close()
  await upstream?.close()
})
afterAll(() => {
  if (folder === undefined) return
  execFileSync('umount', [folder])
  rmSync(folder, { recursive: true })
})

const FILLER = 'filler'

function fill(path: string): void {
  const fd = openSync(path, 'w')
  const part = Buffer.alloc(4_096, 1)
  try {
    for (;;) writeSync(fd, part)
  } catch {
    // no space left: that is the point
  } finally {
    closeSync(fd)
  }
}

it.skipIf(folder === undefined)(
  'full: new work is refused with 503, the running stream ends well and is billed, and it heals by itself',
  async () => {
    const root = folder as string
    upstream = await startUpstream(response => sendJson(response, 200, completion()))
    const up = upstream
    gateway = await startGateway({ folder: root, config: configFor({ alpha: up.port }) })
    const { url } = gateway
    const keys = [
      await gateway.key({ budgets: [{ window: 'day', limitNanoUsd: 1e9, softNanoUsd: null }] }),
      await gateway.key(),
    ]
    for (const key of keys) expect((await gateway.post(key, CHAT)).status).toBe(200)

    const held = Promise.withResolvers<void>()
    up.script = async response => {
      sse(response).write(role + delta('one '))
      await held.promise
      response.end(delta('two') + finish() + usageEvent + DONE)
    }
    const stream = await gateway.post(keys[0] as string, { ...CHAT, stream: true })
    const reader = stream.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>
    await reader.read()
    up.script = response => sendJson(response, 200, completion())

    fill(join(root, FILLER))
    // the last page of a file may still have room for some lines
    await until(async () => (await gateway?.post(keys[1] as string, CHAT))?.status === 503)
    const seen = up.seen.length
    for (const key of [...keys, ...keys, ...keys]) {
      const refused = await gateway.post(key, CHAT)
      expect(refused.status).toBe(503)
      expect(refused.headers.get('x-should-retry')).toBe('true')
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(await refused.json()).toMatchObject({ error: { code: 'storage_unavailable' } })
    }
    // nobody is asked for what could not be billed
    expect(up.seen.length).toBe(seen)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)

    held.resolve()
    let text = ''
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += Buffer.from(part.value).toString()
    expect(text.endsWith(DONE)).toBe(true)
    expect(text).not.toContain('error')

    unlinkSync(join(root, FILLER))
    await until(async () => (await gateway?.post(keys[0] as string, CHAT))?.status === 200)
    const rows = await gateway.rows()
    const served = rows.filter(row => row.status === 200)
    expect(served.length).toBe(up.seen.length)
    for (const row of served) expect(row).toMatchObject({ certainty: 'exact' })
    expect(served.find(row => row.stream)?.costNanoUsd).toBe(16_000)
    for (const row of rows) if (row.status !== 200) expect(row).toMatchObject({ costNanoUsd: 0 })
    const budget = gateway.gateway.ledger.usageOf(
      served[0] === undefined
        ? (undefined as never)
        : ((await gateway.gateway.deps.store.keys())[0] as never),
    )
    expect(budget[0]?.heldNanoUsd).toBe(0)
    expect(gateway.logs.join()).toContain('journal.writable_again')
  },
)
