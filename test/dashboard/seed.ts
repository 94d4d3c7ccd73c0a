/** A month of plausible traffic for the dashboard's tests and for looking at it. */
import type { AttemptRow } from '../../src/terms.ts'
import type { Rig } from '../admin/rig.ts'

/** Small deterministic dice (mulberry32). */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const SHARES = [
  ['checkout-service', 0.42],
  ['support-bot', 0.26],
  ['nightly-batch', 0.16],
  ['search-rerank', 0.08],
  ['alice-laptop', 0.04],
  ['staging', 0.03],
  ['<b onmouseover=alert(1)>bold</b>', 0.01],
] as const

const OFFERS = [
  ['openai', 'gpt-5', 9_000_000],
  ['anthropic', 'claude-sonnet-4-5', 14_000_000],
  ['openai', 'gpt-5-mini', 900_000],
  ['groq', 'gpt-oss-120b', 350_000],
] as const

const HOUR_MS = 3_600_000

/** Makes seven keys and about 900 requests over 30 days; the last one failed over. */
export async function seed(rig: Rig): Promise<void> {
  const roll = dice(7)
  const endMs = rig.nowMs
  rig.nowMs = endMs - 31 * 24 * HOUR_MS
  const keys = []
  for (const [name, share] of SHARES) {
    const budget = { window: 'month', limitNanoUsd: Math.round(share * 12e9), softNanoUsd: null } as const
    const day = { window: 'day', limitNanoUsd: 2e9, softNanoUsd: 1e9 } as const
    const budgets = share > 0.3 ? [budget, day] : share > 0.05 ? [budget] : []
    const { key } = await rig.deps.keys.create({ name, budgets, limits: { rpm: 600, tpm: 200_000 } })
    keys.push({ key, share })
    rig.nowMs += HOUR_MS
  }
  for (let hour = 0; hour < 30 * 24; hour++) {
    rig.nowMs = endMs - (30 * 24 - hour) * HOUR_MS
    const busy = 0.6 + 0.5 * Math.sin(((hour % 24) - 8) / 4) + hour / 1400
    for (const { key, share } of keys) {
      if (roll() > share * busy * 3) continue
      const [provider, model, cost] = OFFERS[Math.floor(roll() ** 1.7 * OFFERS.length)] ?? OFFERS[0]
      const failed = roll() < 0.03
      const row: Partial<AttemptRow> = failed
        ? {
            provider,
            model,
            upstreamModel: model,
            status: 502,
            error: 'overloaded',
            usage: null,
            costNanoUsd: 0,
            ttftMs: null,
            finishReason: null,
          }
        : {
            provider,
            model,
            upstreamModel: model,
            costNanoUsd: Math.round(cost * (0.4 + 2 * roll())),
            ttftMs: 120 + 900 * roll(),
          }
      rig.spend(key, row)
    }
    await rig.deps.ledger.fold()
  }
  rig.nowMs = endMs - 90_000
  const key = keys[0]?.key
  if (key !== undefined) {
    const first = {
      attempt: 1,
      last: false,
      status: 503,
      error: 'overloaded',
      usage: null,
      costNanoUsd: 0,
      ttftMs: null,
      finishReason: null,
    }
    rig.spend(key, { requestId: 'req_failedover', ...first, why: 'cheapest of 2' })
    rig.spend(key, {
      requestId: 'req_failedover',
      attempt: 2,
      provider: 'anthropic',
      model: 'claude-sonnet-4-5',
      upstreamModel: 'claude-sonnet-4-5-20250929',
      why: 'next after overloaded',
      answerId: 'msg_01',
    })
  }
  rig.nowMs = endMs - 40 * HOUR_MS
  const { vault } = rig.deps
  const kept = await vault.add({ provider: 'openai', name: 'main', secret: 'sk-good-seeded' })
  rig.nowMs += HOUR_MS
  rig.refEnv.ANTHROPIC_API_KEY = 'sk-good-referred'
  await vault.add({ provider: 'anthropic', name: 'team', ref: 'env://ANTHROPIC_API_KEY', weight: 3 })
  rig.nowMs = endMs - 2 * HOUR_MS
  await vault.replace(kept.id, 'sk-good-seeded-2', { graceMs: 24 * HOUR_MS })
  await vault.replace(kept.id, 'sk-good-seeded-3', { stage: 'pending' })
  rig.nowMs = endMs
  const { health } = rig.deps
  const now = rig.nowMs
  for (let count = 0; count < 20; count++) {
    health.observe(
      'openai/gpt-5/openai-main',
      { kind: 'ok', ttftMs: 380 + count, totalMs: 2400, outputTokens: 300 },
      now,
    )
    health.observe(
      'anthropic/claude-sonnet-4-5/anthropic-main',
      { kind: 'ok', ttftMs: 610, totalMs: 3900, outputTokens: 260 },
      now,
    )
  }
  health.observe('anthropic/claude-sonnet-4-5/anthropic-main', { kind: 'fault' }, now)
  health.observe('groq/gpt-oss-120b/groq-main', { kind: 'cool_down', untilMs: now + 42_000, told: true }, now)
}
