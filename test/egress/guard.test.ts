/** The guard on its own: what `egress.allow` exempts and what it does not. */
import { describe, expect, test } from 'vitest'
import { createGuard, parseAllowEntry } from '../../src/egress/guard.ts'
import { createProxyFor } from '../../src/egress/proxy.ts'
import { HOSTILE_NAMES, HOSTILE_ORIGINS } from './hostile.ts'

const vetted = (allow: string[], origin: string) => {
  const at = createGuard(allow).origin(origin)
  if ('why' in at) throw new Error(at.why)
  return at
}

test('the corpus is as large as promised', () => {
  expect(new Set(HOSTILE_ORIGINS).size).toBe(HOSTILE_ORIGINS.length)
  expect(HOSTILE_ORIGINS.length + Object.keys(HOSTILE_NAMES).length).toBeGreaterThan(150)
})

test.each(HOSTILE_ORIGINS)('%j is refused with a reason', origin => {
  const verdict = createGuard([]).origin(origin.replace('PORT', '9101'))
  expect(verdict).toHaveProperty('why')
})

test.each(Object.entries(HOSTILE_NAMES))('%s is refused once it resolves to %j', (name, addresses) => {
  const guard = createGuard([])
  const at = vetted([], `https://${name}`)
  expect(guard.addresses(at, addresses)?.why).toContain(name)
})

test.each([
  'https://api.openai.com',
  'https://api.openai.com:443',
  'https://API.OpenAI.com.',
  'https://llm.example:8443',
  'https://1.1.1.1',
  'https://[2606:4700::1111]',
  'https://bücher.example',
])('%s is let through', origin => {
  const at = vetted([], origin)
  expect(
    createGuard([]).addresses(at, at.literal === undefined ? ['93.184.216.34'] : [at.host]),
  ).toBeUndefined()
})

describe('egress.allow', () => {
  test('exempts exactly its host and port, with http', () => {
    const guard = createGuard(['127.0.0.1:9101', 'ollama:11434', '[fd12::5]:8000'])
    const passes = [
      'http://127.0.0.1:9101',
      'https://127.0.0.1:9101',
      'http://OLLAMA:11434',
      'http://[fd12::5]:8000',
      'http://2130706433:9101',
      'http://[::ffff:127.0.0.1]:9101',
    ]
    for (const origin of passes) expect(guard.origin(origin), origin).not.toHaveProperty('why')
    const fails = [
      'http://127.0.0.1:9102',
      'http://127.0.0.2:9101',
      'http://localhost:9101',
      'https://127.0.0.1',
      'http://ollama',
      'http://ollama.example:11434',
      'http://x.ollama:11434',
      'http://[fd12::5]:8001',
      'http://user@127.0.0.1:9101',
      'http://127.0.0.1:9101/x',
    ]
    for (const origin of fails) expect(guard.origin(origin), origin).toHaveProperty('why')
  })

  test('a listed name may resolve to private addresses, but never to a metadata service', () => {
    const guard = createGuard(['ollama:11434'])
    const at = vetted(['ollama:11434'], 'http://ollama:11434')
    expect(guard.addresses(at, ['172.18.0.5', 'fd00::2'])).toBeUndefined()
    expect(guard.addresses(at, ['127.0.0.1'])).toBeUndefined()
    for (const bad of [
      '169.254.169.254',
      'fd00:ec2::254',
      '100.100.100.200',
      'fe80::1',
      '::ffff:169.254.169.254',
    ])
      expect(guard.addresses(at, [bad]), bad).toBeDefined()
  })

  test('a listed literal lets a name lead there, at that port only', () => {
    const guard = createGuard(['10.0.0.9:8443'])
    expect(guard.addresses(vetted([], 'https://gpu.corp.example:8443'), ['10.0.0.9'])).toBeUndefined()
    expect(guard.addresses(vetted([], 'https://gpu.corp.example:8443'), ['10.0.0.8'])).toBeDefined()
    expect(guard.addresses(vetted([], 'https://gpu.corp.example'), ['10.0.0.9'])).toBeDefined()
  })

  test.each([
    'http://[::1]:9101',
    'http://[fd00::7]',
    'https://[fe80::1]:8443',
    'https://[::ffff:127.0.0.1]:8080',
    'http://[::ffff:10.0.0.1]',
    'http://10.0.0.1',
    'http://gpu.lan:8000',
  ])('the cure for %s is accepted and cures it', origin => {
    const refused = createGuard([]).origin(origin)
    const entry = /add "([^"]+)" to egress\.allow/.exec('why' in refused ? refused.why : '')?.[1] ?? ''
    expect(createGuard([entry]).origin(origin)).not.toHaveProperty('why')
  })

  test('the reason names the cure', () => {
    expect(createGuard([]).origin('http://192.168.1.5:8000')).toEqual({
      why: '192.168.1.5:8000 is plain http; add "192.168.1.5:8000" to egress.allow in the config file if this is meant',
    })
    expect(createGuard([]).origin('https://[fd00::1]')).toHaveProperty(
      'why',
      expect.stringContaining('"[fd00::1]:443"'),
    )
  })

  test.each([
    '',
    '127.0.0.1',
    'host',
    'host:',
    ':80',
    'host:0',
    'host:65536',
    'http://host:80',
    'host:80/x',
    'u@host:80',
    '*:80',
    '*.corp.example:443',
    '::1:80',
    'a b:80',
  ])('%j is no entry, and the fault names it', entry => {
    expect(parseAllowEntry(entry)).toBeUndefined()
    expect(() => createGuard(['ok:1', entry])).toThrow(/egress\.allow\[1\]/)
  })
})

describe('proxy variables', () => {
  const via = (env: Record<string, string>, origin: string): string | undefined =>
    createProxyFor(env)(vetted(['127.0.0.1:1', 'localhost:1', 'lan:80', '10.1.2.3:443'], origin))
  const env = {
    HTTPS_PROXY: 'http://p:3128',
    HTTP_PROXY: 'q:3129',
    NO_PROXY: 'a.example, .b.example,*.c.example,d.example:8443 10.0.0.0/8',
  }

  test.each([
    ['https://api.openai.com', 'http://p:3128/'],
    ['http://lan', 'http://q:3129/'],
    ['https://a.example', undefined],
    ['https://x.a.example', undefined],
    ['https://xa.example', 'http://p:3128/'],
    ['https://b.example', undefined],
    ['https://x.b.example', undefined],
    ['https://y.c.example', undefined],
    ['https://d.example', 'http://p:3128/'],
    ['https://d.example:8443', undefined],
    ['https://10.1.2.3', undefined],
    ['https://1.1.1.1', 'http://p:3128/'],
    ['http://127.0.0.1:1', undefined],
    ['http://localhost:1', undefined],
  ])('%s goes through %s', (origin, proxy) => {
    expect(via(env, origin)).toBe(proxy)
  })

  test('lower case wins, * excludes all, and a bad value is refused without repeating it', () => {
    expect(via({ HTTPS_PROXY: 'http://p', https_proxy: 'http://low' }, 'https://x.example')).toBe(
      'http://low/',
    )
    expect(via({ HTTPS_PROXY: 'http://p', NO_PROXY: '*' }, 'https://x.example')).toBeUndefined()
    expect(via({}, 'https://x.example')).toBeUndefined()
    expect(() => createProxyFor({ HTTPS_PROXY: 'socks5://u:SECRETCANARY@p' })).toThrow(/HTTPS_PROXY/)
    expect(() => createProxyFor({ HTTPS_PROXY: 'socks5://u:SECRETCANARY@p' })).not.toThrow(/SECRETCANARY/)
  })
})
