/** Asks model servers on this machine what they serve: those that are configured, and, at a start or by `doctor`, those at the usual addresses. */
import type { LocalServer } from '../../../providers/local.ts'
import { type FoundServer, linesFor, recognised } from '../../catalog/local.ts'
import { type ListedModel, parseList } from '../../catalog/lists.ts'
import { createGuard } from '../../egress/guard.ts'
import type { Log } from '../../deps.ts'
import type { Site } from '../../route/market.ts'
import type { Send } from '../../terms.ts'
import { createSend } from './send.ts'
import { sendFetch } from './send-fetch.ts'
import type { Env } from './settings.ts'

/** For one's own machine this is long; a server that is busy for longer is found the next time. */
const ANSWER_MS_MAX = 300

async function bodyAt(url: string, headers: Headers, send: Send): Promise<unknown> {
  try {
    const answer = await sendFetch(send)(url, { headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) })
    return answer.ok ? await answer.json() : undefined
  } catch {
    // A server that is down is no fault.
    return undefined
  }
}

/** What the servers behind these sites serve; one that does not answer in 300 ms is left out. Never throws. */
export async function askServers(
  sites: readonly Site[],
  send: Send,
): Promise<ReadonlyMap<string, readonly ListedModel[]>> {
  const served = new Map<string, readonly ListedModel[]>()
  await Promise.all(
    sites.map(async site => {
      const headers = new Headers()
      for (const flat of [site.headers, site.credentials[0]?.headers ?? []])
        for (let i = 0; i + 1 < flat.length; i += 2) headers.set(flat[i] ?? '', flat[i + 1] ?? '')
      const models = parseList(await bodyAt(`${site.origin}${site.basePath}/models`, headers, send), '')
      if (models !== undefined) served.set(site.name, models)
    }),
  )
  return served
}

/** False: nobody looks for servers on this machine. */
export const maySearch = (env: Env): boolean =>
  !/^(0|false|no|off)$/i.test((env.SWITCHGATE_DISCOVER_LOCAL ?? '').trim())

/** Which of these servers answer at their usual loopback addresses, by a way out that leads nowhere else. Never throws. */
export async function findServers(servers: readonly LocalServer[]): Promise<readonly FoundServer[]> {
  const send = createSend({
    guard: createGuard(servers.map(server => server.address)),
    connectTimeoutMs: ANSWER_MS_MAX,
    log: () => undefined,
  })
  try {
    const bodies = servers.map(server => bodyAt(`http://${server.address}/v1/models`, new Headers(), send))
    const answers = await Promise.all(bodies)
    return servers.flatMap((server, at) => recognised(server, answers[at]) ?? [])
  } finally {
    await send.destroy()
  }
}

/** One line in the log for each server that could be used and is not; nothing is enabled. */
export function offer(found: readonly FoundServer[], log: Log): void {
  for (const server of found)
    log('info', 'local_server.found', {
      server: server.title,
      address: server.address,
      models: server.models.length,
      cure: `to use it, put into switchgate.yaml: ${linesFor([server]).join(' and ')}`,
    })
}
