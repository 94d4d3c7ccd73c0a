/** Stylesheet and script under names that hold a hash of their content, so that browsers may keep them for good. */
import { SCRIPT } from './script.ts'
import { STYLES } from './styles.ts'

/** FNV-1a, 32 bits, hex: tells versions apart, no more. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return (hash >>> 0).toString(16).padStart(8, '0')
}

export const STYLES_PATH = `/dashboard/assets/${hashOf(STYLES)}.css`
export const SCRIPT_PATH = `/dashboard/assets/${hashOf(SCRIPT)}.js`

/** The asset at this path, if it is one of the two. */
export function assetResponse(path: string): Response | undefined {
  const found =
    path === STYLES_PATH
      ? { body: STYLES, type: 'text/css; charset=utf-8' }
      : path === SCRIPT_PATH
        ? { body: SCRIPT, type: 'text/javascript; charset=utf-8' }
        : undefined
  if (found === undefined) return undefined
  const headers = {
    'content-type': found.type,
    'cache-control': 'public, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
  }
  return new Response(found.body, { headers })
}
