/** The shape of `switchgate.yaml`: one strict schema with defaults and descriptions. load.ts reads with it, describe.ts prints it. */
import { z } from 'zod'
import { parseRef } from '../vault/ref.ts'
import { Metrics } from './metrics.ts'
import { Alerts, Budgets } from './money.ts'
import { QuirksSchema } from './quirks.ts'
import { Alias, CHOSEN_BY, Rules, Strategy } from './routing.ts'

/** Names that stand in `model@provider` and `provider/model`. */
const Name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'a name has letters, digits, ".", "_" and "-", at most 64, and starts with a letter or digit',
  )
const ModelId = z
  .string()
  .regex(/^[^\s\p{Cc}]{1,256}$/u, 'a model id has 1 to 256 characters and no white space')
const Url = z
  .string()
  .min(1)
  .describe('Address up to and including the version segment, as in https://api.openai.com/v1')

const ms = (defaultMs: number, describe: string) =>
  z.int().min(1).max(86_400_000).default(defaultMs).describe(describe)
const bytes = (defaultBytes: number, most: number, describe: string) =>
  z.int().min(1_024).max(most).default(defaultBytes).describe(describe)
const usd = (describe: string) =>
  z
    .number()
    .min(0)
    .max(10_000)
    .refine(
      usd => usd === 0 || usd >= 0.000001,
      'must be 0 (free) or at least 0.000001: less would round to nothing',
    )
    .optional()
    .describe(describe)
const tokens = (describe: string) => z.int().min(1).max(1_000_000_000).optional().describe(describe)

const TIMEOUTS = {
  connect_ms: ms(5_000, 'Time to connect, TLS included'),
  first_byte_ms: ms(120_000, 'Time to the head of a whole answer while another target is left'),
  first_token_ms: ms(
    12_000,
    'Time to the first content of a stream (reasoning counts) while another target is left',
  ),
  idle_ms: ms(10_000, 'Silence in a stream while changing target is still possible'),
  stall_ms: ms(60_000, 'Silence in a stream after content has gone out'),
  keepalive_ms: ms(15_000, 'Silence after which the client gets the head and a comment'),
  total_ms: ms(1_800_000, 'The whole request; the last target may use all of it'),
}

/** The same without defaults: what a provider may override. */
const TIMEOUT_OVERRIDES = Object.fromEntries(
  Object.entries(TIMEOUTS).map(([name, field]) => [
    name,
    field.unwrap().optional().describe(`Overrides timeouts.${name} for this provider`),
  ]),
) as { [K in keyof typeof TIMEOUTS]: z.ZodOptional<z.ZodInt> }

/** A literal secret is refused, and never repeated in the message. */
const SecretReference = z
  .string()
  .superRefine((text, context) => {
    const ref = parseRef(text)
    if (!('why' in ref)) return
    const scheme = /^([a-z][a-z0-9+-]{0,15}):\/\//.exec(text)?.[1]
    const message =
      scheme === 'env'
        ? "env:// takes the name of a variable that is not Switchgate's own, as in env://OPENAI_API_KEY"
        : scheme === 'file'
          ? 'file:// takes an absolute path, as in file:///run/secrets/openai'
          : scheme === 'vault'
            ? 'vault:// references are not supported yet: use env:// or file://'
            : 'a secret does not belong in this file: write env://NAME or file:///path, or add it with `switchgate credential add`'
    context.addIssue({ code: 'custom', message })
  })
  .describe('Where the secret is: env://NAME or file:///path; a literal secret is refused')

const weight = z.number().positive('must be above 0').max(1_000)
const Credential = z.strictObject({
  name: Name.describe('Your name for it, shown in logs and reports'),
  secret: SecretReference,
  weight: weight.default(1).describe('Share of traffic among the credentials'),
})

const Model = z.strictObject({
  upstream: ModelId.optional().describe('Id that the provider knows; default: the key'),
  input_usd_per_mtok: usd(
    'USD per million input tokens; default: the catalogue by canonical id, else unknown; 0 = free',
  ),
  output_usd_per_mtok: usd('USD per million output tokens'),
  cache_read_usd_per_mtok: usd('USD per million cached input tokens; default: the input price'),
  cache_write_usd_per_mtok: usd('USD per million tokens written to the cache; default: the input price'),
  audio_input_usd_per_mtok: usd(
    'USD per million tokens of sound that are read; default: the input price, as an estimate',
  ),
  audio_output_usd_per_mtok: usd(
    'USD per million tokens of sound that are written; default: the output price, as an estimate',
  ),
  unit_usd: z
    .record(
      z.string().regex(/^(image|character|second|search|moderation)(\/[\w-]{1,32}){0,2}$/, {
        error: 'a unit is image, character, second, search or moderation; image/1024x1792/hd is narrower',
      }),
      z.number().min(0).max(1_000),
    )
    .optional()
    .describe(
      'USD per unit where tokens are not what is paid: { image: 0.04, image/1024x1792: 0.08 }, { second: 0.0001 }',
    ),
  context_tokens: tokens('Context window'),
  max_output_tokens: tokens('Largest output'),
})

/** Header names that carry credentials, framing or what Switchgate sets itself. */
const RESERVED =
  /^(authorization|proxy-.*|x-api-key|api-key|x-goog-api-key|cookie|host|content-.*|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|accept-encoding)$/i

const Headers = z
  .record(
    z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/, 'not a header name')
      .refine(
        name => !RESERVED.test(name),
        'this header is set by Switchgate; secrets belong under credentials',
      ),
    z
      .string()
      .max(4_096)
      .regex(/^[\x20-\x7e]*$/, 'a header value is printable ASCII'),
  )
  .prefault({})
  .describe('Headers added to every request to this provider')

const Provider = z.strictObject({
  kind: z
    .string()
    .min(1)
    .optional()
    .describe('A host (groq, deepseek, …) or a wire (openai, anthropic, gemini); default: the name'),
  base_url: Url.optional().describe(
    'Own address, up to and including the version segment. With it no environment credential is used, and only `models` are sold',
  ),
  credentials: z.array(Credential).max(100).default([]).describe('References to secrets, never secrets'),
  models: z
    .record(ModelId, Model)
    .prefault({})
    .describe('Own models by the name that callers use; without base_url they add to the catalogue'),
  options: z
    .record(
      Name,
      z.string().regex(/^[A-Za-z0-9._-]{1,200}$/, 'an option has letters, digits, ".", "_" and "-"'),
    )
    .prefault({})
    .describe('What the address of some kinds needs (account, region, …)'),
  headers: Headers,
  on_disconnect: z
    .enum(['abort', 'drain'])
    .default('abort')
    .describe('When the client leaves: close the upstream, or read on to know the exact usage'),
  timeouts: z
    .strictObject(TIMEOUT_OVERRIDES)
    .prefault({})
    .meta({ description: 'Any of `timeouts`, for this provider only', folded: true }),
  ...CHOSEN_BY,
})

const Host = z.strictObject({
  base_url: Url,
  auth: z
    .enum(['bearer', 'x-api-key', 'x-goog-api-key', 'api-key', 'none'])
    .default('bearer')
    .describe('How the credential is sent'),
  env: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not the name of an environment variable'))
    .default([])
    .describe('Environment variables that may hold the key; the first one set wins'),
  quirks: QuirksSchema,
  source: z.string().default('config').describe('Where these facts come from, for your own record'),
})

/** The file. Every member has a default, so an empty file is a valid one. */
export const ConfigFile = z.strictObject({
  providers: z.record(Name, Provider).prefault({}).describe('Providers by your name for them'),
  hosts: z.record(Name, Host).prefault({}).describe('More OpenAI-compatible hosts, usable as `kind`'),
  aliases: z.record(ModelId, Alias).prefault({}).describe('Your own names for one or several models'),
  routing: z
    .strictObject({
      strategy: Strategy.default('balanced').describe('How targets are ordered'),
      rules: Rules,
      stream_guarantee: z
        .enum(['fast', 'settled', 'complete'])
        .default('fast')
        .describe(
          'What happens to a stream that breaks. fast: content goes out as it arrives, a break ends in an error. settled: the beginning is held back, so that early breaks are mended by another target. complete: all of it is held back, every break is mended',
        ),
      settle_ms: z
        .int()
        .min(0)
        .max(60_000)
        .default(2_000)
        .describe('settled: held back for so long after the first content'),
      settle_tokens: z
        .int()
        .min(1)
        .max(100_000)
        .default(64)
        .describe('settled: or until so many tokens have come'),
      around_content_filter: z
        .boolean()
        .default(false)
        .describe('Ask another target when one refuses with its content filter'),
      hedge: z
        .strictObject({
          share: z
            .number()
            .min(0)
            .max(0.5)
            .default(0)
            .describe(
              'Share of requests that may go to a second target too, when the first content is later than it is 19 times out of 20. The first content wins, both are billed. 0 = never; 0.03 is a good start',
            ),
        })
        .prefault({}),
    })
    .prefault({}),
  retries: z
    .strictObject({
      attempts: z.int().min(1).max(10).default(3).describe('Attempts for one request over all targets'),
    })
    .prefault({}),
  timeouts: z.strictObject(TIMEOUTS).prefault({}),
  limits: z
    .strictObject({
      body_bytes: bytes(10_485_760, 104_857_600, 'Largest request body'),
      upload_bytes: bytes(26_214_400, 1_073_741_824, 'Largest upload (audio, images)'),
      answer_bytes: bytes(33_554_432, 1_073_741_824, 'Largest whole answer of a provider'),
      event_bytes: bytes(1_048_576, 33_554_432, 'Largest single event of a stream'),
      default_max_output_tokens: z
        .int()
        .min(256)
        .max(1_000_000)
        .default(16_384)
        .describe('Output that is set aside when a caller with a budget names no limit'),
      concurrency: z
        .int()
        .min(1)
        .max(1_000_000)
        .optional()
        .describe(
          'Requests at once above which keys are refused, the lowest `priority` first: each step of a key has a tenth more room; default: no bound',
        ),
      throttle_ms: z
        .int()
        .min(0)
        .max(2_000)
        .default(0)
        .describe('How long a request may wait for its turn at a rate limit before it is refused'),
    })
    .prefault({}),
  budgets: Budgets,
  alerts: Alerts,
  metrics: Metrics,
  durability: z
    .enum(['process', 'power'])
    .default('process')
    .describe(
      'What a hold and a settlement survive before they are acknowledged: process = kill -9, power = a power cut too, at the price of one fdatasync a turn',
    ),
  egress: z
    .strictObject({
      allow: z
        .array(z.string())
        .max(1_000)
        .default([])
        .describe('Private addresses that may be reached, as host:port; plain http only for these'),
    })
    .prefault({}),
  retention: z
    .strictObject({
      requests_days: z
        .int()
        .min(1)
        .max(3_650)
        .nullable()
        .default(null)
        .describe(
          'Days that single requests are kept, in whole UTC days; null = for good. Sums of money stay',
        ),
    })
    .prefault({}),
  discover_env: z
    .boolean()
    .default(true)
    .describe('Make a provider of every kind whose variable is set (OPENAI_API_KEY, …)'),
})
export type ConfigFile = z.infer<typeof ConfigFile>
