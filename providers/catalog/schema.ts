/** Text of a catalogue file → its data, or what is wrong with it and where. Read at start and by `catalog update`; not part of a request. */
import { z } from 'zod'
import { type CatalogFile, MARKS } from './import.ts'

/** One fault: a place in the file and the reason. */
export interface CatalogFault {
  readonly path: string
  readonly reason: string
}

export type ParsedCatalog =
  | { readonly ok: true; readonly file: CatalogFile }
  | { readonly ok: false; readonly faults: readonly CatalogFault[] }

/** More than $1,000 per million tokens has never been a price: it is a slip of units. */
const PICO_MAX = 1_000_000_000
const FAULTS_MAX = 20

const pico = z
  .int('must be a whole number of pico-USD per token (1 USD per million tokens = 1000000)')
  .min(0, 'a price is not negative')
  .max(PICO_MAX, 'is more than $1,000 per million tokens: is it pico-USD per token?')
const tokens = z.int().min(0).max(1_000_000_000)
const Name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'is not a provider name')
const ModelId = z.string().regex(/^[^\s\p{Cc}]{1,256}$/u, 'has 1 to 256 characters and no white space')

const letters = Object.values(MARKS).join('')
const Marks = z.string().regex(new RegExp(`^[${letters}]*$`), `is made of the letters ${letters}`)

const More = z.strictObject({
  tiers: z
    .array(z.tuple([z.int().positive(), pico, pico, pico.nullable(), pico.nullable()]))
    .min(1)
    .max(16)
    .optional(),
  reasoning: pico.optional(),
  variant: z.string().max(64).optional(),
  dimensions: z.int().positive().optional(),
})

/** Names of a row's columns in faults, in their order. */
const COLUMN_NAMES = [
  'upstream',
  'model',
  'input',
  'output',
  'cache_read',
  'cache_write',
  'context_tokens',
  'max_output_tokens',
  'marks',
  'source',
  'more',
]

const Row = z.tuple([
  ModelId,
  z.union([ModelId, z.literal('')]),
  pico,
  pico,
  pico.nullable(),
  pico.nullable(),
  tokens,
  tokens,
  Marks,
  z.int().min(0),
  More.optional(),
])

const File = z.strictObject({
  date: z.iso.date('must be a day, as in 2026-11-21'),
  sources: z
    .array(z.strictObject({ name: z.string().min(1).max(300), date: z.iso.date('must be a day') }))
    .min(1)
    .max(1_000),
  marks: z.record(z.string(), z.string()),
  columns: z.array(z.string()),
  offers: z.record(Name, z.array(Row).max(20_000)),
})

/** `['offers', 'openai', 3, 2]` → `offers.openai[3].input`. */
function placeOf(path: readonly PropertyKey[]): string {
  let text = ''
  path.forEach((part, at) => {
    if (path[0] === 'offers' && at === 3 && typeof part === 'number') text += `.${COLUMN_NAMES[part] ?? part}`
    else text += typeof part === 'number' ? `[${part}]` : `${text === '' ? '' : '.'}${String(part)}`
  })
  return text
}

/** What a shape cannot say: sources that exist, no doubles, ascending tiers, nothing free but trials, reads that cost no more than input. */
function rowFaults(file: CatalogFile): CatalogFault[] {
  const faults: CatalogFault[] = []
  for (const [provider, rows] of Object.entries(file.offers)) {
    const seen = new Set<string>()
    rows.forEach(([upstream, , input, output, read, , , , marks, source, more], at) => {
      const fault = (column: string, reason: string) =>
        void faults.push({ path: `offers.${provider}[${at}].${column}`, reason: `${upstream}: ${reason}` })
      if (seen.has(upstream)) fault('upstream', 'stands twice')
      seen.add(upstream)
      if (file.sources[source] === undefined) fault('source', `there is no sources[${source}]`)
      if (input + output === 0 && !marks.includes(MARKS.trial))
        fault('input', 'a price of 0 is for trial endpoints (mark T) only')
      if ((read ?? 0) > input) fault('cache_read', 'a cached read costs more than a plain one')
      const starts = more?.tiers?.map(([over]) => over ?? 0) ?? []
      if (starts.some((start, i) => i > 0 && start <= (starts[i - 1] ?? 0)))
        fault('more.tiers', 'must ascend by the tokens they start at')
    })
  }
  return faults
}

function jsonOf(text: string): { value: unknown } | CatalogFault {
  try {
    return { value: JSON.parse(text) }
  } catch (error) {
    return { path: '', reason: `is not JSON: ${error instanceof Error ? error.message.slice(0, 120) : ''}` }
  }
}

/** Never throws. At most 20 faults, each with its place; a file with one fault is refused whole. */
export function parseCatalog(text: string): ParsedCatalog {
  const json = jsonOf(text)
  if ('reason' in json) return { ok: false, faults: [json] }
  const parsed = File.safeParse(json.value)
  const faults: CatalogFault[] = parsed.success
    ? rowFaults(parsed.data as CatalogFile)
    : parsed.error.issues.map(issue => ({ path: placeOf(issue.path), reason: issue.message }))
  if (!parsed.success || faults.length > 0) return { ok: false, faults: faults.slice(0, FAULTS_MAX) }
  return { ok: true, file: parsed.data as CatalogFile }
}
