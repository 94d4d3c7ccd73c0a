/** What another config file would make for sale on Node, built beside what is sold now. Used by supply.ts, for `config diff`. */
import type { Catalog } from '../../../providers/catalog/loader.ts'
import { KINDS } from '../../../providers/index.ts'
import type { ConfigPort, Stock } from '../../admin/config.ts'
import { discover } from '../../config/discover.ts'
import type { ConfigFile } from '../../config/file.ts'
import { loadConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import type { Log } from '../../deps.ts'
import type { Market } from '../../route/market.ts'
import type { Env } from './settings.ts'

/** A file with what the environment adds, and as it is written. */
export interface ReadConfig {
  readonly config: Config
  readonly file: ConfigFile
}

export interface PreviewOptions {
  readonly env: Env
  readonly catalog: () => Catalog
  readonly current: () => ReadConfig
  /** The market of a config; what cannot be had for it is told to `say`. */
  readonly build: (config: Config, say: Log) => Promise<Market>
}

export function createPreview({ env, catalog, current, build }: PreviewOptions): ConfigPort {
  async function stockOf({ config, file }: ReadConfig): Promise<Stock> {
    const unreadable: Stock['unreadable'][number][] = []
    const note: Log = (_level, _event, fields = {}) => {
      const { provider, credential, message } = fields
      unreadable.push({ provider: String(provider), credential: String(credential), reason: String(message) })
    }
    const market = await build(config, note)
    return { file, providers: Object.keys(config.providers), market, unreadable }
  }
  return {
    current: () => stockOf(current()),
    async preview(text) {
      const loaded = loadConfig(text, { kinds: KINDS, catalog: catalog(), env })
      if (!loaded.ok) return loaded.faults
      return stockOf({ config: discover(loaded.config, KINDS, env), file: loaded.file })
    },
  }
}
