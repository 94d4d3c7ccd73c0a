/** Origins that keys name: which are entries, and which values of an `Origin` header they mean. */
import { expect, test } from 'vitest'
import { isOriginIn, whyNoOrigin } from '../../src/keys/origins.ts'

test.each([
  '*',
  'https://app.example.com',
  'http://localhost:3000',
  'https://*.example.com',
  'https://*.example.co.uk:8443',
  'http://*.localhost:5173',
  'http://127.0.0.1:8080',
  'http://[::1]:8080',
  'https://xn--bcher-kva.example',
  'chrome-extension://abcdefghijklmnopabcdefghijklmnop',
  'capacitor://localhost',
])('%s is an entry', entry => {
  expect(whyNoOrigin(entry)).toBeUndefined()
})

test.each([
  ['https://app.example.com/', /: https:\/\/app\.example\.com$/],
  ['https://app.example.com/x', /: https:\/\/app\.example\.com$/],
  ['https://user@app.example.com', /: https:\/\/app\.example\.com$/],
  ['HTTPS://app.example.com', /must be an origin/],
  ['https://App.example.com', /: https:\/\/app\.example\.com$/],
  ['https://app.example.com:443', /: https:\/\/app\.example\.com$/],
  ['http://app.example.com:80', /: http:\/\/app\.example\.com$/],
  ['https://*.Example.com', /: https:\/\/\*\.example\.com$/],
  ['https://bücher.example', /: https:\/\/xn--bcher-kva\.example$/],
  ['https://*.com', /too wide/],
  ['https://*', /a star stands for/],
  ['*://example.com', /a star stands for/],
  ['https://*.*.example.com', /.+/],
  ['null', /must be an origin/],
  ['', /must be an origin/],
  ['example.com', /must be an origin/],
  ['file:///x', /must be an origin/],
  ['https://', /must be an origin/],
])('%j is none', (entry, why) => {
  expect(whyNoOrigin(entry)).toMatch(why)
})

test.each([
  ['https://a.example', 'https://a.example', true],
  ['https://a.example', 'http://a.example', false],
  ['https://a.example', 'https://a.example:8443', false],
  ['https://a.example', 'https://a.example.evil.test', false],
  ['https://a.example', 'https://A.example', false],
  ['https://*.a.example', 'https://x.a.example', true],
  ['https://*.a.example', 'https://x.y.a.example', true],
  ['https://*.a.example', 'https://a.example', false],
  ['https://*.a.example', 'https://.a.example', false],
  ['https://*.a.example', 'https://evila.example', false],
  ['https://*.a.example', 'http://x.a.example', false],
  ['https://*.a.example', 'https://x.a.example:8443', false],
  ['https://*.a.example:8443', 'https://x.a.example:8443', true],
  ['https://*.a.example', 'https://evil.test/.a.example', false],
  ['https://*.a.example', 'https://evil.test:1#.a.example', false],
  ['*', 'https://anything.test', true],
  ['*', 'null', true],
  ['https://a.example', 'null', false],
])('%s means %s: %j', (entry, origin, meant) => {
  expect(isOriginIn([entry], origin)).toBe(meant)
})
