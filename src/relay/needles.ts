/** The bytes that a chat stream is searched for: what they begin cannot stand inside a JSON string, whose quotes are escaped. */
const encoder = new TextEncoder()
const needle = (text: string) => encoder.encode(text)
export const USAGE = [needle('"usage":{'), needle('"usage": {')] as const
export const FINISH = [needle('"finish_reason":"'), needle('"finish_reason": "')] as const
export const ERROR = needle('"error":')
/** Where hosts name their events; may stand in a text. */
export const EVENT = needle('event:')
export const ROLE = needle('"role":')
/** OpenAI's and Mistral's padding against who measures events on their way; see `stream_options.include_obfuscation`. */
export const PADS = [needle('"obfuscation":"'), needle('"p":"')] as const
export const DATA = needle('data:')
export const DONE = needle('[DONE]')
export const LF_LF = needle('\n\n')
export const CRLF_CRLF = needle('\r\n\r\n')
