/** How targets are chosen, as the config file says it: strategies, wishes, conditions, aliases. Schemas for file.ts, and what load.ts makes of them. */
import { z } from 'zod'
import type { Preferences } from '../wire/extensions.ts'
import type { AliasConfig, ChoiceConfig, Condition, RoutingRule } from './schema.ts'

const ModelId = z
  .string()
  .regex(/^[^\s\p{Cc}]{1,256}$/u, 'a model id has 1 to 256 characters and no white space')

export const STRATEGY_NAMES = ['balanced', 'price', 'latency', 'throughput', 'weighted', 'priority'] as const
export const Strategy = z.enum(STRATEGY_NAMES, {
  error: issue =>
    typeof issue.input === 'string'
      ? `there is no strategy "${issue.input.slice(0, 40)}": use ${STRATEGY_NAMES.slice(0, -1).join(', ')} or ${STRATEGY_NAMES.at(-1)}`
      : undefined,
})

const names = (describe: string) =>
  z.array(z.string().min(1).max(256)).min(1).max(100).optional().describe(describe)
const flag = (describe: string) => z.boolean().optional().describe(describe)
const usd = (describe: string) => z.number().min(0).max(10_000).optional().describe(describe)
const size = (describe: string) => z.int().min(0).max(1_000_000_000).optional().describe(describe)

const WISHES = {
  order: names('Providers to ask first, in this order'),
  only: names('No other providers'),
  ignore: names('Not these providers'),
  allow_fallbacks: flag('false: only those of `order`; without it only the first choice'),
  max_price: z
    .strictObject({ prompt: usd('Per million input tokens'), completion: usd('Per million output tokens') })
    .optional()
    .describe('USD per million tokens: dearer ones are out'),
  require_parameters: flag('true: not where a parameter of the request would be dropped'),
  preferred_max_latency: z
    .number()
    .min(0)
    .optional()
    .describe('Seconds to the first token; slower ones come later'),
  preferred_min_throughput: z.number().min(0).optional().describe('Tokens a second; slower ones come later'),
  data_collection: z
    .enum(['allow', 'deny'])
    .optional()
    .describe('deny: only providers with `data.collects: false`'),
  zdr: flag('true: only providers with `data.retains: false`'),
  regions: names('Only providers of these regions; `eu` holds for `eu-west-1` too'),
}
const Wishes = z
  .strictObject(WISHES)
  .optional()
  .meta({
    description: `The same as \`provider\` of a request: ${Object.keys(WISHES).join(', ')}. A limit set here holds whatever the caller wishes`,
    folded: true,
  })

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
const TIMES = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/
const CONDITIONS = {
  keys: names('Ids of keys'),
  tags: names('A tag of the key or of the request'),
  models: names('Model names as callers write them'),
  metadata: z
    .record(z.string().min(1).max(64), z.union([z.string(), z.array(z.string()).min(1).max(100)]))
    .optional()
    .describe('Texts of the metadata of the key, else of the request'),
  tools: flag('With tools, or without'),
  images: flag('With images, or without'),
  json_schema: flag('With a JSON schema for the answer, or without'),
  stream: flag('Streamed, or whole'),
  min_input_tokens: size('Likely input tokens'),
  max_input_tokens: size('Likely input tokens'),
  between: z
    .string()
    .regex(TIMES, 'write it as 22:00-06:00')
    .refine(
      text => text.slice(0, 5) !== text.slice(6),
      'begins where it ends: leave it out for the whole day',
    )
    .optional()
    .describe('UTC, as in 22:00-06:00'),
  days: z
    .array(z.enum(DAYS))
    .min(1)
    .max(7)
    .optional()
    .describe('sun, mon, … in UTC; a night belongs to the day it begins on'),
}
const When = z.strictObject(CONDITIONS).meta({
  description: `All must hold, of a list one entry: ${Object.keys(CONDITIONS).join(', ')}`,
  folded: true,
})

const CHOICE = {
  models: z
    .array(ModelId)
    .min(1)
    .max(100)
    .describe(
      'Model names. Whoever sells any of them is ranked by the strategy; under priority, or with weights, one name comes after the other',
    ),
  strategy: Strategy.optional().describe('Default: routing.strategy'),
  weights: z
    .record(ModelId, z.number().min(0).max(1_000_000))
    .optional()
    .describe(
      'Shares of the traffic by model, as in { gpt-5: 90, gpt-5-mini: 10 }; a session keeps its side',
    ),
  provider: Wishes,
}

export const Alias = z.strictObject({
  ...CHOICE,
  rules: z
    .array(z.strictObject({ when: When, ...CHOICE }))
    .max(100)
    .default([])
    .describe('For some requests: the first rule that holds decides instead'),
})

export const Rules = z
  .array(
    z.strictObject({
      when: When,
      strategy: Strategy.optional().describe('Instead of routing.strategy'),
      provider: Wishes,
    }),
  )
  .max(1_000)
  .default([])
  .describe('How some requests are routed, by key, tag, time, …: the first rule that holds')

/** Members of a provider that concern choosing. */
export const CHOSEN_BY = {
  weight: z
    .number()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe('Share of the traffic under the strategy weighted; default 1'),
  priority: z
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .describe('Under the strategy priority, the lowest first; default 0'),
  region: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,64}$/, 'a region has letters, digits and "-"')
    .optional()
    .describe('Where it computes, as in eu or us-east-1; default: options.region or options.location'),
  data: z
    .strictObject({
      collects: flag('false: it does not keep what is sent for its own ends, training included'),
      retains: flag('false: it keeps nothing that is sent'),
    })
    .optional()
    .describe('What your contract with it says; what is not said is taken to be true'),
}

type FileWishes = z.infer<typeof Wishes>
type FileCondition = z.infer<typeof When>
type FileChoice = Omit<z.infer<typeof Alias>, 'rules'>

/** Without its undefined members: absence means no wish. */
function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  const members = Object.entries(value).filter(([, member]) => member !== undefined)
  return Object.fromEntries(members) as { [K in keyof T]: Exclude<T[K], undefined> }
}

function wishesOf(file: FileWishes): Preferences | undefined {
  if (!file) return undefined
  const { preferred_max_latency: seconds } = file
  return present({
    order: file.order,
    only: file.only,
    ignore: file.ignore,
    allowFallbacks: file.allow_fallbacks,
    maxPrice: file.max_price && present(file.max_price),
    requireParameters: file.require_parameters,
    preferredMaxLatencyMs: seconds === undefined ? undefined : seconds * 1000,
    preferredMinTokensPerSecond: file.preferred_min_throughput,
    dataCollection: file.data_collection,
    zdr: file.zdr,
    regions: file.regions,
  }) as Preferences
}

function conditionOf(file: FileCondition): Condition {
  const { min_input_tokens: min, max_input_tokens: max, between, days, metadata } = file
  const [, fromHour, fromMinute, toHour, toMinute] = TIMES.exec(between ?? '') ?? []
  return present({
    keys: file.keys,
    tags: file.tags,
    models: file.models,
    metadata:
      metadata &&
      Object.fromEntries(
        Object.entries(metadata).map(([name, text]) => [name, typeof text === 'string' ? [text] : text]),
      ),
    tools: file.tools,
    images: file.images,
    jsonSchema: file.json_schema,
    stream: file.stream,
    inputTokens: min === undefined && max === undefined ? undefined : present({ min, max }),
    between:
      between === undefined
        ? undefined
        : ([Number(fromHour) * 60 + Number(fromMinute), Number(toHour) * 60 + Number(toMinute)] as const),
    days: days?.map(day => DAYS.indexOf(day)),
  }) as Condition
}

const choiceOf = (file: FileChoice): ChoiceConfig => ({
  models: file.models,
  strategy: file.strategy,
  ...present({ weights: file.weights, preferences: wishesOf(file.provider) }),
})

/** An alias of the file as the program uses it. */
export const aliasOf = (file: z.infer<typeof Alias>): AliasConfig => ({
  ...choiceOf(file),
  ...(file.rules.length > 0 && {
    rules: file.rules.map(rule => ({ ...choiceOf(rule), when: conditionOf(rule.when) })),
  }),
})

/** `routing.rules` of the file as the program uses them. */
export const rulesOf = (file: z.infer<typeof Rules>): readonly RoutingRule[] =>
  file.map(({ when, strategy, provider }) => ({
    when: conditionOf(when),
    strategy,
    preferences: wishesOf(provider),
  }))
