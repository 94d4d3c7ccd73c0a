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

describe('cells', () => {
  const costs = (lines: string) => readInvoice(`usage_date_utc,model,token_type,cost_usd\n${lines}`).data

  it('are read without the space around them, be it in the heading, a day, a number or a currency', () => {
    expect(
      readInvoice(OPENAI_COST.replace(',amount_value,', ', Amount_Value ,').replace(',usd,', ', USD ,')).data,
    ).toMatchObject([{ day: '2026-11-20', costNanoUsd: 503_835_980 }])
    expect(costs(' 2026-11-20 ,m,input, 0.5 \n2026-11-20,m,output," 1,000 "\n')).toMatchObject([
      { day: '2026-11-20', costNanoUsd: 1_000_500_000_000 },
    ])
  })

  it('thousands may be grouped before a fraction and after a sign, however many digits come first', () => {
    for (const [text, usd] of [
      ['"12,004"', 12_004],
      ['"-123,004.25"', -123_004.25],
      ['"1,000.5"', 1_000.5],
      ['', 0],
    ] as const)
      expect(costs(`2026-11-20,m,input,${text}\n`)[0]?.costNanoUsd).toBe(usd * 1e9)
    expect(() => costs('2026-11-20,m,input,"1,000.x"\n')).toThrow(/is not a number/)
  })

  it('that are wrong are quoted to their first 40 characters, with what to write instead', () => {
    const long = 'x'.repeat(500)
    expect(() => costs(`2026-11-20,m,input,${long}\n`)).toThrow(
      `line 2: cost_usd is not a number: "${'x'.repeat(40)}"`,
    )
    expect(() => costs(`2026-11-20,m,input,${long}\n`)).toThrow(/"x{40}"$/)
    expect(() => costs(`${long},m,input,1\n`)).toThrow(/^line 2: "x{40}" is not a date, as in 2026-11-22$/)
    expect(() => costs('on 2026-11-20,m,input,1\n')).toThrow(/"on 2026-11-20" is not a date/)
  })

  it('an unknown file is told which columns are looked for', () => {
    const failed = (() => {
      try {
        return readInvoice('a,b\n')
      } catch (error) {
        return error
      }
    })()
    expect(failed).toMatchObject({ name: 'InvoiceError' })
    expect(String(failed)).toMatch(
      /: openai-usage \(start_time, model, .*\); openai-cost \(start_time, amount_value, /,
    )
  })
})

describe('days and models', () => {
  const usage = (...lines: string[]) =>
    readInvoice(
      `start_time,start_time_iso,model,num_model_requests,input_tokens,output_tokens\n${lines.join('\n')}\n`,
    ).data
  const noon = Date.UTC(2026, 10, 20, 12) / 1_000

  it('OpenAI’s epoch seconds tell the day; the text beside them only where there are none', () => {
    expect(usage(`${noon},2031-01-01T00:00:00+14:00,m,1,1,1`)).toMatchObject([{ day: '2026-11-20' }])
    for (const none of ['', '0', '-1'])
      expect(usage(`${none},2026-11-21T00:00:00,m,1,1,1`)).toMatchObject([{ day: '2026-11-21' }])
    // milliseconds, and what is no time at all
    for (const odd of [noon * 1_000, 1e20])
      expect(() => usage(`${odd},2026-11-20T12:00:00,m,1,1,1`)).toThrow(
        /^line 2: start_time \d+ is not a time in epoch seconds$/,
      )
    expect(usage('253402300799,,m,1,1,1')).toMatchObject([{ day: '9999-12-31' }])
  })

  it('come in order, whatever the order of the file', () => {
    const lines = [
      [86_400, 'b'],
      [0, 'b'],
      [86_400, 'a'],
      [0, 'a'],
      [0, 'b'],
    ] as const
    expect(
      usage(...lines.map(([after, model]) => `${noon + after},,${model},1,1,1`)).map(
        ({ day, model, requests }) => `${day} ${model} ${requests}`,
      ),
    ).toEqual(['2026-11-20 a 1', '2026-11-20 b 2', '2026-11-21 a 1', '2026-11-21 b 1'])
  })

  it('a line without a model counts if it has any use, and one without use if it names a model', () => {
    expect(usage(`${noon},,,0,0,0`)).toEqual([])
    for (const figures of ['0,5,0', '0,0,5'])
      expect(usage(`${noon},,,${figures}`)).toMatchObject([{ model: '' }])
    const cost = (line: string) =>
      readInvoice(`start_time,amount_value,amount_currency,line_item\n${noon},${line}\n`).data
    expect(cost('0.5,usd,')).toMatchObject([{ model: '', costNanoUsd: 5e8 }])
    expect(cost('0,usd,')).toEqual([])
    expect(usage(`${noon},,idle,0,0,0`)).toMatchObject([{ model: 'idle', inputTokens: 0 }])
  })

  it('what Anthropic writes into a cache in one column, as it once did, is input too', () => {
    const columns =
      'usage_date_utc,model_version,usage_input_tokens_no_cache,usage_input_tokens_cache_write,usage_output_tokens'
    expect(readInvoice(`${columns}\n2026-11-20,m,10,5,1\n`).data).toMatchObject([{ inputTokens: 15 }])
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
    expect(plainName('Claude Haiku 4.5')).toBe('claudehaiku45')
    expect(plainName('gpt-5')).not.toBe(plainName('gpt-5-mini'))
    // only at the end is a date that of the snapshot
    expect(plainName('gpt-5-2025-08-07-fast')).not.toBe(plainName('gpt-5-fast'))
  })
})

describe('CSV', () => {
  it('quotes, line ends and empty lines', () => {
    expect(parseCsv('a,"b ""x"", c"\r\n\r\n"1\n2",\n,\nlast')).toEqual([
      ['a', 'b "x", c'],
      ['1\n2', ''],
      ['last'],
    ])
    // a quote that does not begin the cell, and a mark that does not begin the file, are text
    expect(parseCsv('\uFEFF5" disk,c\n')).toEqual([['5" disk', 'c']])
    expect(parseCsv('a,b\uFEFFc\n')).toEqual([['a', 'b\uFEFFc']])
  })
})
