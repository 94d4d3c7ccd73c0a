/** The first process over a data folder: makes one key with a budget and ends in order. */
import { join } from 'node:path'
import type * as openModule from '../../../src/runtime/node/open.ts'
import type * as redactModule from '../../../src/redact.ts'
import type * as settingsModule from '../../../src/runtime/node/settings.ts'

const built = <T>(path: string) =>
  import(new URL(`../../../dist/src/${path}`, import.meta.url).href) as Promise<T>

export async function openKeys(folder: string, config: string): Promise<string> {
  const { openGateway } = await built<typeof openModule>('runtime/node/open.js')
  const { createRedactor } = await built<typeof redactModule>('redact.js')
  const { readSettings } = await built<typeof settingsModule>('runtime/node/settings.js')
  const gateway = await openGateway({
    settings: readSettings({ SWITCHGATE_CONFIG: config, SWITCHGATE_DATA: join(folder, 'data') }),
    log: () => {},
    redactor: createRedactor(),
  })
  const budgets = [{ window: 'month' as const, limitNanoUsd: 1e14, softNanoUsd: null }]
  const { text } = await gateway.keys.create({ name: 'kill', budgets })
  await gateway.close()
  return text
}
