/** What Workers cannot enforce yet is refused here, so that nothing that was accepted goes unenforced. */
import type { Ledger } from '../../deps.ts'
import { GatewayError } from '../../errors.ts'
import type { KeyBook, KeyDraft } from '../../keys/book.ts'
import type { Key, Limits } from '../../terms.ts'
import type { Vault } from '../../vault/vault.ts'

/** Budgets and rates need one owner; isolates know nothing of each other. */
function unenforced({
  project,
  budgets,
  limits,
}: {
  project?: Key['project']
  budgets?: Key['budgets']
  limits?: Partial<Limits>
}) {
  if (project != null) return 'project'
  if (budgets !== undefined && budgets.length > 0) return 'budgets'
  const [limit] =
    Object.entries(limits ?? {}).find(([, value]) => value !== null && value !== undefined) ?? []
  return limit === undefined ? undefined : `limits.${limit}`
}

function refuseDraft(draft: KeyDraft): void {
  const param = unenforced(draft)
  if (param === undefined) return
  const message = `\`${param}\`: not supported on Workers yet; leave it out, or run the gateway on Node.`
  throw new GatewayError('invalid_request', message, { param })
}

/** The book, with keys that carry budgets or limits refused (400 naming the field) when they are made or changed. */
export function withoutLimits(book: KeyBook): KeyBook {
  return {
    find: credential => book.find(credential),
    allowsOrigin: origin => book.allowsOrigin(origin),
    get: id => book.get(id),
    list: () => book.list(),
    lineage: lineage => book.lineage(lineage),
    onChange: listener => book.onChange(listener),
    // no key here has a budget or a project
    topUp: (id, nanoUsd, once) => book.topUp(id, nanoUsd, once),
    revokeProject: project => book.revokeProject(project),
    rotate: (id, graceSeconds) => book.rotate(id, graceSeconds),
    setStatus: (id, status) => book.setStatus(id, status),
    async create(draft) {
      refuseDraft(draft)
      return book.create(draft)
    },
    async patch(id, changes) {
      refuseDraft(changes)
      return book.patch(id, changes)
    },
  }
}

/** Admission on Workers: a key that came with budgets or limits from elsewhere is refused (403), never served without them. */
export function refuseLimited(key: Key): void {
  const param = unenforced(key)
  if (param === undefined) return
  const message = `This key carries ${param}, which is not supported on Workers yet: nothing would enforce it.`
  throw new GatewayError('forbidden', message, { code: 'limits_not_supported' })
}

/** The ledger behind that admission. */
export function admitUnlimited<T extends Ledger>(ledger: T): T {
  return {
    ...ledger,
    admit(key: Key, likelyTokens: number) {
      refuseLimited(key)
      return ledger.admit(key, likelyTokens)
    },
  }
}

/** One isolate that forgets its keys is no sealed gateway: `POST /seal` answers 400 and says what seals this one. */
export function unsealable(vault: Vault): Vault {
  return {
    get masterKeyFingerprint() {
      return vault.masterKeyFingerprint
    },
    get sealed() {
      return vault.sealed
    },
    add: draft => vault.add(draft),
    list: () => vault.list(),
    replace: (id, secret, as) => vault.replace(id, secret, as),
    promote: (id, graceMs) => vault.promote(id, graceMs),
    retire: (id, stage) => vault.retire(id, stage),
    forgetEnded: () => vault.forgetEnded(),
    remove: id => vault.remove(id),
    open: (credential, other) => vault.open(credential, other),
    onChange: listener => vault.onChange(listener),
    seal() {
      throw new GatewayError(
        'invalid_request',
        'Sealing is not supported on Workers yet. To seal this gateway: npx wrangler secret delete SWITCHGATE_MASTER_KEY',
        { code: 'not_supported' },
      )
    },
  }
}
