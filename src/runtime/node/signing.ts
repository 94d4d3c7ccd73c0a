/** What signing schemes need on Node: the environment, the files that clouds name, and a way to the metadata services that leads nowhere else. */
import { open } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { SigningDeps } from '../../authorize/schemes.ts'
import { createTokens } from '../../authorize/tokens.ts'
import type { Log } from '../../deps.ts'
import { parseAddress, whyDenied } from '../../egress/address.ts'
import { createGuard } from '../../egress/guard.ts'
import type { Send } from '../../terms.ts'
import { createSend, type NodeSend } from './send.ts'
import type { Env } from './settings.ts'

/** Where clouds answer on a machine's own link, over plain http. Requests of callers never come this way. */
const METADATA = [
  '169.254.169.254:80', // EC2, Google, Azure
  '[fd00:ec2::254]:80', // EC2
  '169.254.170.2:80', // ECS
  '169.254.170.23:80', // EKS Pod Identity
  '[fd00:ec2::23]:80', // EKS Pod Identity
]

/** Variables by which a platform says where its own endpoint is. They count for this machine's addresses only. */
const NAMED_BY = [
  'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  'AWS_EC2_METADATA_SERVICE_ENDPOINT',
  'IDENTITY_ENDPOINT',
  'GCE_METADATA_HOST',
]

const CONNECT_TIMEOUT_MS = 1_000
const FILE_BYTES_MAX = 262_144

/** `host:port` of an address on this machine or its link; undefined = not one, or not set. */
function placeOf(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`)
  if (url?.protocol !== 'http:') return undefined
  const address = parseAddress(url.hostname.replace(/^\[|\]$/g, ''))
  const isOwn =
    url.hostname === 'localhost' || (address && /loopback|link-local|metadata/.test(whyDenied(address) ?? ''))
  return isOwn ? `${url.hostname}:${url.port || '80'}` : undefined
}

/** The text of a file; undefined = it does not exist. Rejects when it may not be read or is no plain file. */
async function readText(path: string): Promise<string | undefined> {
  const whole = path.startsWith('~/') ? join(homedir(), path.slice(2)) : path
  const file = await open(whole, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined
    throw new Error(`${path} may not be read: let the gateway’s user read it`)
  })
  if (file === undefined) return undefined
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${path} is not a plain file`)
    const buffer = new Uint8Array(FILE_BYTES_MAX + 1)
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
    if (bytesRead > FILE_BYTES_MAX) throw new Error(`${path} is larger than ${FILE_BYTES_MAX} bytes`)
    return new TextDecoder().decode(buffer.subarray(0, bytesRead))
  } finally {
    await file.close()
  }
}

export interface SigningOptions {
  readonly env: Env
  /** The guarded way out; asked for when something is signed, since it is made after the market. */
  readonly way: () => Send
  readonly remember: (secret: string) => void
  readonly log: Log
}

/** `close` ends the connections to the metadata services. */
export function createSigning(o: SigningOptions): SigningDeps & { readonly close: () => Promise<void> } {
  const named = NAMED_BY.map(variable => placeOf(o.env[variable])).filter(place => place !== undefined)
  // opened when something first asks: most machines have no such service
  let metadata: NodeSend | undefined
  const open = () =>
    createSend({
      guard: createGuard([...METADATA, ...named]),
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      log: o.log,
    })
  return {
    now: Date.now,
    send: (request, to) => o.way()(request, to),
    metadata: (request, to) => {
      metadata ??= open()
      return metadata(request, to)
    },
    pause: ms => new Promise(resolve => void setTimeout(resolve, ms).unref()),
    env: name => o.env[name] || undefined,
    readFile: readText,
    tokens: createTokens({ now: Date.now }),
    remember: o.remember,
    log: o.log,
    close: async () => metadata?.destroy(),
  }
}
