/** Calls of a conversation that were never answered, as when a user speaks before the tool has: most targets refuse them. Used where requests are translated. */

type Json = Record<string, unknown>

/** Said in the place of a result, to whoever wants one for each call. */
const NO_RESULT = 'No result was given.'

const callsOf = ({ role, tool_calls: calls }: Json): readonly Json[] =>
  role === 'assistant' && Array.isArray(calls) ? calls : []

/** Chat messages in which each call has its result, those that are missing after the others of their turn; the same array when none is. */
export function withResults(messages: readonly Json[]): readonly Json[] {
  const made: Json[] = []
  let waiting: unknown[] = []
  const close = () => {
    made.push(...waiting.map(id => ({ role: 'tool', tool_call_id: id, content: NO_RESULT })))
    waiting = []
  }
  for (const message of messages) {
    if (message.role === 'tool') waiting = waiting.filter(id => id !== message.tool_call_id)
    else close()
    made.push(message)
    waiting.push(...callsOf(message).map(({ id }) => id))
  }
  close()
  return made.length === messages.length ? messages : made
}
