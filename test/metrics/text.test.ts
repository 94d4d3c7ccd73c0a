/** The registry and its text: what no label, however hostile, may break, and what bounds everything. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCounter, createGauge, createHistogram, type Family } from '../../src/metrics/registry.ts'
import { CONTENT_TYPES, formOf, metricsText } from '../../src/metrics/text.ts'
import { readStrictly, sumOf } from './strict.ts'

const FORMS = ['prometheus', 'openmetrics'] as const

describe('labels', () => {
  test('of any text come back as they were, in one line, in both forms', () => {
    const nasty = ['"} 1\nevil_total 9', 'a\\', '\\n', '\r\n', '{}', '=",', '', 'äöü 😀', '# EOF\n']
    for (const form of FORMS) {
      const counter = createCounter({ name: 'x', help: 'X.', labels: ['a', 'b'] })
      for (const text of nasty) counter.add(counter.slot(text, 'plain'))
      const read = readStrictly(metricsText([counter], form), form)
      expect([...read.keys()]).toEqual(['x'])
      expect(read.get('x')?.samples.map(({ labels }) => labels.a)).toEqual(
        nasty.map(text => text.replace(/\r\n/g, '\n')),
      )
    }
  })

  test('of random text never make another line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), text => {
        const gauge = createGauge({ name: 'g', help: 'G.', labels: ['l'] }, () => [
          { values: [text], value: 1 },
        ])
        expect(metricsText([gauge], 'prometheus').split('\n')).toHaveLength(4)
        readStrictly(metricsText([gauge], 'openmetrics'), 'openmetrics')
      }),
    )
  })
})

describe('bounds', () => {
  test('a counter that has all its series counts the rest as other, and loses nothing', () => {
    const counter = createCounter({ name: 'x', help: 'X.', labels: ['model'] }, undefined, 10)
    for (let i = 0; i < 1_000; i++) counter.add(counter.slot(`m${i}`), 2)
    const read = readStrictly(metricsText([counter], 'prometheus'), 'prometheus')
    expect(read.get('x')?.samples).toHaveLength(11)
    expect(sumOf(read, 'x', { model: 'other' })).toBe(1_980)
    expect(sumOf(read, 'x')).toBe(2_000)
  })

  test('a gauge shows the first so many', () => {
    const many = Array.from({ length: 50 }, (_, i) => ({ values: [`${i}`], value: i }))
    const gauge = createGauge({ name: 'g', help: 'G.', labels: ['l'] }, () => many, 'gauge', 7)
    expect([...gauge.samples()]).toHaveLength(7)
  })
})

describe('histograms', () => {
  test('a value on a bound belongs to it, one above all of them to +Inf', () => {
    const family = { name: 'h_seconds', help: 'H.', unit: 'seconds', labels: ['l'] } as const
    const histogram = createHistogram(family, [0.1, 1, 10])
    const slot = histogram.slot('a')
    for (const value of [0.1, 0.1000001, 1, 11, 0]) histogram.observe(slot, value)
    // more series than the first array has room for
    for (let i = 0; i < 100; i++) histogram.observe(histogram.slot(`s${i}`), i)
    for (const form of FORMS) {
      const text = metricsText([histogram], form)
      const read = readStrictly(text, form)
      const of = (le: string) => sumOf(read, 'h_seconds', { l: 'a', le }, '_bucket')
      const one = form === 'openmetrics' ? '1.0' : '1'
      expect([of('0.1'), of(one), of('+Inf')]).toEqual([2, 4, 5])
      expect(sumOf(read, 'h_seconds', { l: 'a' }, '_sum')).toBeCloseTo(12.2000001, 6)
      expect(sumOf(read, 'h_seconds', { l: 's99' }, '_sum')).toBe(99)
      expect(read.get('h_seconds')?.unit).toBe(form === 'openmetrics' ? 'seconds' : undefined)
    }
  })
})

test('what a family is called depends on the form, what its lines are called does not', () => {
  const counter: Family = createCounter({ name: 'x', help: 'X.', labels: [] })
  ;(counter as ReturnType<typeof createCounter>).slot()
  expect(metricsText([counter], 'prometheus')).toBe('# HELP x_total X.\n# TYPE x_total counter\nx_total 0\n')
  expect(metricsText([counter], 'openmetrics')).toBe('# HELP x X.\n# TYPE x counter\nx_total 0\n# EOF\n')
})

test('Accept chooses the form', () => {
  const rows = [
    [null, 'prometheus'],
    ['*/*', 'prometheus'],
    ['text/plain', 'prometheus'],
    ['application/json', 'prometheus'],
    ['application/openmetrics-text', 'openmetrics'],
    ['application/openmetrics-text; version=1.0.0; charset=utf-8', 'openmetrics'],
    // as Prometheus 3 sends it
    [
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    ['text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.5', 'prometheus'],
    ['application/openmetrics-text;q=0', 'prometheus'],
  ] as const
  for (const [accept, form] of rows) expect(formOf(accept), String(accept)).toBe(form)
  expect(CONTENT_TYPES.prometheus).toContain('version=0.0.4')
})
