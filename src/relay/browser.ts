/** Between the pipeline and the runtime's Sink: answers for browser pages carry the headers that let them read it. */
import type { KeyRing } from '../deps.ts'
import type { Call, Sink } from '../terms.ts'
import { corsHeaders } from '../wire/cors.ts'

class BrowserSink implements Sink {
  private readonly sink: Sink
  private readonly cors: readonly string[]

  constructor(sink: Sink, origin: string) {
    this.sink = sink
    this.cors = corsHeaders(origin)
  }

  head(status: number, headers: readonly string[]): void {
    this.sink.head(status, [...headers, ...this.cors])
  }

  write(bytes: Uint8Array): boolean {
    return this.sink.write(bytes)
  }

  onDrain(resume: () => void): void {
    this.sink.onDrain(resume)
  }

  end(bytes?: Uint8Array): void {
    this.sink.end(bytes)
  }

  onClose(left: () => void): void {
    this.sink.onClose(left)
  }

  abort(): void {
    if (this.sink.abort) this.sink.abort()
    else this.sink.end()
  }
}

/** Does some key allow this origin? Storage that cannot say is no reason to fail a request: then none does. */
export async function isOriginAllowed(keys: KeyRing, origin: string): Promise<boolean> {
  try {
    return (await keys.allowsOrigin?.(origin)) === true
  } catch {
    return false
  }
}

/** The sink itself unless a page of an origin that some key allows is asking. Not a promise where the key ring is in memory. */
export function forBrowser(sink: Sink, call: Call, keys: KeyRing): Sink | Promise<Sink> {
  const origin = call.header('origin')
  if (origin === undefined || keys.allowsOrigin === undefined) return sink
  const wrap = (allowed: boolean) => (allowed ? new BrowserSink(sink, origin) : sink)
  const allowed = keys.allowsOrigin(origin)
  return allowed instanceof Promise ? isOriginAllowed(keys, origin).then(wrap) : wrap(allowed)
}
