/** `fetch` of the Cloudflare Worker: opens what the isolate keeps, then hands each request on. Nothing is decided here. */
import { GatewayError } from '../../errors.ts'
import { refusal } from '../../http/account.ts'
import { wireOf } from '../../http/endpoints.ts'
import { type Bindings, type Context, SetupFault } from './bindings.ts'
import { newId } from './clock.ts'
import { type Isolate, openIsolate } from './isolate.ts'
import { createLog } from './log.ts'
import { answer } from './request.ts'

/** Only finished work is kept: a promise would belong to the request that began it. */
let isolate: Isolate | undefined

function refuse(request: Request, error: unknown): Response {
  const wire = wireOf(new URL(request.url).pathname)
  if (error instanceof GatewayError) return refusal(error, wire, newId('req_'))
  const log = isolate?.log ?? createLog(undefined, text => text)
  if (error instanceof SetupFault) {
    log('error', 'setup', { message: error.message })
    const fault = new GatewayError('storage_unavailable', error.message, { code: 'not_set_up' })
    return refusal(fault, wire, newId('req_'))
  }
  const detail = error instanceof Error ? (error.stack ?? error.message) : 'not an error'
  log('error', 'bug', { detail: detail.slice(0, 4_000) })
  const bug = new GatewayError('bug', 'The gateway made a mistake. Its log says more.')
  return refusal(bug, wire, newId('req_'))
}

/** No timer outlives a request here: refused keys are written down by the request that finds them counted. */
async function writeRefusals({ audit, log }: Isolate): Promise<void> {
  await audit.flush().catch((error: unknown) => {
    log('warn', 'audit.refusals_not_written', { message: error instanceof Error ? error.message : 'unknown' })
  })
}

export default {
  async fetch(request: Request, bindings: Bindings, context: Context): Promise<Response> {
    try {
      isolate ??= await openIsolate(bindings)
      const response = await answer(request, isolate, context)
      if (isolate.audit.due()) context.waitUntil(writeRefusals(isolate))
      return response
    } catch (error) {
      return refuse(request, error)
    }
  },
}
