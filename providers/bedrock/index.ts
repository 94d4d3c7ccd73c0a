/** Amazon Bedrock: Claude by its own Messages wire, every other model by Converse. docs.aws.amazon.com/bedrock */
import { type Cloud, isClaude } from '../cloud.ts'
import type { Provider } from '../provider.ts'
import { claudeOnBedrock } from './claude.ts'
import { decode } from './decode.ts'
import { embeddings } from './embeddings.ts'
import { encode } from './encode.ts'
import { classify } from './failure.ts'
import { createMantle, isClosed, type MantleWires } from './mantle.ts'
import { NAME } from './model.ts'
import { REASONING_FORMAT } from './reasoning.ts'
import { decodeStream, unframe } from './stream.ts'

/** Chat ⇄ Converse and ConverseStream, for models of any maker; embeddings ⇄ InvokeModel. */
export const converse: Provider = {
  name: NAME,
  auth: 'sigv4',
  chat: { encode, decode, decodeStream, unframe },
  embeddings,
  classify,
  readsSignature: format => format === REASONING_FORMAT,
}

/** Bedrock as a cloud: both wires stand at one address, OpenAI's closed models at Mantle. The makers' adapters are handed in, because no provider imports another. */
export function createBedrock(wires: MantleWires): Cloud {
  const claude = claudeOnBedrock(wires.anthropic)
  const mantle = createMantle(wires)
  return request => {
    const { region } = request.options
    const own = request.baseUrl?.replace(/\/+$/, '')
    if (own === undefined && region === undefined) return { why: 'Bedrock needs the option "region"' }
    if (own === undefined && isClosed(request.upstream)) return mantle(request)
    const domain = region?.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
    return {
      provider: isClaude(request) ? claude : converse,
      baseUrl: own ?? `https://bedrock-runtime.${region}.${domain}`,
    }
  }
}
