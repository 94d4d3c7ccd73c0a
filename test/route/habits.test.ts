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

test('habits: keys and models that take turns are told apart, with room for all and without', () => {
  for (const habits of [createHabits(40), createHabits(8)]) {
    for (let i = 0; i < 60; i++) {
      habits.learn('one', 'm', usage(10))
      habits.learn('one', 'n', usage(20))
      for (let j = 0; j < 2; j++) habits.learn('two', 'n', usage(30))
    }
    expect(habits.expect('one', 'm').outputTokens).toBe(10)
    expect(habits.expect('one', 'n').outputTokens).toBe(20)
    expect(habits.expect('two', 'n').outputTokens).toBe(30)
    expect(habits.expect('three', 'm').outputTokens).toBe(10)
    expect(habits.expect('three', 'n').outputTokens).toBeGreaterThan(20)
  }
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
