/** Who is measured: direct, nginx, the raw Node proxy, Switchgate, Portkey. Each gets a port of the mock upstream for itself. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LOAD_CORE, message, programPath, start, stop, TARGET_CORE } from './proc.ts'
import { reachable, startSwitchgate, type SwitchgateTarget } from './switchgate.ts'
import type { Served } from './upstream.ts'

export const TARGET_NAMES = ['direct', 'nginx', 'raw', 'switchgate', 'portkey'] as const
export type TargetName = (typeof TARGET_NAMES)[number]

export interface Target {
  readonly name: TargetName
  readonly port: number
  readonly upstreamPort: number
  /** Undefined for `direct`, which has no process of its own. */
  readonly pid: number | undefined
  /** Header lines that this target wants. */
  readonly headers: readonly string[]
  /** Does what the target has put off, so that its cost falls into the run that caused it. */
  finishWork(): Promise<void>
  stop(): Promise<void>
}

export interface World {
  readonly targets: readonly Target[]
  readonly switchgate: SwitchgateTarget | undefined
  /** Why a target is missing. */
  readonly missing: readonly string[]
  /** What the mock upstream has served to a target, to the end. */
  served(target: Target): Promise<Served>
  stop(): Promise<void>
}

const UPSTREAM_KEY = 'authorization: Bearer sk-upstream'
const BENCH = import.meta.dirname
const nothing = async () => undefined
const run = promisify(execFile)

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}

const canConnect = (port: number) =>
  new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.on('error', reject)
  })

const nginxConfig = (port: number, upstreamPort: number, folder: string) => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log /dev/null crit;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000000; keepalive_timeout 600s;
  upstream mock { server 127.0.0.1:${upstreamPort}; keepalive 1024; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer sk-upstream";
      # a gateway has to pass events on as they come
      proxy_buffering off;
    }
  }
}
`

type Starter = (port: number, upstreamPort: number, say: (line: string) => void) => Promise<Target | string>

const startNginx: Starter = async (port, upstreamPort) => {
  const program = programPath('nginx')
  if (program === undefined) return 'nginx is not installed'
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-bench-nginx-'))
  writeFileSync(join(folder, 'nginx.conf'), nginxConfig(port, upstreamPort, folder))
  const child = start(program, ['-p', folder, '-e', '/dev/null', '-c', join(folder, 'nginx.conf')], {
    core: TARGET_CORE,
  })
  await reachable(
    () => canConnect(port),
    () => child.exitCode,
  )
  return {
    name: 'nginx',
    port,
    upstreamPort,
    pid: child.pid,
    headers: [UPSTREAM_KEY],
    finishWork: nothing,
    async stop() {
      await stop(child)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const startRaw: Starter = async (port, upstreamPort) => {
  const child = start(process.execPath, [join(BENCH, 'raw.ts'), String(upstreamPort), String(port)], {
    core: TARGET_CORE,
    talks: true,
  })
  await message(child)
  return {
    name: 'raw',
    port,
    upstreamPort,
    pid: child.pid,
    headers: [UPSTREAM_KEY],
    finishWork: nothing,
    stop: () => stop(child),
  }
}

const PORTKEY = join(BENCH, 'node_modules/@portkey-ai/gateway/build/start-server.js')

/** Installs the peer on the first run; it is no dependency of the product. Undefined = it is there. */
async function installPortkey(say: (line: string) => void): Promise<string | undefined> {
  if (existsSync(PORTKEY)) return undefined
  say('portkey: installing its package, once')
  try {
    await run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: BENCH,
      timeout: 180_000,
    })
    return existsSync(PORTKEY) ? undefined : 'portkey: its package has no server'
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[1] ?? error.message) : 'unknown'
    return `portkey could not be installed (${reason.trim()}); run npm ci in bench/ where a registry is reachable`
  }
}

const startPortkey: Starter = async (port, upstreamPort, say) => {
  const missing = await installPortkey(say)
  if (missing !== undefined) return missing
  const child = start(process.execPath, [PORTKEY, `--port=${port}`, '--headless'], {
    core: TARGET_CORE,
    cwd: BENCH,
    env: { NODE_ENV: 'production' },
  })
  await reachable(
    () => canConnect(port),
    () => child.exitCode,
  )
  return {
    name: 'portkey',
    port,
    upstreamPort,
    pid: child.pid,
    headers: [
      UPSTREAM_KEY,
      'x-portkey-provider: openai',
      `x-portkey-custom-host: http://127.0.0.1:${upstreamPort}/v1`,
    ],
    finishWork: nothing,
    stop: () => stop(child),
  }
}

const startDirect: Starter = async (_, upstreamPort) => ({
  name: 'direct',
  port: upstreamPort,
  upstreamPort,
  pid: undefined,
  headers: [UPSTREAM_KEY],
  finishWork: nothing,
  stop: nothing,
})

const STARTERS: Readonly<Record<TargetName, Starter>> = {
  direct: startDirect,
  nginx: startNginx,
  raw: startRaw,
  switchgate: startSwitchgate,
  portkey: startPortkey,
}

/** Starts the mock upstream and every wanted target that can be had. */
export async function startWorld(wanted: readonly TargetName[], say: (line: string) => void): Promise<World> {
  const mock = start(process.execPath, [join(BENCH, 'upstream.ts'), String(wanted.length)], {
    core: LOAD_CORE,
    talks: true,
  })
  const { ports } = await message<{ ports: number[] }>(mock)
  const targets: Target[] = []
  const missing: string[] = []
  for (const [index, name] of wanted.entries()) {
    const started = await STARTERS[name](await freePort(), ports[index] as number, say)
    if (typeof started === 'string') missing.push(started)
    else targets.push(started)
    say(typeof started === 'string' ? `${name}: skipped, ${started}` : `${name}: started`)
  }
  return {
    targets,
    missing,
    switchgate: targets.find((target): target is SwitchgateTarget => target.name === 'switchgate'),
    async served(target) {
      mock.send('served')
      const { served } = await message<{ served: Served[] }>(mock)
      return served[ports.indexOf(target.upstreamPort)] as Served
    },
    async stop() {
      for (const target of targets) await target.stop()
      await stop(mock)
    },
  }
}
