/** `/admin/v1/credentials`: providers' secrets go in, never out. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import type { StoredCredential } from '../store/store.ts'
import { BrokenSeal } from '../vault/seal.ts'
import { GRACE_MS, secretId } from '../vault/versions.ts'
import { isoOrNull, isoTime } from '../wire/plain.ts'
import type { AdminDeps, CredentialTest } from './deps.ts'
import { nearest } from '../config/nearest.ts'
import { pageOf } from './page.ts'
import { type AdminAnswer, type AdminRoute, withBody } from './route.ts'
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
      .gt(0, 'must be more than 0')
      .max(1000, 'must be at most 1000')
      .optional(),
  })
  .refine(body => (body.secret === undefined) !== (body.ref === undefined), {
    path: ['secret'],
    message: 'send exactly one of `secret` and `ref`',
  })

const graceSeconds = z
  .int({ error: 'must be a whole number of seconds' })
  .min(0, 'must not be negative')
  .max(30 * 86_400, 'must be at most 30 days')
  .default(GRACE_MS / 1000)

const rotateSchema = z.strictObject({
  secret,
  stage: z.enum(['current', 'pending'], { error: 'must be current or pending' }).default('current'),
  grace_seconds: graceSeconds,
  test: z.boolean({ error: 'must be true or false' }).default(true),
})
const promoteSchema = z.strictObject({ grace_seconds: graceSeconds })
const retireSchema = z.strictObject({
  stage: z.enum(['previous', 'pending'], { error: 'must be previous or pending' }).default('previous'),
})

const testShape = z.object({ ok: z.boolean(), message: z.string() })

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
    stage: 'current',
    version: credential.version,
    versions: [
      {
        version: credential.version,
        stage: 'current',
        fingerprint: credential.fingerprint,
        since: null,
        ends_at: null,
      },
      ...credential.others.map(({ version, stage, fingerprint, sinceMs, endsAtMs }) => ({
        version,
        stage,
        fingerprint,
        since: isoTime(sinceMs),
        ends_at: isoOrNull(endsAtMs),
      })),
    ],
    created_at: isoTime(credential.createdAtMs),
    last_ok_at: isoOrNull(credential.lastOkAtMs),
    last_failed_at: isoOrNull(credential.lastFailedAtMs),
  }
}

/** One that is kept here. Throws 404 `not_found`. */
export async function credentialOf(deps: AdminDeps, id: string): Promise<StoredCredential> {
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

/** One whose secret is kept here. Throws 409 for a reference. */
async function sealedOf(deps: AdminDeps, id: string): Promise<StoredCredential> {
  const credential = await credentialOf(deps, id)
  if (credential.ref === null) return credential
  const message = `this credential is a reference (${credential.ref}): change the secret where it lives`
  throw new GatewayError('invalid_request', message, { status: 409, code: 'conflict' })
}

/** How a secret that was refused can be kept all the same; the dashboard has other words for it. */
export const UNTESTED_WORDS = 'With "test": false it is stored all the same.'

/** What the provider says of a new secret. Throws when it refuses it; one that cannot be asked stands in nobody's way. */
async function proven(
  deps: AdminDeps,
  { provider }: StoredCredential,
  text: string,
): Promise<CredentialTest> {
  const { ok, message, asked = true } = await deps.testCredential(provider, text)
  if (ok || !asked) return { ok, message }
  const words = `\`secret\`: ${message}. The old secret is kept. ${UNTESTED_WORDS}`
  throw new GatewayError('invalid_request', words, { param: 'secret', code: 'credential_refused' })
}

async function changed(
  deps: AdminDeps,
  { id }: StoredCredential,
  now: StoredCredential | undefined,
  more: Record<string, unknown> = {},
): Promise<AdminAnswer> {
  return { json: { ...credentialWire(now ?? (await credentialOf(deps, id))), ...more } }
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
      const name = secretId(credential, credential.version)
      if (ok && deps.health.state(name)?.outUntilMs) deps.health.observe(name, WORKS, deps.clock.now())
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
    summary:
      'A new secret for the same credential, in force at once unless it is `pending`. It is tested first where the provider can be asked, and one that is refused changes nothing; the old one stands in for `grace_seconds` where the new one is refused later (default a day).',
    body: rotateSchema,
    response: credentialShape.extend({ test: testShape.nullable() }),
    async handle(deps, call) {
      const credential = await sealedOf(deps, call.params.id ?? '')
      const { stage, grace_seconds: grace, test } = call.body
      const text = call.body.secret.trim()
      const asked = test ? await proven(deps, credential, text) : null
      const replaced = await deps.vault.replace(credential.id, text, { stage, graceMs: grace * 1000 })
      return changed(deps, credential, replaced, { test: asked })
    },
  }),
  withBody({
    method: 'POST',
    path: '/credentials/:id/promote',
    summary: 'The pending secret is the current one at once; the old one stands in for `grace_seconds`.',
    body: promoteSchema,
    response: credentialShape,
    async handle(deps, call) {
      const credential = await sealedOf(deps, call.params.id ?? '')
      return changed(
        deps,
        credential,
        await deps.vault.promote(credential.id, call.body.grace_seconds * 1000),
      )
    },
  }),
  withBody({
    method: 'POST',
    path: '/credentials/:id/retire',
    summary: 'Forget the previous secret, or the pending one: it is used no more.',
    body: retireSchema,
    response: credentialShape,
    async handle(deps, call) {
      const credential = await sealedOf(deps, call.params.id ?? '')
      return changed(deps, credential, await deps.vault.retire(credential.id, call.body.stage))
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
