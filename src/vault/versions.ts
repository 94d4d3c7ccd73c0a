/** The life of a credential's secrets: pending → current → previous → gone. Pure: who seals and who stores is the vault. */
import { GatewayError } from '../errors.ts'
import type { OpenCredential } from '../route/market.ts'
import type { SecretVersion, StoredCredential } from '../store/store.ts'

export type OtherStage = SecretVersion['stage']

/** How long the previous secret may stand in for the current one, unless told otherwise. */
export const GRACE_MS = 86_400_000

/** A secret that was sealed for this credential and has no place yet. */
export type Sealed = Pick<SecretVersion, 'version' | 'sealed' | 'fingerprint'>

const conflict = (message: string): GatewayError =>
  new GatewayError('invalid_request', message, { code: 'conflict', status: 409 })

const but = (credential: StoredCredential, stage: OtherStage): readonly SecretVersion[] =>
  credential.others.filter(other => other.stage !== stage)

export const otherOf = (credential: StoredCredential, stage: OtherStage): SecretVersion | undefined =>
  credential.others.find(other => other.stage === stage)

/** Numbers are never used twice while a secret that has one is there. */
export const nextVersion = ({ version, others }: StoredCredential): number =>
  Math.max(version, ...others.map(other => other.version)) + 1

/** The previous secret while it may stand in. */
export function graceOf(credential: StoredCredential, nowMs: number): SecretVersion | undefined {
  const previous = otherOf(credential, 'previous')
  return previous?.endsAtMs != null && previous.endsAtMs > nowMs ? previous : undefined
}

/** A new secret takes the place of the current one, which becomes the previous one; without a grace it is gone. */
export function withCurrent(
  credential: StoredCredential,
  next: Sealed,
  nowMs: number,
  graceMs: number,
): StoredCredential {
  const { sealed, fingerprint, version } = credential
  const previous: SecretVersion[] =
    graceMs > 0 && sealed !== null
      ? [
          {
            version,
            stage: 'previous',
            sealed,
            fingerprint: fingerprint ?? '',
            sinceMs: nowMs,
            endsAtMs: nowMs + graceMs,
          },
        ]
      : []
  const others = [...previous, ...but(credential, 'previous')]
  return { ...credential, ...next, ref: null, others }
}

/** A new secret waits to be promoted; one that waited before is gone. */
export const withPending = (credential: StoredCredential, next: Sealed, nowMs: number): StoredCredential => ({
  ...credential,
  others: [...but(credential, 'pending'), { ...next, stage: 'pending', sinceMs: nowMs, endsAtMs: null }],
})

/** The pending secret becomes the current one. Throws 409 `conflict` when there is none. */
export function promoted(credential: StoredCredential, nowMs: number, graceMs: number): StoredCredential {
  const pending = otherOf(credential, 'pending')
  if (pending === undefined)
    throw conflict(
      `no secret is pending: POST /credentials/${credential.id}/rotate with "stage": "pending" first`,
    )
  const { version, sealed, fingerprint } = pending
  const rest = { ...credential, others: but(credential, 'pending') }
  return withCurrent(rest, { version, sealed, fingerprint }, nowMs, graceMs)
}

/** The secret of a stage is gone. Throws 409 `conflict` when there is none. */
export function retired(credential: StoredCredential, stage: OtherStage): StoredCredential {
  if (otherOf(credential, stage) === undefined) throw conflict(`there is no ${stage} secret to retire`)
  return { ...credential, others: but(credential, stage) }
}

/** Without a previous secret whose grace is over; the credential itself when there is none. */
export function withoutEnded(credential: StoredCredential, nowMs: number): StoredCredential {
  const isOver = otherOf(credential, 'previous') !== undefined && graceOf(credential, nowMs) === undefined
  return isOver ? { ...credential, others: but(credential, 'previous') } : credential
}

/** As health and the ledger know a secret: what was said of one says nothing of the next. */
export const secretId = ({ id }: StoredCredential, version: number): string =>
  version === 1 ? id : `${id}.v${version}`

/** Opens what may be used now: the current secret, and the previous one to stand in for it. Rejects as `open` does for the current one. */
export async function usable(
  stored: StoredCredential,
  nowMs: number,
  open: (stored: StoredCredential, other?: SecretVersion) => Promise<string>,
): Promise<OpenCredential[]> {
  const { name, weight } = stored
  const id = secretId(stored, stored.version)
  const list: OpenCredential[] = [{ id, name, weight, secret: await open(stored) }]
  const previous = graceOf(stored, nowMs)
  const secret = previous && (await open(stored, previous).catch(() => undefined))
  if (previous && secret !== undefined)
    list.push({
      id: secretId(stored, previous.version),
      name: `${name} (previous)`,
      weight: 0,
      secret,
      standsInFor: id,
    })
  return list
}
