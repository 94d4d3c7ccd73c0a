/** /rerank as Cohere, Jina and Voyage have it: a query and documents in, scores out. */
import type { Body } from '../body.ts'
import { isObject, wrong } from '../extensions.ts'
import type { Inbound } from '../inbound.ts'
import type { ChatFacts } from '../openai.ts'
import { meteredFacts, required, usageOf, utf8Bytes } from './facts.ts'

const DOCUMENTS_MAX = 10_000
/** A search is a query with up to 100 documents; longer ones are cut into pieces of 500 tokens with the query (Cohere, "Pricing"). */
const DOCUMENTS_PER_SEARCH = 100
const PIECE_TOKENS = 500
const PIECE_TOKENS_LEAST = 50
const BYTES_PER_TOKEN = 4

/** Tokens of a document in one piece, beside the query. */
const pieceOf = (queryTokens: number): number => Math.max(PIECE_TOKENS - queryTokens, PIECE_TOKENS_LEAST)

/** Throws `invalid_request` with `param`. Token prices count the query once for each document (Voyage, "Pricing"). */
function readRerank(body: Body): ChatFacts {
  const { json } = body
  const query = required(json, 'query', '"Which fruit is red?"')
  const { documents } = json
  if (!Array.isArray(documents) || documents.length === 0 || documents.length > DOCUMENTS_MAX)
    throw wrong('documents', `must be an array of 1 to ${DOCUMENTS_MAX} texts.`)
  const texts = documents.map((one: unknown, i) => {
    if (typeof one === 'string') return one
    if (isObject(one)) return typeof one.text === 'string' ? one.text : JSON.stringify(one)
    throw wrong(`documents[${i}]`, 'must be a text or an object.')
  })
  const asked = utf8Bytes(query)
  const piece = pieceOf(asked)
  const likelyPiece = pieceOf(asked / BYTES_PER_TOKEN) * BYTES_PER_TOKEN
  let pieces = 0
  let likelyPieces = 0
  let read = 0
  for (const text of texts) {
    const bytes = utf8Bytes(text)
    pieces += Math.max(1, Math.ceil(bytes / piece))
    likelyPieces += Math.max(1, Math.ceil(bytes / likelyPiece))
    read += bytes + asked
  }
  const searches = (count: number) => ({ kind: 'search', count: Math.ceil(count / DOCUMENTS_PER_SEARCH) })
  const facts = meteredFacts(body, [query, ...texts], {
    outputTokens: 0,
    units: searches(pieces),
    likely: usageOf(Math.ceil(read / BYTES_PER_TOKEN), 0, searches(likelyPieces)),
    certain: false,
  })
  return { ...facts, textBytes: read, stream: false }
}

export const rerank: Inbound = { read: readRerank, native: provider => provider.rerank }
