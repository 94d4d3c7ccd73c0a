/** Every adapter through the provider contract. One line a provider; how to add a case is told in provider.ts. */
import { anthropic } from '../../providers/anthropic/index.ts'
import { claudeOnBedrock } from '../../providers/bedrock/claude.ts'
import { converse } from '../../providers/bedrock/index.ts'
import { cohere } from '../../providers/cohere/index.ts'
import { gemini } from '../../providers/gemini/index.ts'
import { openai } from '../../providers/openai.ts'
import { overResponses } from '../../providers/responses/index.ts'
import { providerContract } from './provider.ts'

providerContract(anthropic)
providerContract(converse, 'bedrock')
providerContract(claudeOnBedrock(anthropic), 'bedrock-claude')
providerContract(cohere)
providerContract(gemini, 'gemini')
providerContract(openai)
providerContract(overResponses(openai), 'openai-responses')
