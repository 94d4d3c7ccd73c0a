/** The exports of OpenAI's and Anthropic's consoles: columns as they write them, invented figures. */
import { describe, expect, it } from 'vitest'
import { InvoiceError, parseCsv, plainName, readInvoice } from '../../src/ledger/invoice.ts'
import { ANTHROPIC_COST, ANTHROPIC_USAGE, OPENAI_COST, OPENAI_USAGE } from './exports.ts'

describe('exports', () => {
  it('OpenAI’s usage: minutes and keys summed to days and models, empty buckets left out', () => {
    expect(readInvoice(OPENAI_USAGE)).toEqual({
      format: 'openai-usage',
      data: [
        {
          day: '2026-11-20',
          model: 'gpt-5-2025-08-07',
          requests: 5,
          inputTokens: 5_212,
          outputTokens: 1_773,
          costNanoUsd: undefined,
        },
        {
          day: '2026-11-21',
          model: 'gpt-5-mini',
          requests: 1,
          inputTokens: 10,
          outputTokens: 20,
          costNanoUsd: undefined,
        },
      ],
    })
  })

  it('OpenAI’s cost: line items summed by their model, quoted cells and a byte order mark read', () => {
    const { format, data } = readInvoice(OPENAI_COST)
    expect(format).toBe('openai-cost')
    expect(data).toMatchObject([{ day: '2026-11-20', model: 'gpt-5-nano', costNanoUsd: 503_835_980 }])
  })

  it('Anthropic’s usage: all kinds of input are input', () => {
    const { format, data } = readInvoice(ANTHROPIC_USAGE)
    expect(format).toBe('anthropic-usage')
    expect(data).toMatchObject([
      { day: '2026-11-20', model: 'claude-sonnet-4-5-20250929', inputTokens: 62_979, outputTokens: 17_000 },
      { day: '2026-11-21', model: 'claude-haiku-4-5-20251001', inputTokens: 5, outputTokens: 6 },
    ])
  })

  it('Anthropic’s cost', () => {
    expect(readInvoice(ANTHROPIC_COST)).toMatchObject({
      format: 'anthropic-cost',
      data: [{ day: '2026-11-20', model: 'Claude Haiku 4.5', costNanoUsd: 70_000_000 }],
    })
  })

  it('OpenAI’s export of a time without any use has no figures to read', () => {
    expect(() => readInvoice('start_time,end_time,start_time_iso,end_time_iso\n1,2,a,b\n')).toThrow(
      InvoiceError,
    )
  })

  it('thousands may be grouped in a quoted number', () => {
    const [first] = readInvoice(OPENAI_USAGE.replace('4212', '"1,004,212"')).data
    expect(first?.inputTokens).toBe(1_005_212)
    for (const odd of ['"1,00"', '"1,0000"', '"10,00,000"', '","'])
      expect(() => readInvoice(OPENAI_USAGE.replace('4212', odd))).toThrow(/is not a number/)
  })

  it('what cannot be right is refused with its line', () => {
    for (const [text, message] of [
      ['', /not an export that is known here/],
      ['a,b\n1,2\n', /openai-usage \(start_time/],
      [OPENAI_USAGE.replace('4212', 'many'), /line 2: input_tokens is not a number: "many"/],
      [OPENAI_COST.replace(',usd,1000', ',eur,1000'), /line 2: amounts in eur/],
      [ANTHROPIC_USAGE.replace('2026-11-21', 'yesterday'), /line 4: "yesterday" is not a date/],
      [`${ANTHROPIC_USAGE}2026-11-22,"cut off`, /ends inside a quoted cell/],
    ] as const)
      expect(() => readInvoice(text), text.slice(0, 40)).toThrow(message)
  })
})

describe('names', () => {
  it('are the same without the date of the snapshot and what a console writes differently', () => {
    for (const [a, b] of [
      ['Claude Haiku 4.5', 'claude-haiku-4-5-20251001'],
      ['gpt-5-2025-08-07', 'gpt-5'],
      ['gpt-4.1-mini', 'GPT-4.1 mini'],
    ] as const)
      expect(plainName(a)).toBe(plainName(b))
    expect(plainName('gpt-5')).not.toBe(plainName('gpt-5-mini'))
  })
})

describe('CSV', () => {
  it('quotes, line ends and empty lines', () => {
    expect(parseCsv('a,"b ""x"", c"\r\n\r\n"1\n2",\n,\nlast')).toEqual([
      ['a', 'b "x", c'],
      ['1\n2', ''],
      ['last'],
    ])
  })
})
