/** Gemini through the provider contract: the golden folders in test/fixtures/gemini. */
import { gemini } from '../../../providers/gemini/index.ts'
import { providerContract } from '../../contract/provider.ts'

providerContract(gemini, 'gemini')
