/** Streams whose deltas repeat all of the text so far: each is cut down to what is new. */
import type { Json } from './provider.ts'

export interface Growth {
  /** Cuts `content` and `reasoning_content` of a delta; true = it was changed. */
  mend(delta: Json): boolean
  /** Text held back while it was not clear how this stream goes. */
  end(): Json | undefined
}

/** So much text that begins with all that came before is no chance. */
const SURE_CHARS = 16

/** One text that grows. Which of the two ways a stream goes shows in its first deltas; until then they wait, a few characters long. */
class Growing {
  private way: 'unknown' | 'cumulative' | 'incremental' = 'unknown'
  private total = ''
  private waiting: string[] = []

  /** What is new; '' while it is not known. */
  take(text: string): string {
    if (this.way === 'incremental') return text
    const last = this.waiting.at(-1)
    if (this.way === 'unknown') {
      this.waiting.push(text)
      if (last === undefined) {
        // a first delta is new either way, but a short one may come again as a piece of its own ("ha", "haha")
        this.total = text
        return ''
      }
      if (!text.startsWith(last)) {
        this.way = 'incremental'
        return this.waiting.join('')
      }
      this.total = text
      if (text.length < SURE_CHARS || text.length === last.length) return ''
      this.way = 'cumulative'
      return text
    }
    const fresh = text.startsWith(this.total) ? text.slice(this.total.length) : text
    this.total = text.startsWith(this.total) ? text : this.total + text
    return fresh
  }

  rest(): string {
    if (this.way !== 'unknown') return ''
    const alike = this.waiting.length > 1 && this.waiting.at(-1) !== this.waiting.at(-2)
    return alike ? (this.waiting.at(-1) ?? '') : this.waiting.join('')
  }
}

const FIELDS = ['content', 'reasoning_content', 'reasoning'] as const

export function createGrowth(): Growth {
  const texts = new Map<string, Growing>()
  return {
    mend(delta) {
      let changed = false
      for (const name of FIELDS) {
        const text = delta[name]
        if (typeof text !== 'string' || text === '') continue
        const growing = texts.get(name) ?? new Growing()
        texts.set(name, growing)
        const fresh = growing.take(text)
        if (fresh === text) continue
        delta[name] = fresh
        changed = true
      }
      return changed
    },
    end() {
      const held: Json = {}
      for (const [name, growing] of texts) {
        const rest = growing.rest()
        if (rest !== '') held[name] = rest
      }
      texts.clear()
      return Object.keys(held).length > 0 ? held : undefined
    },
  }
}
