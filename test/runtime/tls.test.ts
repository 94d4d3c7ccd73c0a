/** `send` with a private CA and through a real CONNECT proxy, in processes of their own where Node reads a variable at its start. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createProxyFor } from '../../src/egress/proxy.ts'
import { HOSTILE_ORIGINS } from '../egress/hostile.ts'
import { temporary } from '../keys/parts.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { closedPort, listen, sender } from './listen.ts'
import { exchange } from './recorder.ts'

describe('TLS and proxies', () => {
  let folder: ReturnType<typeof temporary>
  let certificates: Certificates
  beforeAll(() => {
    folder = temporary()
    certificates = makeCertificates(folder.path)
  })
  afterAll(() => folder.clean())

  interface Answer {
    status?: number
    text: string
    kind?: string
    message?: string
    lines: unknown[]
  }
  async function child(env: Record<string, string>, ...args: string[]): Promise<Answer> {
    const script = fileURLToPath(new URL('./call-upstream.ts', import.meta.url))
    const { PATH = '' } = process.env
    const run = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
      env: { PATH, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    run.stderr.pipe(process.stderr)
    let text = ''
    run.stdout.on('data', chunk => {
      text += chunk
    })
    await once(run, 'close')
    return JSON.parse(text) as Answer
  }
  const tls = async (): Promise<number> =>
    listen(
      createTlsServer(certificates, (request, response) =>
        response.end(`tls ${request.headers.host} ${request.headers.authorization}`),
      ),
    )

  /** A small CONNECT proxy; `targets` is what it was asked for, and everything leads to `port`. */
  async function proxy(
    port: number,
    status = '200 OK',
  ): Promise<{ port: number; targets: string[]; auth: (string | undefined)[] }> {
    const targets: string[] = []
    const auth: (string | undefined)[] = []
    const server = createServer((_, response) => response.writeHead(500).end())
    server.on('connect', (request, client: Socket) => {
      targets.push(request.url ?? '')
      auth.push(request.headers['proxy-authorization'])
      client.on('error', () => {})
      if (!status.startsWith('200')) {
        client.end(`HTTP/1.1 ${status}\r\n\r\n`)
        return
      }
      const upstream = connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        client.pipe(upstream).pipe(client)
      })
      upstream.on('error', () => client.destroy())
    })
    return { port: await listen(server), targets, auth }
  }

  test('a private CA is trusted by NODE_EXTRA_CA_CERTS, and nothing is trusted without it', async () => {
    const port = await tls()
    const args = [`https://upstream.test:${port}`, `upstream.test:${port}`, '127.0.0.1']
    const trusted = await child({ NODE_EXTRA_CA_CERTS: certificates.caPath }, ...args)
    expect(trusted).toMatchObject({ status: 200, text: `tls upstream.test:${port} Bearer CANARY` })
    const untrusted = await child({}, ...args)
    expect(untrusted.kind).toBe('unreachable')
    expect(untrusted.message).toMatch(/TLS certificate was not accepted \(UNABLE_TO_VERIFY/)
    const misnamed = await child(
      { NODE_EXTRA_CA_CERTS: certificates.caPath },
      `https://other.test:${port}`,
      `other.test:${port}`,
      '127.0.0.1',
    )
    expect(misnamed.message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(JSON.stringify([untrusted, misnamed])).not.toContain('CANARY')
  })

  test('HTTPS_PROXY: CONNECT to the named host, end-to-end TLS, the proxy resolves', async () => {
    const upstream = await tls()
    const via = await proxy(upstream)
    const env = {
      NODE_EXTRA_CA_CERTS: certificates.caPath,
      HTTPS_PROXY: `http://user:pass@127.0.0.1:${via.port}`,
    }
    // The name does not exist here; only the proxy knows it.
    const answer = await child(env, 'https://upstream.test')
    expect(answer).toMatchObject({ status: 200, text: 'tls upstream.test Bearer CANARY' })
    expect(via.targets).toEqual(['upstream.test:443'])
    expect(via.auth).toEqual([`Basic ${Buffer.from('user:pass').toString('base64')}`])
  })

  test('what the guard refuses by name is never named to a proxy', async () => {
    const via = await proxy(1)
    const send = sender({
      proxyFor: createProxyFor({
        HTTPS_PROXY: `http://127.0.0.1:${via.port}`,
        HTTP_PROXY: `http://127.0.0.1:${via.port}`,
      }),
    })
    for (const form of HOSTILE_ORIGINS) {
      const { error } = await exchange(send, { origin: form.replaceAll('PORT', '9101') }).over
      expect(error?.kind, form).toBe('unreachable')
    }
    expect(via.targets).toEqual([])
  })

  test('NO_PROXY goes directly; a proxy that refuses, is gone or stays silent is a failure that ends', async () => {
    const upstream = await tls()
    const via = await proxy(upstream)
    const direct = await child(
      {
        NODE_EXTRA_CA_CERTS: certificates.caPath,
        HTTPS_PROXY: `http://127.0.0.1:${via.port}`,
        NO_PROXY: 'upstream.test',
      },
      `https://upstream.test:${upstream}`,
      `upstream.test:${upstream}`,
      '127.0.0.1',
    )
    expect(direct.status).toBe(200)
    expect(via.targets).toEqual([])
    const refusing = await proxy(1, '407 Proxy Authentication Required')
    const silent = await listen(createTcpServer(() => {}))
    const gone = await closedPort()
    for (const port of [refusing.port, silent, gone]) {
      const send = sender({ connectTimeoutMs: 300, proxyFor: () => `http://127.0.0.1:${port}` })
      const { error } = await exchange(send, { origin: 'https://api.example.com', headers: ['x', 'CANARY'] })
        .over
      expect(['unreachable', 'silent']).toContain(error?.kind)
      expect(error?.message).not.toMatch(/CANARY|127\.0\.0\.1/)
    }
  })
})
