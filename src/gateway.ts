/** THE page: one request from top to bottom. Newcomers start here. */
import { addRateHeaders, admit, gone } from './admit.ts'
import { type Attempted, attempt, type Job } from './attempt/attempt.ts'
import { asGatewayError } from './attempt/bug.ts'
import { type Payer, payerOf } from './attempt/payer.ts'
import { authenticate } from './authenticate.ts'
import { countedInputTokens } from './count.ts'
import type { Admission, Deps, RateState } from './deps.ts'
import { GatewayError } from './errors.ts'
import { likelyInputTokens, longestPromptTokens } from './estimate.ts'
import { Answer } from './relay/answer.ts'
import { forBrowser } from './relay/browser.ts'
import type { Plan } from './route/plan.ts'
import { takePlace } from './route/pressure.ts'
import { planFor, remember } from './route/router.ts'
import { sealersFirst } from './route/seals.ts'
import { logOutcome } from './telemetry.ts'
import type { Call, Caller, Endpoint, Key, Outcome, Sink } from './terms.ts'
import { type Body, parseBody } from './wire/body.ts'
import { familiarTo } from './wire/familiar-request.ts'
import { parseForm } from './wire/metered/form.ts'
import type { ChatFacts } from './wire/openai.ts'
import { type Inbound, inboundOf } from './wire/inbound.ts'

export { asGatewayError }

const BODY_DEPTH_MAX = 64
/** Of an end user's name that rates are kept by. */
const USER_CHARS = 256

/** Serves one exchange, push-shaped and the same on every runtime. Never throws: what goes wrong is said in the caller's wire. */
export async function serve(call: Call, sink: Sink, endpoint: Endpoint, deps: Deps): Promise<Outcome> {
  const to = forBrowser(sink, call, deps.keys)
  const answer = new Answer(to instanceof Promise ? await to : to, endpoint.wire, call.id, deps.bytes)
  let caller: Caller | undefined
  let admission: Admission | undefined
  let attempted: Attempted | undefined
  let failure: GatewayError | undefined
  let placed = false
  let job: Job | undefined
  try {
    const inbound = inboundOf(endpoint) ?? noWire()
    refuseWhenClosed(deps)
    // a value that is there is not waited for: each wait is a promise and a turn of the queue
    const known = authenticate(call, deps, endpoint.scope)
    caller = known instanceof Promise ? await known : known
    takePlace(caller.key, deps)
    placed = true
    const sent = inbound.upload ? readForm(call, deps) : readJson(call, caller.key, deps)
    const body = sent instanceof Promise ? await sent : sent
    const asked = ask(inbound, body, call, caller, endpoint, deps)
    const { facts, payer, model, likely, plan } = asked
    const counted = {
      model: plan.targets[0]?.listing.offer.model ?? model,
      user: facts.user?.slice(0, USER_CHARS) ?? null,
    }
    const admitted = inbound.local
      ? admit(caller, 0, 0, counted, deps, answer)
      : admit(caller, likely, facts.maxOutputTokens, counted, deps, answer)
    admission = admitted instanceof Promise ? await admitted : admitted
    if (answer.left) throw gone()
    if (inbound.local) {
      const headers: string[] = []
      addRateHeaders(headers, admission.state)
      answer.whole(200, headers, tallied(inbound.local, asked, deps))
      admission.release(0)
    } else {
      job = {
        inbound,
        call,
        endpoint,
        caller,
        body,
        chatBody: undefined,
        facts,
        payer,
        model,
        likelyInputTokens: likely,
        plan,
        admission,
        answer,
        exchanges: 0,
        bills: [],
        isRaced: false,
      }
      attempted = await attempt(job, deps)
      failure = attempted.failure
      const { target, result, metered } = attempted
      const usage = facts.metering ? undefined : metered?.usage
      remember(plan, caller.key, { target, failure, ttftMs: result?.ttftMs, usage }, deps)
    }
  } catch (error) {
    failure = failureOf(error, call, caller, deps)
    answer.refuse(failure, ownHeaders(call, leave(admission, job), deps))
  }
  if (placed) deps.pressure?.leave()
  logOutcome({ call, endpoint, caller, answer, attempted, failure }, deps)
  return { status: answer.status, failure: failure?.kind, attempts: attempted?.attempts ?? 0 }
}

/** A request is over that nobody answered: nothing was consumed, unless somebody was asked. The limits as they stand then. */
function leave(admission: Admission | undefined, job: Job | undefined): RateState | undefined {
  if (job === undefined || job.exchanges === 0) return admission?.withdraw()
  admission?.release(0)
  return admission?.state
}

/** What was thrown as an error of ours; that a key may not is told to the audit log. */
function failureOf(error: unknown, call: Call, caller: Caller | undefined, deps: Deps): GatewayError {
  const failure = asGatewayError(error, deps)
  if (failure.kind === 'forbidden' && caller) deps.refused?.(failure.code, caller.key.id, call.peer)
  return failure
}

interface Asked {
  readonly facts: ChatFacts
  readonly payer: Payer
  readonly model: string
  readonly likely: number
  readonly plan: Plan
}

/** What is wanted, and who is to be asked for it. */
function ask(
  inbound: Inbound,
  body: Body,
  call: Call,
  caller: Caller,
  { operation }: Endpoint,
  deps: Deps,
): Asked {
  const facts = inbound.read(body, call)
  const payer = payerOf(caller.key, facts)
  const model = facts.model ?? caller.key.defaultModel ?? noModel()
  const likely = likelyInputTokens(facts)
  const wanted = {
    ...facts,
    model,
    likelyInputTokens: likely,
    longestPromptTokens: longestPromptTokens(facts),
    budgeted: budgetsThatRefuse(caller, payer, deps),
    operation,
    signed: inbound.signedBy && (() => inbound.signedBy?.(body) ?? new Set<string>()),
  }
  const planned = planFor(wanted, caller.key, deps)
  return { facts, payer, model, likely, plan: sealersFirst(planned, inbound, body, caller, deps.signatures) }
}

/** The answer to a count, of which nobody else is asked. */
function tallied(local: NonNullable<Inbound['local']>, asked: Asked, deps: Deps): Uint8Array {
  const { facts, model, likely, plan } = asked
  const offer = plan.targets[0]?.listing.offer
  const tokens = offer && countedInputTokens(facts, offer, deps.tokens)
  return deps.bytes.of(JSON.stringify(local(facts, tokens ?? likely, offer?.upstream ?? model)))
}

/** Does a budget count this model for this caller? An unknown price is not zero, so then it is not sold, unless the config allows it. */
const budgetsThatRefuse =
  ({ key }: Caller, { user, tags }: Payer, deps: Deps) =>
  (model: string): boolean =>
    deps.config().budgets.unpriced === 'refuse' && deps.ledger.applies(key, { user, tags, model })

function readJson(call: Call, key: Key, deps: Deps): Body | Promise<Body> {
  const bytes = call.read(deps.config().limits.bodyBytes)
  return bytes instanceof Promise ? bytes.then(all => parsed(all, key, deps)) : parsed(bytes, key, deps)
}

function parsed(bytes: Uint8Array, key: Key, { bytes: port }: Deps): Body {
  if (!port.isUtf8(bytes))
    throw new GatewayError('invalid_request', 'The request body is not valid UTF-8.', { param: 'body' })
  const familiar = familiarTo(key)
  const known = familiar.read(bytes, port.text)
  if (known) return known
  const body = parseBody(bytes, port.text(bytes), { depthMax: BODY_DEPTH_MAX })
  familiar.learn(body)
  return body
}

async function readForm(call: Call, deps: Deps): Promise<Body> {
  const { uploadBytes } = deps.config().limits
  try {
    return parseForm(await call.read(uploadBytes), call.header('content-type'))
  } catch (error) {
    if (!(error instanceof GatewayError) || error.kind !== 'too_large') throw error
    const message = `The upload is larger than ${uploadBytes} bytes (limits.upload_bytes).`
    throw new GatewayError('too_large', message, { param: 'body' })
  }
}

/** Headers of a refusal that no upstream had a part in. */
function ownHeaders(call: Call, state: RateState | undefined, deps: Deps): string[] {
  const overhead = deps.clock.monotonic() - call.startedAtMs
  const own = ['x-switchgate-attempts', '0', 'x-switchgate-overhead-ms', overhead.toFixed(2)]
  if (state) addRateHeaders(own, state)
  return own
}

function refuseWhenClosed(deps: Deps): void {
  const closed = deps.closed()
  if (closed === 'draining')
    throw new GatewayError('draining', 'This gateway is shutting down.', { retryAfterMs: 1000 })
  if (closed === 'sealed')
    throw new GatewayError('sealed', 'The vault is sealed. Restart the gateway to unseal it.')
}

function noWire(): never {
  throw new GatewayError('bug', 'an endpoint without a wire')
}

function noModel(): never {
  throw new GatewayError(
    'invalid_request',
    'model: is required, as in "gpt-5". GET /v1/models lists what this key can call.',
    {
      param: 'model',
    },
  )
}
