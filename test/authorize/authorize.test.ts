/** The signing stage around `send`: what comes before the signature is kept, and nothing is sent that was given up. */
import { describe, expect, test } from 'vitest'
import { authorizedSend, type Sign } from '../../src/authorize/authorize.ts'
import { GatewayError } from '../../src/errors.ts'
import type { Receiver, Send, UpstreamRequest } from '../../src/terms.ts'

const REQUEST: UpstreamRequest = {
  origin: 'https://a.example',
  path: '/x',
  method: 'POST',
  headers: ['content-type', 'application/json'],
}

function world() {
  const log: string[] = []
  const sent: UpstreamRequest[] = []
  const failures: unknown[] = []
  const send: Send = request => {
    sent.push(request)
    return {
      pause: () => log.push('pause'),
      resume: () => log.push('resume'),
      abort: () => log.push('abort'),
    }
  }
  const to: Receiver = { head() {}, chunk() {}, end() {}, fail: error => void failures.push(error) }
  let give: (headers: readonly string[]) => void = () => undefined
  let refuse: (error: unknown) => void = () => undefined
  const sign: Sign = () =>
    new Promise((resolve, reject) => {
      give = resolve
      refuse = reject
    })
  const turn = () => new Promise(resolve => setImmediate(resolve))
  return {
    log,
    sent,
    failures,
    turn,
    start: (its: Sign = sign) => authorizedSend(send, its)(REQUEST, to),
    give: (headers: readonly string[]) => give(headers),
    refuse: (error: unknown) => refuse(error),
  }
}

describe('authorizedSend', () => {
  test('adds the headers behind the request’s own and passes control on', async () => {
    const w = world()
    const upstream = w.start()
    expect(w.sent).toHaveLength(0)
    w.give(['authorization', 'x'])
    await w.turn()
    expect(w.sent[0]?.headers).toEqual(['content-type', 'application/json', 'authorization', 'x'])
    upstream.pause()
    upstream.resume()
    upstream.abort()
    expect(w.log).toEqual(['pause', 'resume', 'abort'])
  })

  test('a pause before the signature holds after it', async () => {
    const w = world()
    const upstream = w.start()
    upstream.pause()
    w.give([])
    await w.turn()
    expect(w.log).toEqual(['pause'])
    const other = world()
    const resumed = other.start()
    resumed.pause()
    resumed.resume()
    other.give([])
    await other.turn()
    expect(other.log).toEqual([])
  })

  test('given up before the signature: nothing is sent and nobody is told', async () => {
    for (const end of ['give', 'refuse'] as const) {
      const w = world()
      w.start().abort()
      if (end === 'give') w.give([])
      else w.refuse(new Error('late'))
      await w.turn()
      expect(w.sent).toHaveLength(0)
      expect(w.failures).toHaveLength(0)
    }
  })

  test('a sign that fails is the credential’s fault, whatever it threw', async () => {
    const w = world()
    w.start()
    w.refuse(new GatewayError('bad_credential', 'no keys'))
    await w.turn()
    expect(w.failures[0]).toMatchObject({ kind: 'bad_credential', message: 'no keys' })
    const other = world()
    other.start(() => {
      throw new TypeError('AKIASECRET')
    })
    await other.turn()
    expect(other.failures[0]).toMatchObject({ kind: 'bad_credential' })
    expect((other.failures[0] as Error).message).not.toContain('AKIASECRET')
  })

  test('a way out that throws is told, not thrown', async () => {
    const failures: unknown[] = []
    const to: Receiver = { head() {}, chunk() {}, end() {}, fail: error => void failures.push(error) }
    authorizedSend(
      () => {
        throw new Error('no')
      },
      async () => [],
    )(REQUEST, to)
    await new Promise(resolve => setImmediate(resolve))
    expect(failures[0]).toMatchObject({ kind: 'bug' })
  })
})
