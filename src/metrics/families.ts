/** The families of what goes through: names, words, bounds. Filled by requests.ts and rows.ts. */
import { usdFromNano } from '../price.ts'
import { createCounter, createHistogram } from './registry.ts'

/** What a breakdown may name beside providers and models: `metrics.by` of the config. */
export type Breakdown = 'key' | 'project'

/** Bounds that OpenTelemetry advises (github.com/open-telemetry/semantic-conventions, gen-ai-metrics.md). */
const DURATION_BOUNDS = [
  0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
]
const TOKEN_BOUNDS = [
  1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
]
const TTFT_BOUNDS = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
/** Our own work is tenths of a millisecond. */
const OVERHEAD_BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
const FOLD_BOUNDS = [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1]
/** Histograms have some twenty lines a series. */
const HISTOGRAMS_MAX = 400

/** Told of by the access record of each request. */
export function requestFamilies() {
  return {
    requests: createCounter({
      name: 'switchgate_requests',
      help: 'Requests that have ended, by route and by the status that the caller got (499 = left before it).',
      labels: ['route', 'status'],
    }),
    durations: createHistogram(
      {
        name: 'switchgate_request_duration_seconds',
        help: 'From the head of a request to the last byte of its answer.',
        unit: 'seconds',
        labels: ['route'],
      },
      DURATION_BOUNDS,
    ),
    overhead: createHistogram(
      {
        name: 'switchgate_overhead_seconds',
        help: 'Time to the head of an answer less the waits for providers, as in x-switchgate-overhead-ms.',
        unit: 'seconds',
        labels: [],
      },
      OVERHEAD_BOUNDS,
    ),
    failures: createCounter({
      name: 'switchgate_failures',
      help: 'Requests that ended in an error, by what went wrong last.',
      labels: ['error'],
    }),
    refusals: createCounter({
      name: 'switchgate_refusals',
      help: 'Requests that a rate limit, a budget or the bound on requests at once refused, by that limit.',
      labels: ['error', 'limit'],
    }),
  }
}

const GEN_AI = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model'] as const
const SELLER = ['provider', 'model'] as const

/** OpenTelemetry's names, of the ledger's rows. */
export function genAiFamilies() {
  return {
    operations: createHistogram(
      {
        name: 'gen_ai_client_operation_duration_seconds',
        help: 'Attempts at providers: from sending to the last byte. error_type is empty when it went well.',
        unit: 'seconds',
        labels: [...GEN_AI, 'error_type'],
      },
      DURATION_BOUNDS,
      HISTOGRAMS_MAX,
    ),
    usage: createHistogram(
      {
        name: 'gen_ai_client_token_usage',
        help: 'Tokens of an attempt, as billed. Input includes what came from a cache.',
        labels: [...GEN_AI, 'gen_ai_token_type'],
      },
      TOKEN_BOUNDS,
      HISTOGRAMS_MAX,
    ),
    firstToken: createHistogram(
      {
        name: 'gen_ai_server_time_to_first_token_seconds',
        help: 'Streams that went well: from sending to the first content, of the attempt that answered.',
        unit: 'seconds',
        labels: GEN_AI,
      },
      TTFT_BOUNDS,
      HISTOGRAMS_MAX,
    ),
  }
}

/** Our own, of the ledger's rows. */
export function ledgerFamilies() {
  return {
    attempts: createCounter({
      name: 'switchgate_attempts',
      help: 'Rows of the ledger: exchanges with providers, by how they ended (ok, or the kind of failure).',
      labels: [...SELLER, 'outcome'],
    }),
    failovers: createCounter({
      name: 'switchgate_failovers',
      help: 'Attempts that failed and were followed by another one, by the provider that failed.',
      labels: ['provider', 'error'],
    }),
    answers: createCounter({
      name: 'switchgate_answers',
      help: 'Requests by the provider and model that answered, or failed last, and by class of status.',
      labels: [...SELLER, 'status_class'],
    }),
    tokens: createCounter({
      name: 'switchgate_tokens',
      help: 'Tokens. cached_input is a part of input, reasoning a part of output.',
      labels: [...SELLER, 'direction'],
    }),
    cost: createCounter(
      {
        name: 'switchgate_cost_usd',
        help: 'Cost of attempts, by how sure it is.',
        unit: 'usd',
        labels: [...SELLER, 'certainty'],
      },
      usdFromNano,
    ),
    unpriced: createCounter({
      name: 'switchgate_unpriced_attempts',
      help: 'Attempts of which nobody knows the price; they are not in the cost.',
      labels: SELLER,
    }),
    overrun: createCounter(
      {
        name: 'switchgate_overrun_usd',
        help: 'What providers billed beyond what budgets had held.',
        unit: 'usd',
        labels: [],
      },
      usdFromNano,
    ),
    folds: createHistogram(
      {
        name: 'switchgate_ledger_fold_seconds',
        help: 'Writing a batch of settled attempts into the database.',
        unit: 'seconds',
        labels: [],
      },
      FOLD_BOUNDS,
    ),
  }
}

/** What the config asks for beside providers and models. */
export function brokenDown(by: Breakdown) {
  const labels = [by]
  return {
    requests: createCounter({ name: `switchgate_${by}_requests`, help: `Requests of each ${by}.`, labels }),
    tokens: createCounter({
      name: `switchgate_${by}_tokens`,
      help: `Tokens of each ${by}.`,
      labels: [by, 'direction'],
    }),
    cost: createCounter(
      { name: `switchgate_${by}_cost_usd`, help: `Cost of each ${by}.`, unit: 'usd', labels },
      usdFromNano,
    ),
  }
}
