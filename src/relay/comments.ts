/** Comments in the events of an upstream's stream, on their way to the caller. Part of reading a stream whose bytes pass. */

/** Lines that begin with a colon; a byte order mark may stand before the first. Not `^`, which means U+2028 too: that may stand in a text. */
const COMMENT = /(^\ufeff?|[\r\n])(:[^\r\n]*)/g

/**
 * An event's text with its comments scrubbed: nobody reads them, and a proxy in between may write into them what it was sent,
 * the credential too. Signs of life (`: ping`) come back as they are, and so does all that is no comment.
 */
export function withoutSecrets(event: string, scrub: ((text: string) => string) | undefined): string {
  const mayHold =
    event.startsWith(':') || event.startsWith('\ufeff') || event.includes('\n:') || event.includes('\r:')
  if (!scrub || !mayHold) return event
  return event.replace(COMMENT, (_, before: string, comment: string) => before + scrub(comment))
}
