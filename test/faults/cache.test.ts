/** Cache marks and what they cost through translation: T21–T26, T28–T34. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answers, claudeStart, type Json, lastRow, type Rig, startRig, TOOLS, whole } from './rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig?.close())

const mark = { type: 'ephemeral' }
const long = { type: 'ephemeral', ttl: '1h' }
const text = (words: string, cache?: Json): Json => ({
  type: 'text',
  text: words,
  ...(cache && { cache_control: cache }),
})
const claudeSays = (usage: Json) =>
  answers({ ...(claudeStart(usage).message as Json), content: [text('Done.')], stop_reason: 'end_turn' })
const plain = { input_tokens: 100, output_tokens: 20 }

/** Every place of a request body that carries a cache mark, with the mark. */
function marksIn(value: unknown, path = ''): readonly (readonly [string, unknown])[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, member]) =>
    name === 'cache_control' ? [[path, member] as const] : marksIn(member, `${path}/${name}`),
  )
}

test('T28 marks on the Messages wire go to Claude as they are', async () => {
  rig.plays(claudeSays(plain))
  const body = {
    system: [text('Be brief.', long)],
    messages: [{ role: 'user', content: [text('A', mark), text('B')] }],
    tools: [{ name: 'add', input_schema: { type: 'object' }, cache_control: mark }],
  }
  await rig.messages('claude', body)
  expect(rig.seen[0]?.json()).toMatchObject(body)
})

test('T29 marks on the chat wire reach Claude block by block, with their TTL', async () => {
  rig.plays(claudeSays(plain))
  await rig.chat('claude', {
    messages: [
      { role: 'system', content: [text('Be brief.', long)] },
      { role: 'user', content: [text('A', mark), text('B')] },
    ],
  })
  expect(marksIn(rig.seen[0]?.json())).toEqual([
    ['/system/0', long],
    ['/messages/0/content/0', mark],
  ])
})

test('T30 a mark is not copied to other blocks, and five become four', async () => {
  rig.plays(claudeSays(plain))
  const parts = ['A', 'B', 'C', 'D', 'E'].map(words => text(words, mark))
  await rig.chat('claude', { messages: [{ role: 'user', content: [...parts, text('F')] }] })
  const marks = marksIn(rig.seen[0]?.json())
  expect(marks).toHaveLength(4)
  expect(marks.map(([path]) => path)).not.toContain('/messages/0/content/5')
})

test('T31 no marks are made up for a caller who set none', async () => {
  for (const send of [() => rig.chat('claude', { tools: TOOLS }), () => rig.messages('claude')]) {
    rig.plays(claudeSays(plain))
    await send()
    expect(marksIn(rig.seen[0]?.json())).toEqual([])
  }
})

test('T33 a mark on a system message works where the system prompt is parts, and beside a plain string nothing breaks', async () => {
  rig.plays(claudeSays(plain))
  await rig.chat('claude', {
    messages: [
      { role: 'system', content: 'Be brief.', cache_control: mark },
      { role: 'user', content: 'Hi' },
    ],
  })
  expect(marksIn(rig.seen[0]?.json())).toEqual([['/system/0', mark]])
})

test('T34 a target that knows no marks is sent none, and that is said', async () => {
  rig.plays(answers(whole({ content: 'Done.' })))
  const answer = await rig.messages('chat', { system: [text('Be brief.', mark)] })
  expect(marksIn(rig.seen[0]?.json())).toEqual([])
  expect(answer.headers.get('x-switchgate-dropped')).toContain('cache_control')
})

test('T21 T22 T23 T26 reads, writes of five minutes and of an hour are each billed once, whole and on both wires', async () => {
  const usage = {
    input_tokens: 1000,
    cache_read_input_tokens: 10_000,
    cache_creation_input_tokens: 3000,
    cache_creation: { ephemeral_5m_input_tokens: 2000, ephemeral_1h_input_tokens: 1000 },
    output_tokens: 100,
  }
  for (const send of [() => rig.chat('claude'), () => rig.messages('claude')]) {
    rig.plays(claudeSays(usage))
    expect((await send()).status).toBe(200)
    const row = await lastRow(rig)
    expect(row).toMatchObject({
      inputTokens: 14_000,
      cacheReadInputTokens: 10_000,
      cacheCreationInputTokens: 3000,
    })
    // USD per million: input 1, read 0.1, written 1.25, for an hour 2 (the file says nothing of it: twice the input), output 2
    expect(row.costNanoUsd).toBe(1_000_000 + 1_000_000 + 2000 * 1250 + 1000 * 2000 + 200_000)
  }
})

test('T24 T25 a chat caller of Claude is told the cached tokens as part of the prompt, and its own price counts them once', async () => {
  rig.plays(claudeSays({ input_tokens: 100, cache_read_input_tokens: 900, output_tokens: 20 }))
  const body = (await (await rig.chat('claude', { usage: { include: true } })).json()) as { usage: Json }
  expect(body.usage).toMatchObject({ prompt_tokens: 1000, prompt_tokens_details: { cached_tokens: 900 } })
  expect(body.usage.cost).toBe(0.00023)
})
