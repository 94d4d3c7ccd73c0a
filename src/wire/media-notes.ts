/**
 * Pictures and sounds that a model made, for wires whose answers have no place for them: what was spoken is told as text,
 * and of the rest it is said that it was there. Used by writers of answers.
 */
import { isObject } from './extensions.ts'

type Json = Record<string, unknown>

const CURE = 'this wire has no place for it. Ask at /v1/chat/completions'

/** Of one answer, whole or in pieces: a sound comes in many, and is told once. */
export class MediaNotes {
  private told = false

  /** Texts for what a message or a delta holds beside its text, each to stand on its own. */
  of(said: Json): string[] {
    const images = Array.isArray(said.images) ? said.images.filter(isObject) : []
    return [...images.map(noteOf), ...this.sound(said.audio)]
  }

  private sound(audio: unknown): string[] {
    if (!isObject(audio)) return []
    const { transcript, data } = audio
    const spoken = typeof transcript === 'string' && transcript !== '' ? [transcript] : []
    if (this.told || typeof data !== 'string' || data === '') return spoken
    this.told = true
    return [...spoken, `[The model made a sound: ${CURE}.]`]
  }
}

function noteOf(image: Json): string {
  const url = isObject(image.image_url) ? image.image_url.url : undefined
  if (typeof url !== 'string') return `[The model made a picture: ${CURE}.]`
  const [, type] = /^data:([a-z]+\/[\w.+-]{1,40})[;,]/.exec(url) ?? []
  // an address is no longer than it says
  return type === undefined
    ? `[The model made a picture: ${url}]`
    : `[The model made a picture (${type}): ${CURE}.]`
}
