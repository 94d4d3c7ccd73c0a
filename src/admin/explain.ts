/** `POST /admin/v1/route/explain`: the body of a chat request → who would be asked, in which order, and why. Calls nobody. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { likelyInputTokens } from '../estimate.ts'
import { type Explanation, explain, type Judged } from '../route/explain.ts'
import type { Key } from '../terms.ts'
import { parseBody } from '../wire/body.ts'
import { readChat } from '../wire/openai.ts'
import { usdOrNull } from '../wire/plain.ts'
import type { AdminDeps } from './deps.ts'
import { type AdminRoute, withBody } from './route.ts'
import { explainShape } from './shapes.ts'

const BODY_DEPTH_MAX = 64

/** Stands for a caller without any limits. */
const ANYBODY: Key = {
  id: '',
  lineage: '',
  hash: '',
  pepperVersion: 0,
  name: '',
  env: 'live',
  status: 'active',
  project: null,
  owner: null,
  createdAtMs: 0,
  expiresAtMs: null,
  models: null,
  providers: null,
  limits: { rpm: null, tpm: null, rpd: null, concurrency: null },
  budgets: [],
  ipAllow: null,
  ipDeny: null,
  maxOutputTokens: null,
  defaultModel: null,
  tags: [],
  metadata: {},
  regions: null,
}

function keyOf(deps: AdminDeps, id: string | null): Key {
  if (id === null) return ANYBODY
  const key = deps.keys.get(id)
  if (key) return key
  throw new GatewayError('not_found', 'there is no such key', { param: 'key' })
}

/** A score of infinity is no number in JSON: it says "only if nobody else is there". */
const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null

function judgedWire({ target, score, candidate, inFlight }: Judged, index: number): Record<string, unknown> {
  const { offer, site } = target.listing
  const { credential } = target
  return {
    rank: index + 1,
    provider: site.name,
    model: offer.model,
    upstream_model: offer.upstream,
    credential: credential === undefined ? null : { id: credential.id, name: credential.name },
    score: finite(score),
    likely_cost_usd: usdOrNull(candidate?.likelyNanoUsd ?? null),
    success_rate: candidate?.success ?? null,
    ttft_ms: candidate?.ttftMs ?? null,
    tokens_per_second: candidate?.tokensPerSecond ?? null,
    in_flight: inFlight,
    why: target.why,
  }
}

function explanationWire(model: string, tokens: number, explained: Explanation): Record<string, unknown> {
  const { strategy, targets, excluded, refusal, session } = explained
  return {
    model,
    strategy: strategy ?? null,
    likely_input_tokens: tokens,
    session: session ?? null,
    targets: targets.map(judgedWire),
    excluded: excluded.map(({ provider, model: upstream, reason }) => ({
      provider,
      upstream_model: upstream,
      reason,
    })),
    refusal: refusal ? { status: refusal.status, code: refusal.code, message: refusal.message } : null,
  }
}

export const explainRoutes: readonly AdminRoute[] = [
  withBody({
    method: 'POST',
    path: '/route/explain',
    summary: 'Who would be asked for this chat request, in which order, and why the others are out.',
    query: { key: 'id of a key: its policy and what is known of it; without it, nobody’s' },
    body: z.looseObject({
      model: z.string().optional().describe('Absent = the default model of the key'),
      messages: z.array(z.unknown(), {
        error: 'must be a list of messages, as in [{"role": "user", "content": "Hello."}]',
      }),
    }),
    response: explainShape,
    handle(deps, { body, query }) {
      if (!deps.routing) throw new GatewayError('not_found', 'routes cannot be explained here')
      const text = JSON.stringify(body)
      const facts = readChat(parseBody(new TextEncoder().encode(text), text, { depthMax: BODY_DEPTH_MAX }))
      const key = keyOf(deps, query.get('key'))
      const model = facts.model ?? key.defaultModel
      if (model == null)
        throw new GatewayError('invalid_request', '`model`: is required, as in "gpt-5"', { param: 'model' })
      const tokens = likelyInputTokens(facts)
      const explained = explain({ ...facts, model, likelyInputTokens: tokens }, key, deps.routing())
      return { json: explanationWire(model, tokens, explained) }
    },
  }),
]
