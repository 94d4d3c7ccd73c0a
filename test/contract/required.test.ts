/**
 * Which golden folders each adapter must have between them, and the excuses. One entry an adapter. What a cloud does not change
 * about the wire of the adapter that it places is shown by that adapter's folders; how it says no and breaks off by its own.
 */
import { requiredCases } from './required.ts'

const NO_WORD = 'this wire has no word for it: what the provider will not say is filtered'
const NO_REFUSAL = { refusal: NO_WORD, 'refusal, streamed': NO_WORD }

requiredCases('openai')
requiredCases('openai-responses')
requiredCases('anthropic')
requiredCases('gemini', NO_REFUSAL)
requiredCases('bedrock', NO_REFUSAL)
requiredCases('cohere', {
  'tool results with images': 'results hold text; pictures are shown by the user after them (tools-history)',
  PDF: 'it reads no documents but text: refused by name (refused-pdf)',
  ...NO_REFUSAL,
})

requiredCases('bedrock-claude', {}, 'anthropic')
requiredCases('vertex/claude', {}, 'anthropic')
requiredCases('azure/claude', {}, 'anthropic')
requiredCases('vertex/gemini', NO_REFUSAL, 'gemini')
requiredCases(
  'vertex/open',
  {
    refusal: 'open weights say no in their text',
    'refusal, streamed': 'open weights say no in their text',
    'error: a prompt that is too long':
      'Google documents no words of its own for it: the model server’s pass',
  },
  'openai',
)
requiredCases('azure/v1', {}, 'openai')
