/** Names Bedrock's errors: by the exception of a frame, by the type in a body, and by the few sentences that have no type of their own. */
import type { Failure } from '../../src/errors.ts'
import type { FramedMessage } from '../../src/wire/eventstream.ts'
import { isObject } from '../../src/wire/raw-json.ts'

/** docs.aws.amazon.com API_runtime_ConverseStream "Errors", API_runtime_InvokeModel "Errors"; names without case and `Exception`. */
const BY_NAME: Readonly<Record<string, Failure>> = {
  accessdenied: 'bad_credential',
  unrecognizedclient: 'bad_credential',
  invalidsignature: 'bad_credential',
  expiredtoken: 'bad_credential',
  missingauthenticationtoken: 'bad_credential',
  incompletesignature: 'bad_credential',
  internalserver: 'overloaded',
  modelerror: 'overloaded',
  modelnotready: 'rate_limited',
  modelstreamerror: 'overloaded',
  modeltimeout: 'overloaded',
  resourcenotfound: 'model_missing',
  servicequotaexceeded: 'rate_limited',
  serviceunavailable: 'overloaded',
  throttling: 'rate_limited',
  toomanyrequests: 'rate_limited',
}

/**
 * All of these are ValidationException, which has no code. Anchored at the start, so that a caller's text that is quoted
 * further back decides nothing. Sources: recorded answers, and BerriAI/litellm and vercel/ai issues that quote them.
 */
const BY_SENTENCE: readonly (readonly [RegExp, Failure])[] = [
  [/^(?:The model returned the following errors: )?Input is too long\b/i, 'context_length'],
  [/^(?:The model returned the following errors: )?Input Tokens Exceeded/i, 'context_length'],
  [/^(?:The model returned the following errors: )?prompt is too long(?::|$)/i, 'context_length'],
  [/^(?:The model returned the following errors: )?input length and `max_tokens` exceed/i, 'context_length'],
  [/^The provided model identifier is invalid/i, 'model_missing'],
  [/^Invocation of model ID \S+ with on-demand throughput/i, 'model_missing'],
  [/^This model version has reached the end of its life/i, 'model_missing'],
  [/^You don.t have access to the model with the specified model ID/i, 'model_missing'],
]

/** Failure of an error body; undefined = the status decides. */
export function classify(_status: number, body: unknown): Failure | undefined {
  if (!isObject(body)) return undefined
  const message = textOf(body.message) ?? textOf(body.Message)
  const said = message === undefined ? undefined : bySentence(message)
  return said ?? byName(textOf(body.__type))
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

const bySentence = (message: string): Failure | undefined =>
  BY_SENTENCE.find(([pattern]) => pattern.test(message))?.[1]

/** `com.amazon.coral.service#ThrottlingException:http://…`, `throttlingException` → the failure. */
function byName(name: string | undefined): Failure | undefined {
  const plain = /([A-Za-z]+?)(?:Exception|Error)?(?::.*)?$/.exec(name?.split('#').at(-1) ?? '')?.[1]
  const key = plain?.toLowerCase() ?? ''
  return Object.hasOwn(BY_NAME, key) ? BY_NAME[key] : undefined
}

export interface Exception {
  readonly kind: Failure
  /** Names the exception and nothing else: the provider's prose may name accounts and addresses. */
  readonly message: string
}

/** A frame that is no event: the stream is over. Undefined = it is an event. */
export function exceptionOf({ headers, payload }: FramedMessage): Exception | undefined {
  const type = headers[':message-type']
  if (type === undefined || type === 'event') return undefined
  const name = headers[':exception-type'] ?? headers[':error-code'] ?? ''
  const said = bySentence(headers[':error-message'] ?? messageIn(payload))
  const isValidation = /^validation/i.test(name)
  return {
    kind: said ?? byName(name) ?? (isValidation ? 'refused' : 'overloaded'),
    message: /^[A-Za-z]{1,60}$/.test(name)
      ? `the provider reported ${name}`
      : 'the provider reported an error',
  }
}

function messageIn(payload: string): string {
  try {
    const json: unknown = JSON.parse(payload)
    return isObject(json) ? (textOf(json.message) ?? '') : ''
  } catch {
    return ''
  }
}
