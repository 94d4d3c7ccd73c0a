/** The first start: an admin token, a first key, the dashboard's address and a `curl` line, shown once and kept nowhere. */
import { billsTokens } from '../../price.ts'
import type { Offer } from '../../terms.ts'
import type { Gateway } from './open.ts'

export interface FirstStart {
  readonly adminToken: string | undefined
  readonly key: string
}

const SETTING = 'first_start'

/** Makes the first key if this database has never had a first start. */
export async function firstStart(gateway: Gateway): Promise<FirstStart | undefined> {
  const { store } = gateway.deps
  if ((await store.setting(SETTING)) !== undefined) return undefined
  await store.commit([{ op: 'put_setting_once', name: SETTING, value: new Date().toISOString() }])
  const { text } = await gateway.keys.create({ name: 'first key' })
  return { adminToken: gateway.adminGate.made, key: text }
}

/** Embeddings, pictures and sound share the catalogue. */
const isChat = (offer: Offer) => (offer.type ?? 'chat') === 'chat'

/** What it costs to ask for a text: known prices come before unknown ones, and no text comes at a price for pictures. */
const asks = ({ price }: Offer): boolean => price === undefined || billsTokens(price)

/** A model that the `curl` line can ask for: the demo, else the cheapest chat offer there is. */
export function modelForCurl(gateway: Gateway): string {
  const chat = gateway.deps
    .market()
    .listings.filter(l => l.site.builtIn || (isChat(l.offer) && asks(l.offer)))
  const cheapest = [...chat].sort(
    (a, b) =>
      (a.offer.price?.outputPico ?? Number.MAX_VALUE) - (b.offer.price?.outputPico ?? Number.MAX_VALUE),
  )[0]
  return cheapest?.offer.model ?? 'gpt-5-mini'
}

/** A POSIX-shell line that works as pasted. */
export function curlLine(url: string, key: string, model: string): string {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] })
  return `curl ${url}/v1/chat/completions -H 'Authorization: Bearer ${key}' -H 'Content-Type: application/json' -d '${body}'`
}

export function firstStartText(
  first: FirstStart,
  gateway: Gateway,
  urls: { data: string; admin: string },
): string {
  const { masterKey } = gateway
  const lines = [
    'Welcome to Switchgate. This is shown once.',
    '',
    `  Platform key   ${first.key}`,
    `  Admin token    ${first.adminToken ?? '(as set in SWITCHGATE_ADMIN_TOKEN)'}`,
    `  Dashboard      ${urls.admin}/dashboard`,
    `  Base URL       ${urls.data}/v1`,
    '',
    'Try it:',
    '',
    `  ${curlLine(urls.data, first.key, modelForCurl(gateway))}`,
    '',
  ]
  if (masterKey.made) {
    lines.push(
      `Master key ${gateway.vault.masterKeyFingerprint} was made: ${masterKey.path}`,
      '  It lies beside the database. Whoever has both can read the provider credentials; without it they are lost.',
      '  Back it up apart from the database, or keep it elsewhere with SWITCHGATE_MASTER_KEY_FILE.',
      '',
    )
  }
  return lines.join('\n')
}
