/** Workload identity federation: the token that somebody else signed, from a file or an address. google.aip.dev/auth/4117 */
import { z } from 'zod'
import { GatewayError } from '../../errors.ts'
import { ask } from '../ask.ts'
import type { SigningDeps } from '../schemes.ts'

const text = z.string().min(1)
const format = z
  .looseObject({ type: z.enum(['text', 'json']), subject_token_field_name: text.optional() })
  .default({ type: 'text' })

/** `credential_source` of an external account. Others exist; programs are not run for a credential. */
export const subjectSource = z.union(
  [
    z.looseObject({ file: text, format }),
    z.looseObject({ url: z.url(), headers: z.record(z.string(), z.string()).default({}), format }),
  ],
  'a token from a file or a url is supported; executables, certificates and AWS identities are not: use a service account or a file',
)
type SubjectSource = z.infer<typeof subjectSource>

const fault = (message: string, cause?: unknown): GatewayError =>
  new GatewayError('bad_credential', message, { cause })

/** Reads the token now: files are renewed under our feet, so nothing is kept. */
export async function subjectToken(source: SubjectSource, deps: SigningDeps): Promise<string> {
  const whole = 'file' in source ? await fromFile(source.file as string, deps) : await fromUrl(source, deps)
  const token = picked(whole, source.format)
  deps.remember(token)
  return token
}

async function fromFile(path: string, deps: SigningDeps): Promise<string> {
  const content = await deps.readFile?.(path).catch((cause: unknown) => {
    throw fault('The file of the federated token cannot be read.', cause)
  })
  if (content === undefined) throw fault('The file of the federated token does not exist.')
  return content
}

/** On this machine's own link it is a metadata service, which only the way to those reaches. */
const isLocal = (host: string): boolean =>
  /^(?:169\.254\.\d+\.\d+|127\.\d+\.\d+\.\d+|localhost|\[.*\])$/.test(host)

async function fromUrl(source: SubjectSource, deps: SigningDeps): Promise<string> {
  const { url, headers } = source as { url: string; headers: Record<string, string> }
  const send = isLocal(new URL(url).hostname) ? (deps.metadata ?? deps.send) : deps.send
  const flat = Object.entries(headers).flatMap(([name, value]) => [name.toLowerCase(), value])
  const reply = await ask({ url, headers: flat }, send, deps.pause)
  if (reply.status !== 200)
    throw fault(`The address of the federated token answered with status ${reply.status}.`)
  return reply.text
}

function picked(whole: string, { type, subject_token_field_name: field }: SubjectSource['format']): string {
  if (type === 'text') return whole.trim()
  let value: unknown
  try {
    value = (JSON.parse(whole) as Record<string, unknown>)[field ?? 'access_token']
  } catch {
    value = undefined
  }
  if (typeof value === 'string' && value !== '') return value
  throw fault('The federated token does not stand where the credential file says.')
}
