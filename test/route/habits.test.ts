/** The memory of habits and sessions is bounded: what was used longest ago goes, what is in use stays. */
import { expect, test } from 'vitest'
import { createHabits, NO_HABIT } from '../../src/route/habits.ts'
import { createSessions } from '../../src/route/sticky.ts'

const usage = (outputTokens: number) => ({
  inputTokens: 2_000,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  outputTokens,
  reasoningOutputTokens: 0,
})

test('habits: whoever goes on asking is remembered, however many others come and go', () => {
  const habits = createHabits(40)
  habits.learn('gone', 'never asked again', usage(7))
  for (let i = 0; i < 1_000; i++) {
    habits.learn('stays', 'm', usage(100))
    habits.learn(`passer-by ${i}`, 'm', usage(900))
    // everybody's habit stands in where one's own is forgotten
    expect(habits.expect('stays', 'm').outputTokens).toBe(100)
  }
  expect(habits.expect('gone', 'never asked again')).toBe(NO_HABIT)
  expect(habits.expect('passer-by 999', 'm').outputTokens).toBe(900)
  expect(habits.expect('passer-by 900', 'm').outputTokens).not.toBe(900)
})

test('sessions: the same', () => {
  const sessions = createSessions(40)
  const tokens = { input: 5_000, cacheRead: 0 }
  sessions.keep('gone', 'a', tokens, 0)
  for (let i = 0; i < 1_000; i++) {
    sessions.keep('stays', 'a', tokens, i)
    sessions.keep(`passer-by ${i}`, 'a', tokens, i)
    expect(sessions.size).toBeLessThanOrEqual(40)
    expect(sessions.find('stays', i)?.atMs).toBe(i)
  }
  expect(sessions.find('gone', 1_000)).toBeUndefined()
  expect(sessions.find('passer-by 999', 1_000)).toBeDefined()
  expect(sessions.find('passer-by 900', 1_000)).toBeUndefined()
})
