/**
 * References to secrets kept elsewhere: `env://NAME`, `file:///path`, and a cloud's own way of naming its credentials
 * (`aws://default`, `gcp://default`, `azure://default`). Only their form; a runtime reads them.
 */

export type Ref =
  | { readonly scheme: 'env'; readonly name: string }
  | { readonly scheme: 'file'; readonly path: string }
  /** Nothing to read: `text` is what the provider's signing scheme goes by. */
  | { readonly scheme: 'cloud'; readonly text: string }

/** Reads a reference now; rejects with a message that names the reference and the cure, never the content. */
export type ReadRef = (ref: Ref) => Promise<string>

/** Our own secrets are not for sale to an upstream. */
const PRIVATE = /^(?:SWITCHGATE_|DATABASE_URL$)/i

/** A reference, or why the text is none. */
export function parseRef(text: string): Ref | { readonly why: string } {
  if (text.startsWith('env://')) {
    const name = text.slice(6)
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name))
      return { why: `"${name}" is not the name of a variable` }
    if (PRIVATE.test(name)) return { why: `${name} is Switchgate's own and is never sent to a provider` }
    return { scheme: 'env', name }
  }
  if (text.startsWith('file://')) {
    const path = text.slice(7)
    if (!path.startsWith('/') || path.includes('\0'))
      return { why: 'a file reference needs an absolute path: file:///run/secrets/name' }
    return { scheme: 'file', path }
  }
  if (/^(?:aws|gcp|azure):\/\/[A-Za-z0-9][A-Za-z0-9._@+=,/-]{0,127}$/.test(text))
    return { scheme: 'cloud', text }
  return { why: 'a reference is env://NAME or file:///absolute/path' }
}
