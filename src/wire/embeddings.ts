/** OpenAI's embeddings wire: whole answers that pass untouched, vectors and all. */
import type { Body } from './body.ts'
import { wrong } from './extensions.ts'
import type { Inbound } from './inbound.ts'
import type { ChatFacts } from './openai.ts'
import { promptFacts, readPrompts } from './prompts.ts'

/** Throws `invalid_request` with `param`. Nothing is written by the model, so no output is held for. */
function readEmbeddings(body: Body): ChatFacts {
  const { input, stream } = body.json
  if (input === undefined) throw wrong('input', 'is required, as in "The food was delicious."')
  if (stream === true) throw wrong('stream', 'embeddings come whole. Leave it out.')
  return { ...promptFacts(body, readPrompts(input, 'input')), maxOutputTokens: 0 }
}

export const embeddings: Inbound = { read: readEmbeddings }
