/**
 * What every adapter's golden folders must show between them. A folder shows a case by what stands in its files, not by its
 * name; an adapter that has no folder for a case says why, and the reason must not outlive its need.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import type { Setup } from './provider.ts'

/** A golden folder's files, read. */
interface Golden {
  readonly name: string
  readonly setup: Setup
  readonly client: Json
  /** 2-upstream-request.json */
  readonly sent: Json
  /** 3-upstream-response, whichever there is; '' = none. */
  readonly answer: string
  /** 4-client, whichever there is; '' = none. */
  readonly shown: string
  readonly stream: boolean
}

const text = (value: unknown): string => JSON.stringify(value) ?? ''
const isSent = ({ sent }: Golden): boolean => sent.error === undefined

/** Ids of the tool calls that the caller sees. */
const callsIn = ({ shown }: Golden): number =>
  new Set([...shown.matchAll(/"id": ?"([^"]+)", ?"type": ?"function"/g)].map(m => m[1])).size
const flat = (shown: string): string => shown.replace(/\n\s*/g, ' ')

const failureOf = ({ shown }: Golden): string | undefined => /"failure": ?"(\w+)"/.exec(shown)?.[1]

/** The provider says that the model would not, and the caller is told so. */
const isRefused = ({ answer, shown }: Golden): boolean =>
  /"(?:stop_reason|type)": ?"(?:response\.)?refusal\b|"refusal": ?"[^"]/.test(answer) &&
  /"refusal": ?"[^"]|"content_filter"/.test(shown)
const isFiltered = (golden: Golden): boolean =>
  /"finish_reason": ?"content_filter"|"kind": ?"content_filter"/.test(golden.shown) ||
  failureOf(golden) === 'content_filter'

const CASES: Readonly<Record<string, (golden: Golden) => boolean>> = {
  text: ({ stream, shown }) => !stream && /"content": ?"[^"]/.test(shown),
  'text, streamed': ({ stream, shown }) =>
    stream && /"content": ?"[^"]/.test(shown) && shown.includes('[DONE]'),
  tools: golden => golden.client.tools !== undefined && callsIn(golden) > 0,
  'tools, streamed': golden => golden.stream && callsIn(golden) > 0,
  'parallel tools': golden => callsIn(golden) > 1,
  'tool results with images': golden =>
    isSent(golden) &&
    ((golden.client.messages ?? []) as Json[]).some(
      m => m.role === 'tool' && text(m.content).includes('image_url'),
    ),
  json_schema: golden =>
    isSent(golden) && (golden.client.response_format as Json | undefined)?.type === 'json_schema',
  reasoning: ({ shown, stream }) => !stream && /"reasoning(?:_content)?": ?"[^"]/.test(shown),
  'reasoning, streamed': ({ shown, stream }) => stream && /"reasoning(?:_content)?": ?"[^"]/.test(shown),
  cache: ({ shown }) => /"(?:cached_tokens|cache_write_tokens)": ?[1-9]/.test(shown),
  PDF: golden => isSent(golden) && /application\/pdf/.test(text(golden.client)),
  refusal: golden => isRefused(golden),
  'refusal, streamed': golden => golden.stream && isRefused(golden),
  'content filter': golden => isFiltered(golden),
  'content filter, streamed': golden => golden.stream && isFiltered(golden),
  'the output limit': ({ shown }) => /"finish_reason": ?"length"/.test(shown),
  'error: its own words for a bad request': golden => golden.setup.status === 400,
  'error: a prompt that is too long': golden => failureOf(golden) === 'context_length',
  'error: a wrong credential': golden => golden.setup.status === 401 || golden.setup.status === 403,
  'error: no such model': golden => golden.setup.status === 404,
  'error: a rate limit': golden => golden.setup.status === 429,
  'error: a fault of theirs': golden => (golden.setup.status ?? 200) >= 500,
  'error inside a stream': ({ stream, shown }) => stream && /"error": ?\{/.test(shown),
  'truncated stream': ({ stream, shown }) =>
    stream && !shown.includes('[DONE]') && !shown.includes('"error"'),
}

function goldensOf(folder: string): Golden[] {
  const root = new URL(`../fixtures/${folder}/`, import.meta.url)
  if (!existsSync(root)) return []
  return readdirSync(root, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(({ name }) => {
      const read = (file: string): string => {
        const url = new URL(`${name}/${file}`, root)
        return existsSync(url) ? readFileSync(url, 'utf8') : ''
      }
      const sse = read('3-upstream-response.sse') || read('3-upstream-response.events.json')
      return {
        name,
        setup: JSON.parse(read('0-target.json') || '{}') as Setup,
        client: JSON.parse(read('1-client.json') || '{}') as Json,
        sent: JSON.parse(read('2-upstream-request.json') || '{}') as Json,
        answer: sse || read('3-upstream-response.json'),
        shown: flat(read('4-client.sse') || read('4-client.json')),
        stream: sse !== '' || existsSync(new URL(`${name}/4-client.sse`, root)),
      }
    })
}

/** What a cloud has of its own even where the wire is another's: how it says no, stops, and breaks off. */
const OF_THE_CLOUD = /^(?:text|error|content filter|refusal|the output limit|truncated stream)/

/**
 * Fails for each case that no folder shows and no reason excuses, and for each reason that nothing needs. `wire` = the folder of
 * the adapter that a cloud places, which shows what is no matter of the cloud's (clouds.test.ts proves that it is the same).
 */
export function requiredCases(
  folder: string,
  excused: Readonly<Record<string, string>> = {},
  wire?: string,
): void {
  describe(`golden folders: ${folder}`, () => {
    const goldens = goldensOf(folder)
    const lent = wire === undefined ? [] : goldensOf(wire)
    for (const [name, shows] of Object.entries(CASES)) {
      const why = excused[name]
      it(why === undefined ? `show ${name}` : `need not show ${name}: ${why}`, () => {
        const mayLend = !OF_THE_CLOUD.test(name)
        const found = [...goldens, ...(mayLend ? lent : [])].filter(shows).map(golden => golden.name)
        if (why === undefined)
          expect(found, `a folder in test/fixtures/${folder}/ that shows ${name}`).not.toEqual([])
        else expect(found, 'the excuse is no longer needed').toEqual([])
      })
    }
    it('excuses name cases', () => {
      expect(Object.keys(excused).filter(name => !Object.hasOwn(CASES, name))).toEqual([])
    })
  })
}
