/** Which version this is: for `--version` and `/metrics`. */
import { readFileSync } from 'node:fs'

/** `version` of the nearest package.json: three levels up when run from sources, four from `dist`. */
export function versionText(): string {
  for (const path of ['../../../package.json', '../../../../package.json']) {
    try {
      const { name, version } = JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as Record<
        string,
        string
      >
      if (name === 'switchgate' && version !== undefined) return version
    } catch {
      // The other place has it.
    }
  }
  return 'unknown'
}
