/** The gateway of the harness with its admin plane at hand, for tests about money. */
import { rmSync } from 'node:fs'
import { configFor, startGateway, type TestGateway } from '../gateway/harness.ts'

export interface AdminReply {
  readonly status: number
  readonly json: Record<string, unknown>
}

export interface MoneyRig extends Omit<TestGateway, 'key'> {
  /** As the command line beside the data folder: trusted. */
  admin(method: string, path: string, body?: object, headers?: object): Promise<AdminReply>
  /** Made by `POST /admin/v1/keys`. */
  key(body: object): Promise<{ readonly id: string; readonly key: string }>
  /** Another gateway with the same upstreams and nothing in it; it is the caller's to close. */
  fresh(): Promise<MoneyRig>
  /** The same folder, opened again after a clean end. */
  restart(): Promise<MoneyRig>
}

/** A gateway over scripted upstreams that sell `house-model`; see `configFor`. */
export async function startMoney(
  ports: Readonly<Record<string, number>>,
  more = '',
  folder?: string,
  /** In place of what the ports say. */
  text?: string,
): Promise<MoneyRig> {
  const config = text ?? configFor(ports, more)
  const under = await startGateway({ config, ...(folder !== undefined && { folder }) })
  const admin: MoneyRig['admin'] = async (method, path, body, headers) => {
    const own = { host: '127.0.0.1', 'content-type': 'application/json' }
    const init: RequestInit = { method, headers: { ...own, ...headers } }
    if (body !== undefined) init.body = JSON.stringify(body)
    const request = new Request(`http://127.0.0.1/admin/v1${path}`, init)
    const answer = await under.gateway.admin.fetch(request, { trusted: true, peer: '127.0.0.1' })
    return { status: answer.status, json: (await answer.json()) as AdminReply['json'] }
  }
  const rig: MoneyRig = {
    ...under,
    admin,
    async key(body) {
      const { status, json } = await admin('POST', '/keys', { name: 'test', ...body })
      if (status !== 201) throw new Error(JSON.stringify(json))
      return { id: String(json.id), key: String(json.key) }
    },
    fresh: () => startMoney(ports, more, undefined, text),
    async restart() {
      const kept = `${under.folder}-again`
      const { cpSync } = await import('node:fs')
      await under.gateway.ledger.durable()
      await under.gateway.ledger.fold()
      cpSync(under.folder, kept, {
        recursive: true,
        filter: path => !path.endsWith('.lock') && !path.endsWith('lock'),
      })
      await under.close()
      const again = await startMoney(ports, more, kept, text)
      return {
        ...again,
        async close() {
          await again.close()
          rmSync(kept, { recursive: true, force: true })
        },
      }
    },
  }
  return rig
}
