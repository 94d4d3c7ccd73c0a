/** Health of targets across restarts on Node: read at the start, saved now and then and at the end. */
import type { Log } from '../../deps.ts'
import { createHealth, type Health, type HealthKey, type HealthState } from '../../route/health.ts'
import type { Store } from '../../store/store.ts'

const SAVE_MS = 30_000

export interface KeptHealth {
  readonly health: Health
  /** Saves once more, and no longer by itself. Never rejects. */
  close(): Promise<void>
}

async function restored(store: Store): Promise<Health> {
  const health = createHealth()
  try {
    const saved = await store.setting('health')
    // a credential (of which no "/" is in the key) that was refused may have been mended meanwhile: one request finds out
    if (saved)
      health.restore((JSON.parse(saved) as [HealthKey, HealthState][]).filter(([key]) => key.includes('/')))
  } catch {
    // what was known of targets is a convenience: a start without it only learns again
  }
  return health
}

export async function openHealth(store: Store, log: Log): Promise<KeptHealth> {
  const health = await restored(store)
  async function save(): Promise<void> {
    const value = JSON.stringify([...health.entries()])
    try {
      await store.commit([{ op: 'put_setting', name: 'health', value }])
    } catch (error) {
      log('warn', 'health.not_saved', { message: error instanceof Error ? error.message : 'unknown' })
    }
  }
  const saving = setInterval(() => void save(), SAVE_MS).unref()
  return {
    health,
    close() {
      clearInterval(saving)
      return save()
    },
  }
}
