/** Keeps the beginning of a stream beside its reader, for the tokenizer to count should the provider never say what was used. */
import type { StreamReader } from './reader.ts'

/** Some hundred events of one token each; what follows is taken to be like them. */
const SAMPLE_BYTES = 24_576

export interface Sample {
  /** The first bytes, as the upstream sent them. */
  readonly parts: readonly Uint8Array[]
  /** `StreamState.textBytes` when the last of them had been read. */
  readonly textBytes: number
}

export interface SampledReader extends StreamReader {
  readonly sample: Sample
}

export function createSampled(reader: StreamReader): SampledReader {
  return new Sampled(reader)
}

class Sampled implements SampledReader {
  readonly state: StreamReader['state']
  private readonly reader: StreamReader
  private readonly parts: Uint8Array[] = []
  private bytes = 0
  private textBytes = 0

  constructor(reader: StreamReader) {
    this.reader = reader
    this.state = reader.state
  }

  get sample(): Sample {
    return { parts: this.parts, textBytes: this.textBytes }
  }

  push(chunk: Uint8Array): Uint8Array | undefined {
    if (this.bytes >= SAMPLE_BYTES) return this.reader.push(chunk)
    this.bytes += chunk.length
    this.parts.push(chunk)
    const out = this.reader.push(chunk)
    this.textBytes = this.state.textBytes
    return out
  }

  end(): Uint8Array | undefined {
    return this.reader.end()
  }
}
