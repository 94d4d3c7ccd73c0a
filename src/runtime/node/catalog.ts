/** Where an updated catalogue lies on Node: `catalog.json` in the data folder, written beside and renamed; and text from an address. */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import type { CatalogPort } from '../../admin/catalog.ts'
import { type CatalogKeeper, type CatalogPlace, createKeeper } from '../../catalog/keeper.ts'
import { askProviders, withListed } from '../../catalog/refresh.ts'
import type { Deps, Log } from '../../deps.ts'
import { GatewayError } from '../../errors.ts'
import type { Send } from '../../terms.ts'
import type { DataFolder } from './folder.ts'
import { sendFetch } from './send-fetch.ts'

const FILE = 'catalog.json'
const BYTES_MAX = 32 << 20
const ANSWER_MS_MAX = 30_000

export function catalogPlace(folder: Pick<DataFolder, 'file'>): CatalogPlace {
  const path = folder.file(FILE)
  return {
    read() {
      const stat = statSync(path, { throwIfNoEntry: false })
      if (stat === undefined) return undefined
      if (!stat.isFile() || stat.size > BYTES_MAX) throw new Error(`${path} is not a catalogue file`)
      return readFileSync(path, 'utf8')
    },
    write(text) {
      const beside = `${path}.new`
      rmSync(beside, { force: true })
      const file = openSync(beside, 'wx', 0o600)
      try {
        writeFileSync(file, text)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      renameSync(beside, path)
    },
    remove: () => rmSync(path, { force: true }),
  }
}

/** The text at an address, through the guarded way out. Throws GatewayError `invalid_request` with the reason; redirects are not followed. */
export async function fetchText(url: string, send: Send): Promise<string> {
  const failed = (why: string) =>
    new GatewayError('invalid_request', `${new URL(url).host}: ${why}`, { param: 'url' })
  let answer: Response
  try {
    answer = await sendFetch(send)(url, { signal: AbortSignal.timeout(ANSWER_MS_MAX) })
  } catch (error) {
    const words = error instanceof Error ? error.message : 'no answer'
    throw failed(
      /egress guard/.test(words)
        ? 'the egress guard refused this address: only https to public hosts, or what egress.allow lists'
        : words,
    )
  }
  if (answer.status >= 300 && answer.status < 400)
    throw failed(`it redirects (status ${answer.status}): give the address that it leads to`)
  if (!answer.ok) throw failed(`it answered with status ${answer.status}`)
  return answer.text()
}

/** The catalogue of one gateway, before it has a way out, and the admin plane's port to it afterwards. */
export interface OwnCatalog {
  readonly keeper: CatalogKeeper
  port(deps: Pick<Deps, 'send' | 'market' | 'config' | 'clock' | 'scrub'>): CatalogPort
}

export interface OwnCatalogOptions {
  readonly folder: DataFolder
  readonly log: Log
  readonly onChange: () => void
}

export function openCatalog({ folder, log, onChange }: OwnCatalogOptions): OwnCatalog {
  const keeper = createKeeper({ place: catalogPlace(folder), log, onChange })
  return {
    keeper,
    port: ({ send, market, config, clock, scrub }) => ({
      keeper,
      fetchText: url => fetchText(url, send),
      askProviders: () =>
        askProviders(market().sites, {
          fetch: sendFetch(send),
          catalog: keeper.catalog(),
          kindOf: name => config().providers[name]?.kind ?? name,
          isOwn: name => config().providers[name]?.baseUrl !== undefined,
          ownOf: name => Object.values(config().providers[name]?.models ?? {}).map(model => model.upstream),
          scrub,
        }),
      withListed: lists => {
        const today = new Date(clock.now()).toISOString().slice(0, 10)
        return withListed(keeper.state().file, keeper.catalog(), lists, today)
      },
    }),
  }
}
