/** Browser origins that keys name: how an entry is written, and which origin it means. Pure; for authenticate.ts and the key book. */

const SPECIAL = /^(?:https?|wss?):/
/** Of browser extensions and apps, whose hosts are names of their own. */
const OTHER = /^[a-z][a-z0-9+.-]*:\/\/[A-Za-z0-9._-]+(?::\d{1,5})?$/
const WILD = /^(https?:\/\/)\*\.(.+)$/

/** Why a text is no entry of `origin_allow`, with the cure; undefined = it is one. */
export function whyNoOrigin(text: string): string | undefined {
  if (text === '*') return undefined
  const wild = WILD.exec(text)
  const plain = wild === null ? text : `${wild[1]}${wild[2]}`
  if (plain.includes('*')) return 'a star stands for all origins, or as in https://*.example.com'
  if (!SPECIAL.test(plain))
    return OTHER.test(plain) ? undefined : 'must be an origin, as in https://app.example.com'
  // the origin as a browser sends it: lower case, punycode, no default port, no path
  const origin = URL.parse(plain)?.origin
  if (origin === undefined || origin === 'null') return 'must be an origin, as in https://app.example.com'
  if (origin !== plain) return `write it as browsers send it: ${wild === null ? origin : starred(origin)}`
  if (wild !== null && !/^[^.:]+\.[^.:]|^localhost(?::|$)/.test(wild[2] ?? ''))
    return 'is too wide: name the domain below the star, as in https://*.example.com, or use "*" alone'
  return undefined
}

const starred = (origin: string): string => origin.replace('://', '://*.')

function isMeant(entry: string, origin: string): boolean {
  if (entry === '*' || entry === origin) return true
  const star = entry.indexOf('://*.')
  if (star < 0) return false
  const scheme = entry.slice(0, star + 3)
  const tail = entry.slice(star + 4)
  // at least one character stands for the star, and no second scheme or path can
  return (
    origin.length > scheme.length + tail.length &&
    origin.startsWith(scheme) &&
    origin.endsWith(tail) &&
    /^[a-z0-9.-]+$/.test(origin.slice(scheme.length, origin.length - tail.length))
  )
}

/** Does one of the entries mean this value of an `Origin` header? Only `*` means `null`, the origin of files and sandboxes. */
export const isOriginIn = (entries: readonly string[], origin: string): boolean =>
  entries.some(entry => isMeant(entry, origin))
