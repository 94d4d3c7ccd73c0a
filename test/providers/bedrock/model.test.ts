/** Ids of Bedrock's models: which profile they are called by, and which wire and address they have. */
import { describe, expect, test } from 'vitest'
import { anthropic } from '../../../providers/anthropic/index.ts'
import { createBedrock } from '../../../providers/bedrock/index.ts'
import { calledId } from '../../../providers/bedrock/model.ts'
import { openai } from '../../../providers/openai.ts'
import { overResponses } from '../../../providers/responses/index.ts'
import { loadCatalog } from '../../../providers/catalog/loader.ts'
import { demo } from '../../../providers/demo.ts'
import { KINDS } from '../../../providers/index.ts'
import { createTokens } from '../../../src/authorize/tokens.ts'
import { createMarket } from '../../../src/route/market.ts'
import { configFrom, opened } from '../../route/world.ts'

const SONNET = 'anthropic.claude-sonnet-4-5-20250929-v1:0'

describe('the id that is called', () => {
  test.each([
    [SONNET, 'us-east-1', `us.${SONNET}`],
    [SONNET, 'eu-central-1', `eu.${SONNET}`],
    [SONNET, 'ap-northeast-1', `jp.${SONNET}`],
    [SONNET, 'sa-east-1', `global.${SONNET}`],
    ['anthropic.claude-sonnet-4-20250514-v1:0', 'ap-south-1', 'apac.anthropic.claude-sonnet-4-20250514-v1:0'],
    ['anthropic.claude-3-haiku-20240307-v1:0', 'us-east-1', 'anthropic.claude-3-haiku-20240307-v1:0'],
    ['amazon.nova-pro-v1:0', 'us-east-1', 'amazon.nova-pro-v1:0'],
    ['amazon.nova-2-lite-v1:0', 'us-gov-west-1', 'us-gov.amazon.nova-2-lite-v1:0'],
    [`global.${SONNET}`, 'us-east-1', `global.${SONNET}`],
    [
      'arn:aws:bedrock:us-east-1:1:application-inference-profile/x',
      'us-east-1',
      'arn:aws:bedrock:us-east-1:1:application-inference-profile/x',
    ],
    ['house', 'us-east-1', 'house'],
  ])('%s in %s', (upstream, region, called) => {
    expect(calledId(upstream, { region })).toBe(called)
  })
  test('the option decides', () => {
    expect(calledId(SONNET, { region: 'us-east-1', inference_profile: 'none' })).toBe(SONNET)
    expect(calledId('amazon.nova-pro-v1:0', { region: 'us-east-1', inference_profile: 'us' })).toBe(
      'us.amazon.nova-pro-v1:0',
    )
  })
})

test('where models stand: Claude and others at the runtime, OpenAI’s closed ones at Mantle', () => {
  const place = createBedrock({ anthropic, openai, overResponses })
  const at = (upstream: string, region = 'us-east-1') =>
    place({ options: { region }, baseUrl: undefined, model: upstream, upstream })
  expect(at(SONNET)).toMatchObject({ baseUrl: 'https://bedrock-runtime.us-east-1.amazonaws.com' })
  expect(at('amazon.nova-pro-v1:0', 'cn-north-1')).toMatchObject({
    baseUrl: 'https://bedrock-runtime.cn-north-1.amazonaws.com.cn',
  })
  expect(at('openai.gpt-5.5')).toMatchObject({
    baseUrl: 'https://bedrock-mantle.us-east-1.api.aws/openai/v1',
  })
  expect(at('openai.gpt-oss-120b-1:0')).toMatchObject({
    baseUrl: 'https://bedrock-runtime.us-east-1.amazonaws.com',
  })
  expect(place({ options: {}, baseUrl: undefined, model: 'm', upstream: 'm' })).toHaveProperty('why')
})

test('AWS keys make a provider when the region is known, and none without it', () => {
  const keys = { AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE', AWS_SECRET_ACCESS_KEY: 's' }
  expect(Object.keys(configFrom('', keys).providers)).toEqual([])
  const { bedrock } = configFrom('', { ...keys, AWS_DEFAULT_REGION: 'eu-west-1' }).providers
  expect(bedrock?.credentials).toEqual([{ name: 'default', secret: 'aws://default', weight: 1 }])
  expect(configFrom('discover_env: false', { ...keys, AWS_REGION: 'eu-west-1' }).providers).toEqual({})
})

test('two wires at one address are two sites of the market', () => {
  const env: Record<string, string> = {
    AWS_BEARER_TOKEN_BEDROCK: 'ABSKtesttesttest',
    AWS_REGION: 'us-east-1',
  }
  const config = configFrom('', env)
  expect(Object.keys(config.providers)).toEqual(['bedrock'])
  const closed = () => {
    throw new Error('nothing is to be asked')
  }
  const market = createMarket({
    config,
    kinds: KINDS,
    catalog: loadCatalog(),
    credentials: opened(config, env),
    demo,
    signing: {
      now: () => 0,
      send: closed,
      metadata: undefined,
      pause: closed,
      env: name => env[name],
      readFile: undefined,
      tokens: createTokens({ now: () => 0 }),
      remember: closed,
      log: closed,
    },
  })
  const bedrock = market.listings.filter(({ site }) => site.name === 'bedrock')
  const claude = bedrock.find(({ offer }) => offer.upstream.startsWith('anthropic.'))
  const nova = bedrock.find(({ offer }) => offer.upstream === 'amazon.nova-pro-v1:0')
  expect(claude?.site.provider.messages).toBeDefined()
  expect(nova?.site.provider.messages).toBeUndefined()
  expect(nova?.site.provider.chat?.unframe).toBeDefined()
})
