/** What signing is given on Node: a way to metadata services that leads nowhere else, and files that are files. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask } from '../../src/authorize/ask.ts'
import { createSigning } from '../../src/runtime/node/signing.ts'
import type { Send } from '../../src/terms.ts'
import { startTokenServer, type TokenServer } from '../authorize/token-servers.ts'

let server: TokenServer
const folder = mkdtempSync(join(tmpdir(), 'switchgate-signing-'))
beforeAll(async () => {
  server = await startTokenServer(() => ({ body: 'here' }))
})
afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true, force: true })
})

function signing(env: Record<string, string>) {
  const log: string[] = []
  const way = (): Send => {
    throw new Error('not asked')
  }
  const made = createSigning({
    env,
    way,
    remember: () => undefined,
    log: (_, event, fields) => void log.push(`${event} ${JSON.stringify(fields)}`),
  })
  return {
    made,
    log,
    get: (url: string) => ask({ url, timeoutMs: 2_000 }, made.metadata as Send, made.pause),
  }
}

test('an endpoint of this machine that the platform names is reached, another port is not', async () => {
  const { made, get, log } = signing({ AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.origin}/keys` })
  expect(await get(`${server.origin}/keys`)).toEqual({ status: 200, text: 'here' })
  await expect(get('http://127.0.0.1:1/keys')).rejects.toMatchObject({ kind: 'unreachable' })
  expect(log.join()).toContain('127.0.0.1:1 is plain http')
  await made.close()
})

test('without the variable loopback is closed, and no variable opens a private network', async () => {
  const { made, get } = signing({
    AWS_EC2_METADATA_SERVICE_ENDPOINT: 'http://10.0.0.1:80',
    IDENTITY_ENDPOINT: 'http://192.168.0.1/msi',
    GCE_METADATA_HOST: 'example.com',
  })
  for (const origin of [
    server.origin,
    'http://10.0.0.1',
    'http://192.168.0.1',
    'http://example.com',
    'http://localhost',
  ])
    await expect(get(`${origin}/x`)).rejects.toMatchObject({ kind: 'unreachable' })
  await made.close()
})

test('files: text, undefined for none, a fault that names the path for what is no file', async () => {
  const { made } = signing({})
  writeFileSync(join(folder, 'token'), 'abc\n')
  expect(await made.readFile?.(join(folder, 'token'))).toBe('abc\n')
  expect(await made.readFile?.(join(folder, 'none'))).toBeUndefined()
  expect(await made.readFile?.(join(folder, 'token', 'below'))).toBeUndefined()
  await expect(made.readFile?.(folder)).rejects.toThrow(folder)
  writeFileSync(join(folder, 'large'), 'x'.repeat(262_145))
  await expect(made.readFile?.(join(folder, 'large'))).rejects.toThrow('larger than')
})
