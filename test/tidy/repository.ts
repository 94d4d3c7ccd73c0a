/** Tidy rules over all tracked files, whatever their language, and over package.json. */
import type { Finding } from './source.ts'

/** Names are put together here, so that this file does not hold what it forbids. */
const word = (...parts: string[]) => parts.join('')

const LEFTOVER = new RegExp(`\\b(${word('FIX', 'ME')}|${word('TO', 'DO')}|${word('X', 'XX')})\\b`)

/** Whose machine a file was written on is nobody's business; a lockfile that names a mirror breaks elsewhere. */
const FORBIDDEN: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`(^|[\\s"'\`(=:,])${word('/wo', 'rk/')}\\w`), 'a path of one machine'],
  [new RegExp(word('/tmp/', '(bash|tasks)')), 'a path of one machine'],
  [new RegExp(`/${word('ho', 'me')}/\\w+/|/${word('Us', 'ers')}/\\w+/`), 'a path of one machine'],
  [new RegExp(word('registry', '\\.npm|pypi', '\\.org|proxy\\.go', 'lang')), "a package registry's host"],
  [new RegExp(word('artifact', 'ory|verdac', 'cio|code', 'artifact'), 'i'), "a package registry's host"],
  [/"resolved":\s*"http/, 'an address in the lockfile'],
]

function eachLine(path: string, text: string, say: (line: string) => string | undefined): Finding[] {
  return text.split('\n').flatMap((line, index) => {
    const message = say(line)
    return message === undefined ? [] : [{ path, line: index + 1, message }]
  })
}

export const leftovers = (path: string, text: string): Finding[] =>
  eachLine(path, text, line => (LEFTOVER.test(line) ? 'left over: do it or file it' : undefined))

export const forbiddenWords = (path: string, text: string): Finding[] =>
  eachLine(path, text, line => {
    const hit = FORBIDDEN.find(([pattern]) => pattern.test(line))
    return hit && `${hit[1]}: ${hit[0].exec(line)?.[0].trim()}`
  })

interface Package {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** Exact versions, so that two installs are the same program. */
export function versionRanges(path: string, text: string): Finding[] {
  const { dependencies, devDependencies } = JSON.parse(text) as Package
  return Object.entries({ ...dependencies, ...devDependencies })
    .filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => ({
      path,
      line: text.split('\n').findIndex(line => line.includes(`"${name}"`)) + 1,
      message: `${name} has the range ${version}, not a version`,
    }))
}

interface Locked {
  readonly version?: string
  readonly gypfile?: boolean
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/**
 * What `npm ci` trips over on another machine: a platform's binaries that the lockfile leaves out (it refuses to install), and a
 * binding that ships prebuilt but would be compiled, because npm reads `gypfile` from the lockfile and forgets to write it there.
 */
export function lockfile(path: string, text: string, shipsPrebuilt: readonly string[]): Finding[] {
  const { packages } = JSON.parse(text) as { packages: Readonly<Record<string, Locked>> }
  const say = (message: string): Finding => ({ path, line: 1, message })
  const missing = Object.entries(packages).flatMap(([at, { optionalDependencies }]) =>
    Object.keys(optionalDependencies ?? {})
      .filter(name => !packages[`${at}/node_modules/${name}`] && !packages[`node_modules/${name}`])
      .map(name => say(`${name} is left out, which ${at} may want elsewhere`)),
  )
  const compiled = shipsPrebuilt
    .filter(name => packages[`node_modules/${name}`]?.gypfile !== false)
    .map(name => say(`${name} would be compiled at install: add "gypfile": false to its entry`))
  return [...missing, ...compiled]
}
