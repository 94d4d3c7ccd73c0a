/** Keeps the catalogue in use: what ships, or a newer one from the data folder; takes updates while the gateway runs. */
import { type CatalogFile, type Row, textOf } from '../../providers/catalog/import.ts'
import { type Catalog, createCatalog, loadCatalog, SHIPPED } from '../../providers/catalog/loader.ts'
import { type CatalogFault, parseCatalog } from '../../providers/catalog/schema.ts'
import { type CatalogUpdate, planUpdate } from '../../providers/catalog/update.ts'
import type { Log } from '../deps.ts'
import { GatewayError } from '../errors.ts'

/** Where an updated catalogue lies. `write` is atomic: a reader sees the old text or the new one. */
export interface CatalogPlace {
  /** Undefined = there is none. */
  read(): string | undefined
  write(text: string): void
  remove(): void
}

/** What is in use, for views. */
export interface CatalogState {
  readonly origin: 'built-in' | 'updated'
  readonly file: CatalogFile
  readonly builtInDate: string
  /** Why an update in the data folder is not in use. */
  readonly ignored: string | undefined
}

export interface UpdateOptions {
  /** Hex; the text's own must be this one. */
  readonly sha256?: string | undefined
  /** `provider/upstream` ids whose far moves are meant. */
  readonly accept?: readonly string[] | undefined
  /** Only say what would happen. */
  readonly dryRun?: boolean | undefined
}

export interface UpdateReport extends CatalogUpdate {
  readonly applied: boolean
  readonly from: string
  readonly to: string
  readonly sha256: string
}

export interface CatalogKeeper {
  catalog(): Catalog
  state(): CatalogState
  /** Throws GatewayError `invalid_request` naming the place of each fault; then nothing has changed. */
  update(text: string, options?: UpdateOptions): Promise<UpdateReport>
  /** The same for data that is already one. */
  take(next: CatalogFile, options?: UpdateOptions): Promise<UpdateReport>
  /** Back to what ships with this version. */
  reset(): void
}

export interface KeeperOptions {
  readonly place: CatalogPlace
  readonly log: Log
  /** The catalogue in use is another one now. */
  readonly onChange: () => void
}

/** An update that would drop more than this share of the offers is no whole catalogue. */
const DROPPED_MAX = 0.5

/** SHA-256 of UTF-8 text, hex. */
export async function sha256Of(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return [...new Uint8Array(digest)].map(byte => byte.toString(16).padStart(2, '0')).join('')
}

const faultText = (faults: readonly CatalogFault[]) =>
  faults.map(({ path, reason }) => (path === '' ? `the file ${reason}` : `${path}: ${reason}`)).join('; ')

const refuse = (message: string, param: string): never => {
  throw new GatewayError('invalid_request', message, { param })
}

const offersIn = (file: CatalogFile) =>
  Object.values(file.offers).reduce((sum, rows: readonly Row[]) => sum + rows.length, 0)

/** What the data folder holds, if it can be used; never stops a start. */
function stored(place: CatalogPlace): { file: CatalogFile } | { why: string } | undefined {
  let text: string | undefined
  try {
    text = place.read()
  } catch (error) {
    return { why: `it cannot be read: ${error instanceof Error ? error.message : 'unknown'}` }
  }
  if (text === undefined) return undefined
  const parsed = parseCatalog(text)
  if (!parsed.ok) return { why: `it is faulty: ${faultText(parsed.faults.slice(0, 3))}` }
  if (parsed.file.date < SHIPPED.date)
    return {
      why: `it is of ${parsed.file.date}, older than the one of this version (${SHIPPED.date}): update it again`,
    }
  return { file: parsed.file }
}

export function createKeeper({ place, log, onChange }: KeeperOptions): CatalogKeeper {
  const found = stored(place)
  let ignored = found !== undefined && 'why' in found ? found.why : undefined
  let updated = found !== undefined && 'file' in found ? found.file : undefined
  let catalog = updated === undefined ? loadCatalog() : createCatalog(updated)
  if (ignored !== undefined) log('warn', 'catalog.update_ignored', { why: ignored })
  const current = () => updated ?? SHIPPED

  const take = async (next: CatalogFile, options: UpdateOptions = {}, sha256 = ''): Promise<UpdateReport> => {
    const from = current()
    if (next.date < from.date)
      refuse(`it is of ${next.date}, older than the catalogue in use (${from.date})`, 'date')
    const plan = planUpdate(from, next, new Set(options.accept))
    if (plan.removed.length > offersIn(from) * DROPPED_MAX)
      refuse(
        `it would drop ${plan.removed.length} of ${offersIn(from)} offers: a catalogue file is whole, not a part`,
        'offers',
      )
    const report = { ...plan, from: from.date, to: next.date, sha256 }
    if (options.dryRun) return { ...report, applied: false }
    const fresh = createCatalog(plan.file)
    place.write(textOf(plan.file))
    updated = plan.file
    ignored = undefined
    catalog = fresh
    for (const { provider, upstream, reason } of plan.refused)
      log('warn', 'catalog.price_refused', { provider, model: upstream, why: reason })
    log('info', 'catalog.updated', {
      date: plan.file.date,
      added: plan.added.length,
      removed: plan.removed.length,
      repriced: plan.repriced.length,
      refused: plan.refused.length,
    })
    onChange()
    return { ...report, applied: true }
  }

  return {
    catalog: () => catalog,
    state: () => ({
      origin: updated === undefined ? 'built-in' : 'updated',
      file: current(),
      builtInDate: SHIPPED.date,
      ignored,
    }),
    take,
    async update(text, options = {}) {
      const sha256 = await sha256Of(text)
      if (options.sha256 !== undefined && options.sha256.toLowerCase() !== sha256)
        refuse(
          `the SHA-256 of the text is ${sha256}, not the one given: it is damaged, or another file`,
          'sha256',
        )
      const parsed = parseCatalog(text)
      if (!parsed.ok) return refuse(faultText(parsed.faults), 'text')
      return take(parsed.file, options, sha256)
    },
    reset() {
      place.remove()
      updated = undefined
      ignored = undefined
      catalog = loadCatalog()
      log('info', 'catalog.reset', { date: SHIPPED.date })
      onChange()
    },
  }
}
