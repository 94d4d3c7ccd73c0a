/** What signing schemes need on Workers: the bindings and the token services. No files, no metadata services. */
import type { SigningDeps } from '../../authorize/schemes.ts'
import { createTokens } from '../../authorize/tokens.ts'
import type { Clock, Log } from '../../deps.ts'
import { createGuard } from '../../egress/guard.ts'
import type { Env } from './bindings.ts'
import { createSend } from './send.ts'

/** Services that give tokens for key material; nothing else is asked from here. */
const TOKEN_ORIGINS = new Set([
  'https://oauth2.googleapis.com',
  'https://sts.googleapis.com',
  'https://iamcredentials.googleapis.com',
  'https://login.microsoftonline.com',
])

export interface SigningOptions {
  readonly env: Env
  readonly remember: (secret: string) => void
  readonly clock: Clock
  readonly log: Log
}

export function createSigning({ env, remember, clock, log }: SigningOptions): SigningDeps {
  return {
    now: clock.now,
    send: createSend({ guard: createGuard([]), origins: TOKEN_ORIGINS, log }),
    metadata: undefined,
    pause: ms => new Promise(resolve => setTimeout(resolve, ms)),
    env: name => env[name] || undefined,
    readFile: undefined,
    tokens: createTokens({ now: clock.now, sharesRenewals: false }),
    remember,
    log,
  }
}
