/** `/admin/v1/credentials`: providers' secrets go in, never out. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import type { StoredCredential } from '../store/store.ts'
import { BrokenSeal } from '../vault/seal.ts'
import { isoOrNull, isoTime } from '../wire/plain.ts'
import type { AdminDeps, CredentialTest } from './deps.ts'
import { nearest } from '../config/nearest.ts'
import { pageOf } from './page.ts'
import { type AdminRoute, withBody } from './route.ts'
import { credentialShape, listOf } from './shapes.ts'

const secret = z
  .string({ error: 'must be the secret as text' })
  .min(1, 'must not be empty')
  .max(65_536, 'must be at most 65536 characters')

const name = z
  .string({ error: 'must be text' })
  .regex(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits or . _ -')

const createSchema = z
  .strictObject({
    provider: z.string({ error: 'must be the name of a provider' }).min(1).max(64),
    name: name.default('main'),
    secret: secret.optional(),
    ref: z
      .string()
      .regex(/^(env:\/\/[A-Za-z_]\w*|file:\/\/\/.+)$/, 'must be env://NAME or file:///path')
      .max(4096)
      .optional(),
    weight: z
      .number({ error: 'must be a number' })
      .min(0, 'must not be negative')
      .max(1000, 'must be at most 1000')
      .optional(),
  })
  .refine(body => (body.secret === undefined) !== (body.ref === undefined), {
    path: ['secret'],
    message: 'send exactly one of `secret` and `ref`',
  })

const rotateSchema = z.strictObject({ secret })

const WORKS = { kind: 'ok', ttftMs: undefined, totalMs: 0, outputTokens: undefined } as const

/** A credential without its secret. */
export function credentialWire(credential: StoredCredential): Record<string, unknown> {
  return {
    id: credential.id,
    provider: credential.provider,
    name: credential.name,
    weight: credential.weight,
    ref: credential.ref,
    fingerprint: credential.fingerprint,
    status: credential.status,
    created_at: isoTime(credential.createdAtMs),
    last_ok_at: isoOrNull(credential.lastOkAtMs),
    last_failed_at: isoOrNull(credential.lastFailedAtMs),
  }
}

async function credentialOf(deps: AdminDeps, id: string): Promise<StoredCredential> {
  const found = (await deps.vault.list()).find(credential => credential.id === id)
  if (found !== undefined) return found
  const shown = JSON.stringify(id.slice(0, 40))
  throw new GatewayError(
    'not_found',
    `there is no credential ${shown} (those of the environment and the config file are not kept here)`,
    { param: 'id' },
  )
}

/** A secret that cannot be had is an answer of the test, not a failure of it; a sealed vault is one (503). */
async function testOf(deps: AdminDeps, credential: StoredCredential): Promise<CredentialTest> {
  let secret: string
  try {
    secret = await deps.vault.open(credential)
  } catch (error) {
    if (error instanceof GatewayError && error.kind === 'invalid_request')
      return { ok: false, message: error.message }
    if (error instanceof BrokenSeal)
      return {
        ok: false,
        message: `${error.message}: store it again with POST /credentials/${credential.id}/rotate`,
      }
    throw error
  }
  return deps.testCredential(credential.provider, secret)
}

function checkProvider(deps: AdminDeps, provider: string): void {
  const known = deps.providerNames()
  if (known.includes(provider)) return
  const near = nearest(provider, known, 1)[0]
  const hint =
    near === undefined ? 'add it under `providers:` in switchgate.yaml first' : `did you mean "${near}"?`
  const message = `\`provider\`: there is no provider ${JSON.stringify(provider)}: ${hint}`
  throw new GatewayError('invalid_request', message, { param: 'provider' })
}

export const credentialRoutes: readonly AdminRoute[] = [
  withBody({
    method: 'POST',
    path: '/credentials',
    summary: 'Add a credential: a secret (sealed at rest) or a reference to one.',
    body: createSchema,
    response: credentialShape,
    status: 201,
    async handle(deps, call) {
      const { provider, name: title, secret: text, ref, weight } = call.body
      checkProvider(deps, provider)
      const taken = (await deps.vault.list()).some(old => old.provider === provider && old.name === title)
      if (taken) {
        const message = `${provider} already has a credential named ${JSON.stringify(title)}: rotate it, or use another name`
        throw new GatewayError('invalid_request', message, { status: 409, code: 'conflict', param: 'name' })
      }
      const draft = {
        provider,
        name: title,
        ...(weight !== undefined && { weight }),
        ...(text !== undefined && { secret: text.trim() }),
        ...(ref !== undefined && { ref }),
      }
      return { json: credentialWire(await deps.vault.add(draft)) }
    },
  }),
  {
    method: 'GET',
    path: '/credentials',
    summary: 'Stored credentials, by fingerprint.',
    query: { cursor: 'next_cursor of the page before', limit: '1–500, default 50' },
    response: listOf(credentialShape),
    async handle(deps, call) {
      const page = pageOf(await deps.vault.list(), credential => credential.id, call.query)
      return { json: { data: page.data.map(credentialWire), next_cursor: page.nextCursor } }
    },
  },
  {
    method: 'POST',
    path: '/credentials/:id/test',
    summary: 'Ask the provider whether the credential works.',
    response: z.object({ id: z.string(), ok: z.boolean(), message: z.string() }),
    async handle(deps, call) {
      const credential = await credentialOf(deps, call.params.id ?? '')
      const { ok, message } = await testOf(deps, credential)
      // whatever it was refused for has passed
      if (ok && deps.health.state(credential.id)?.outUntilMs)
        deps.health.observe(credential.id, WORKS, deps.clock.now())
      await deps.audit.record({
        action: 'credential.test',
        target: `credential:${credential.id}`,
        detail: { ok },
      })
      return { json: { id: credential.id, ok, message } }
    },
  },
  withBody({
    method: 'POST',
    path: '/credentials/:id/rotate',
    summary: 'A new secret for the same credential; the old one is gone.',
    body: rotateSchema,
    response: credentialShape,
    async handle(deps, call) {
      const credential = await credentialOf(deps, call.params.id ?? '')
      if (credential.ref !== null) {
        const message = `this credential is a reference (${credential.ref}): change the secret where it lives`
        throw new GatewayError('invalid_request', message, { status: 409, code: 'conflict' })
      }
      const replaced = await deps.vault.replace(credential.id, call.body.secret.trim())
      return { json: credentialWire(replaced ?? (await credentialOf(deps, credential.id))) }
    },
  }),
  {
    method: 'DELETE',
    path: '/credentials/:id',
    summary: 'Forget a credential.',
    response: z.object({ id: z.string(), deleted: z.literal(true) }),
    async handle(deps, call) {
      const credential = await credentialOf(deps, call.params.id ?? '')
      await deps.vault.remove(credential.id)
      return { json: { id: credential.id, deleted: true } }
    },
  },
]
