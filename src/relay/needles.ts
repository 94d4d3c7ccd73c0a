/** The bytes that a chat stream is searched for: what they begin cannot stand inside a JSON string, whose quotes are escaped. */
const encoder = new TextEncoder()
const needle = (text: string) => encoder.encode(text)
export const USAGE = [needle('"usage":{'), needle('"usage": {')] as const
export const FINISH = [needle('"finish_reason":"'), needle('"finish_reason": "')] as const
/** A name, however it goes on; a string of its own says it too (`"type":"error"`). */
export const ERROR = needle('"error"')
/**
 * Spellings that are JSON and that nobody uses: room before a colon or more than one space behind it, and letters escaped
 * that need not be (`\u0065`; the digit behind it tells). Where one stands, names cannot be searched for.
 */
export const ODD = [needle('" :'), needle('"\t'), needle('":\t'), needle('":  ')] as const
export const ESCAPED = needle('\\u00')
/** Where hosts name their events; may stand in a text. */
export const EVENT = needle('event:')
export const ROLE = needle('"role":')
/** OpenAI's and Mistral's padding against who measures events on their way; see `stream_options.include_obfuscation`. */
export const PADS = [needle('"obfuscation":"'), needle('"p":"')] as const
export const DATA = needle('data:')
export const DONE = needle('[DONE]')
export const LF_LF = needle('\n\n')
export const CRLF_CRLF = needle('\r\n\r\n')
