/** Under whose names a request's money is counted beside its key: its end user and its tags. Pure; for budgets, and for the rows of the ledger. */
import type { Key } from '../terms.ts'
import type { ChatFacts } from '../wire/openai.ts'

const NAME_CHARS = 256

/** Names in the ledger are for people and filters; a caller's novel is not kept. */
export const clip = (text: string): string => (text.length > NAME_CHARS ? text.slice(0, NAME_CHARS) : text)

export interface Payer {
  readonly user: string | null
  readonly tags: readonly string[]
}

/** A caller adds to the tags that its key is counted under, and takes none away. */
export function payerOf({ tags: own }: Key, { user, tags: sent }: Pick<ChatFacts, 'user' | 'tags'>): Payer {
  const tags = own.length === 0 ? sent : sent.length === 0 ? own : [...new Set([...own, ...sent])]
  return { user: user === undefined ? null : clip(user), tags }
}
