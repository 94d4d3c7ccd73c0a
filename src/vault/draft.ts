/** What makes a credential: checked before anything is sealed. For the vault. */
import { cleanedSecret } from '../authorize/headers.ts'
import { GatewayError } from '../errors.ts'
import type { StoredCredential } from '../store/store.ts'
import { parseRef } from './ref.ts'

export interface CredentialDraft {
  readonly provider: string
  readonly name: string
  readonly weight?: number
  /** Exactly one of the two. */
  readonly secret?: string
  /** `env://NAME`, `file:///path`. */
  readonly ref?: string
}

/** A refusal of a member. */
export const wrong = (param: string, message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param })

/** A secret without the line end that it was pasted or kept with. Throws, naming `what` and the cure, when no header can carry it. */
export function cleanSecret(text: string, param: 'secret' | 'ref', what: string): string {
  const cleaned = cleanedSecret(text)
  if ('secret' in cleaned) return cleaned.secret
  throw wrong(
    param,
    `${what} cannot be sent to a provider: ${cleaned.why}. It must be one line, the secret alone.`,
  )
}

/** Throws `invalid_request` naming the member, or 409 for a name that is taken. */
export function checkDraft(draft: CredentialDraft, existing: readonly StoredCredential[]): void {
  if ((draft.secret === undefined) === (draft.ref === undefined))
    throw wrong('secret', 'Give exactly one of secret and ref (env://NAME, file:///path).')
  for (const member of ['provider', 'name'] as const)
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(draft[member]))
      throw wrong(member, `${member} must be 1 to 64 letters, digits, dots, dashes or underscores.`)
  const weight = draft.weight ?? 1
  if (!Number.isFinite(weight) || weight <= 0 || weight > 1_000_000)
    throw wrong('weight', 'weight must be a number above 0.')
  if (existing.some(each => each.provider === draft.provider && each.name === draft.name))
    throw new GatewayError(
      'invalid_request',
      `Provider ${draft.provider} already has a credential named ${draft.name}.`,
      {
        param: 'name',
        code: 'conflict',
        status: 409,
      },
    )
  const ref = draft.ref === undefined ? undefined : parseRef(draft.ref)
  if (ref !== undefined && 'why' in ref) throw wrong('ref', `ref: ${ref.why}.`)
}
