/** Edits of a request body as byte splices: the upstream reads what the caller wrote, but for the members we change. */
import type { Body, Member } from './body.ts'

/** A stretch of bytes and the text that takes its place; `start === end` inserts. */
export interface Patch {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** Changes to top-level members, in this order: remove (the caller's names), rename, set (the new names). */
export interface Edits {
  /** Name → raw JSON text. A member that is not there is added at the end. */
  readonly set?: Readonly<Record<string, string>>
  readonly remove?: readonly string[]
  /** Old name → new name. When the new name is already taken, the old member is removed. */
  readonly rename?: Readonly<Record<string, string>>
  /** Replacements inside members that the other edits leave alone, in ascending order. */
  readonly inner?: readonly Patch[]
}

const OPEN_BRACE = 0x7b

const encoder = new TextEncoder()

/** The bytes of the body with the edits made; everything else stays byte for byte. Nothing to change → the same array. */
export function splice(body: Body, edits: Edits): Uint8Array {
  const patches = patchesOf(body, edits)
  if (edits.inner !== undefined && edits.inner.length > 0) {
    patches.push(...edits.inner)
    patches.sort((a, b) => a.start - b.start || a.end - b.end)
  }
  return patches.length === 0 ? body.bytes : patch(body.bytes, patches)
}

/** The same edits as patches, for an object that lies inside a body too: `members` are its own (`membersAt`), at least one. */
export function patchesOf(body: Pick<Body, 'bytes' | 'members'>, edits: Edits): Patch[] {
  const { bytes, members } = body
  const patches: Patch[] = []
  const names = finalNames(members, edits)
  const set = edits.set ?? {}
  let kept = false
  for (let i = 0; i < members.length; i++) {
    const member = members[i] as Member
    const name = names === undefined ? member.key : names[i]
    if (name === undefined) {
      // With something kept before it a member takes the comma before it along, else the one after it.
      if (kept) patches.push({ start: (members[i - 1] as Member).valueEnd, end: member.valueEnd, text: '' })
      else patches.push({ start: member.start, end: members[i + 1]?.start ?? member.valueEnd, text: '' })
      continue
    }
    kept = true
    const value = Object.hasOwn(set, name) ? set[name] : undefined
    if (name !== member.key) {
      const end = value === undefined ? member.valueStart : member.valueEnd
      patches.push({ start: member.start, end, text: `${JSON.stringify(name)}:${value ?? ''}` })
    } else if (value !== undefined) {
      patches.push({ start: member.valueStart, end: member.valueEnd, text: value })
    }
  }
  let added = ''
  for (const name of Object.keys(set)) {
    const isThere = names === undefined ? members.some(({ key }) => key === name) : names.includes(name)
    if (!isThere) added += `${kept || added !== '' ? ',' : ''}${JSON.stringify(name)}:${set[name]}`
  }
  if (added !== '') {
    const at = members.at(-1)?.valueEnd ?? bytes.indexOf(OPEN_BRACE) + 1
    patches.push({ start: at, end: at, text: added })
  }
  return patches
}

/** What each member is called afterwards, undefined = it goes; no list = each keeps its name. */
function finalNames(members: readonly Member[], edits: Edits): (string | undefined)[] | undefined {
  const { remove = [], rename = {} } = edits
  const isRenaming = Object.keys(rename).length > 0
  if (remove.length === 0 && !isRenaming) return undefined
  const names = members.map(({ key }) => (remove.includes(key) ? undefined : key) as string | undefined)
  if (!isRenaming) return names
  const renamed = (key: string) => Object.hasOwn(rename, key) && rename[key] !== key
  const taken = new Set(names.filter(name => name !== undefined && !renamed(name)))
  return names.map(name => {
    if (name === undefined || !renamed(name)) return name
    const wanted = rename[name]
    if (taken.has(wanted)) return undefined
    taken.add(wanted)
    return wanted
  })
}

/** Texts that are plain ASCII, as almost all are, are written by hand: the native encoder costs 1 µs a call. */
function encoded(text: string): Uint8Array | undefined {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return encoder.encode(text)
  return undefined
}

function write(text: string, native: Uint8Array | undefined, out: Uint8Array, at: number): number {
  if (native !== undefined) {
    out.set(native, at)
    return at + native.length
  }
  for (let i = 0; i < text.length; i++) out[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** Below this a loop is sooner done than a view of the bytes is made. */
const COPIED_BY_HAND = 64

function copy(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): void {
  if (end - start > COPIED_BY_HAND) out.set(bytes.subarray(start, end), at)
  else for (let i = start, to = at; i < end; i++, to++) out[to] = bytes[i] as number
}

const BLOCK_BYTES = 32_768
/** A larger array is made by itself, so that it keeps no block alive for long and fills none. */
const BLOCK_SHARE_MAX = 4_096
let block = new ArrayBuffer(0)
let blockUsed = 0

/** Zeroed bytes. Small ones are cut from one block: memory of its own costs an array ten times as much. */
function room(length: number): Uint8Array {
  if (length > BLOCK_SHARE_MAX) return new Uint8Array(length)
  if (blockUsed + length > block.byteLength) {
    block = new ArrayBuffer(BLOCK_BYTES)
    blockUsed = 0
  }
  const out = new Uint8Array(block, blockUsed, length)
  blockUsed += length
  return out
}

/** `patches` are in ascending order and do not overlap. */
function patch(bytes: Uint8Array, patches: readonly Patch[]): Uint8Array {
  const natives: (Uint8Array | undefined)[] = []
  let length = bytes.length
  for (const { start, end, text } of patches) {
    const native = encoded(text)
    natives.push(native)
    length += (native?.length ?? text.length) - (end - start)
  }
  const out = room(length)
  let from = 0
  let to = 0
  for (let i = 0; i < patches.length; i++) {
    const { start, end, text } = patches[i] as Patch
    copy(bytes, from, start, out, to)
    to = write(text, natives[i], out, to + start - from)
    from = end
  }
  copy(bytes, from, bytes.length, out, to)
  return out
}
