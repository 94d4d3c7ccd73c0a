/** A second reader of the Gemini wire: Google's own client, given the very bytes that a caller got. Part of the replay. */
import { GoogleGenAI, type GenerateContentResponse } from '@google/genai'
import type { Reading } from '../clients/reading.ts'

/** What the client finds in an answer, in the words that it shares with the other reader. */
type Found = Pick<Reading, 'text' | 'reasoning' | 'tools'>

/** Reads a body of the Gemini wire. Rejects where the client does. */
async function byGenai(body: string, stream: boolean): Promise<Found> {
  const type = stream ? 'text/event-stream' : 'application/json'
  const answer = async () => new Response(body, { headers: { 'content-type': type } })
  const { models } = new GoogleGenAI({ apiKey: 'none', vertexai: false, httpOptions: { fetch: answer } })
  const asked = { model: 'gemini-2.5-flash', contents: 'x' }
  const parts: Part[] = []
  if (stream)
    for await (const chunk of await models.generateContentStream(asked)) parts.push(...partsOf(chunk))
  else parts.push(...partsOf(await models.generateContent(asked)))
  const said = (thought: boolean) =>
    parts
      .filter(part => (part.thought === true) === thought)
      .map(part => part.text ?? codeIn(part))
      .join('')
  return {
    text: said(false),
    reasoning: said(true),
    tools: parts.flatMap(({ functionCall: call }) =>
      call ? [{ name: call.name ?? '', args: call.args ?? {} }] : [],
    ),
  }
}

const fenced = (language: string, text: string): string =>
  `\n\`\`\`${language}\n${text.replace(/\n$/, '')}\n\`\`\`\n`

/** Code that ran at Google and its result, in the form that the other reader has them in. */
function codeIn({ executableCode: ran, codeExecutionResult: result }: Part): string {
  if (ran?.code !== undefined) return fenced(String(ran.language).toLowerCase(), ran.code)
  if (!result) return ''
  return fenced('', `${result.outcome === 'OUTCOME_OK' ? '' : `${result.outcome}\n`}${result.output ?? ''}`)
}

type Part = NonNullable<
  NonNullable<NonNullable<GenerateContentResponse['candidates']>[0]['content']>['parts']
>[0]
const partsOf = (answer: GenerateContentResponse): Part[] => answer.candidates?.[0]?.content?.parts ?? []

/** Where Google's client reads otherwise in these bytes than the other reader did. */
export async function genaiDiffers(body: string, stream: boolean, read: Found): Promise<string[]> {
  const found = await byGenai(body, stream)
  return (['text', 'reasoning', 'tools'] as const)
    .filter(name => JSON.stringify(found[name]) !== JSON.stringify(read[name]))
    .map(
      name =>
        `@google/genai ${name}: ${JSON.stringify(read[name]).slice(0, 120)} ≠ ${JSON.stringify(found[name]).slice(0, 120)}`,
    )
}
