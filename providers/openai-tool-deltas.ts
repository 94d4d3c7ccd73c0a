/** Streamed tool calls put right: every piece has a numeric index, id and name come once, and no two calls are merged. */
import type { DecodeContext, Json } from './provider.ts'

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

interface Call {
  /** Index on the way out. */
  readonly index: number
  /** Id as the host says it; '' = it has said none. */
  hostId: string
  named: boolean
}

/** The calls of one choice so far. */
export interface Calls {
  any: boolean
  readonly list: Call[]
  /** The host's own index → the call that it means now. */
  readonly byIndex: Map<number, Call>
}

export const createCalls = (): Calls => ({ any: false, list: [], byIndex: new Map() })

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The call that a piece belongs to, or undefined = it begins a new one. */
function callOf(calls: Calls, index: unknown, id: string, name: string): Call | undefined {
  const known = typeof index === 'number' ? calls.byIndex.get(index) : calls.list.at(-1)
  if (id !== '') {
    const same = calls.list.find(call => call.hostId === id)
    if (same !== undefined) return same
    // an id that is told late belongs to the call at its index; another real id there is another call
    return typeof index === 'number' && known?.hostId === '' && !(known.named && name !== '')
      ? known
      : undefined
  }
  if (known === undefined) return undefined
  // a name begins a call; hosts that repeat it on each piece repeat the id too, or had one to repeat
  return name !== '' && known.named && (known.hostId === '' || typeof index !== 'number') ? undefined : known
}

/**
 * Mends `tool_calls` of a delta or a message, in place; true = something was changed. Known faults: index missing, always 0,
 * or counted from 1 (Ollama #15457, #7881); `id: ""` or null on later pieces (Qwen, Writer); none at all (Google's
 * compatible endpoint); arguments absent or an object.
 */
export function mendCalls(holder: Json, calls: Calls, newId: DecodeContext['newId'], whole = false): boolean {
  const pieces = holder.tool_calls
  if (!Array.isArray(pieces) || pieces.length === 0) return false
  calls.any = true
  let changed = false
  for (const piece of pieces) {
    if (isObject(piece))
      changed = (whole ? mendWhole(piece, newId) : mendPiece(piece, calls, newId)) || changed
  }
  return changed
}

function mendPiece(piece: Json, calls: Calls, newId: DecodeContext['newId']): boolean {
  const own = isObject(piece.function) ? piece.function : undefined
  const id = text(piece.id)
  const name = text(own?.name)
  const known = callOf(calls, piece.index, id, name)
  const call = known ?? { index: calls.list.length, hostId: id, named: false }
  let changed = false
  if (known === undefined) {
    calls.list.push(call)
    if (id === '') {
      piece.id = newId('call_')
      changed = true
    }
    if (piece.type === undefined) {
      piece.type = 'function'
      changed = true
    }
  } else if ('id' in piece) {
    // said once: a repeat doubles it in clients that append, an empty one erases it in clients that replace
    if (call.hostId === '') call.hostId = id
    delete piece.id
    changed = true
  }
  if (typeof piece.index === 'number') calls.byIndex.set(piece.index, call)
  if (piece.index !== call.index) {
    piece.index = call.index
    changed = true
  }
  if (own === undefined) return changed
  if ('name' in own && (name === '' || call.named)) {
    delete own.name
    changed = true
  }
  if (name !== '') call.named = true
  return mendArguments(own) || changed
}

/** Arguments are a string; an object is written as one, and null or none is the empty string. */
function mendArguments(own: Json): boolean {
  if (typeof own.arguments === 'string') return false
  own.arguments = own.arguments == null ? '' : JSON.stringify(own.arguments)
  return true
}

/** A call of a whole answer. */
function mendWhole(piece: Json, newId: DecodeContext['newId']): boolean {
  let changed = false
  if (text(piece.id) === '') {
    piece.id = newId('call_')
    changed = true
  }
  if (piece.type === undefined) {
    piece.type = 'function'
    changed = true
  }
  return (isObject(piece.function) && mendArguments(piece.function)) || changed
}
