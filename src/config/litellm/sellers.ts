/** What stands before the slash of a LiteLLM model, as a kind of ours. Facts: docs.litellm.ai/docs/providers. Data for deployments.ts. */

export interface Seller {
  /** A kind of ours. */
  readonly kind: string
  /** Variable that LiteLLM reads when a deployment names no key; absent = none is needed. */
  readonly env?: string
  /** A server of one's own: its address when none is given. */
  readonly local?: string
  /** What our base URL has behind LiteLLM's `api_base`. */
  readonly suffix?: string
  /** In place of a key: what the surroundings of the process hold. */
  readonly ambient?: string
}

const host = (kind: string, env: string): Seller => ({ kind, env })

/** By the prefix, or `custom_llm_provider`. */
export const SELLERS: Readonly<Record<string, Seller>> = {
  openai: host('openai', 'OPENAI_API_KEY'),
  'text-completion-openai': host('openai', 'OPENAI_API_KEY'),
  custom_openai: host('openai', 'OPENAI_API_KEY'),
  openai_like: host('openai', 'OPENAI_LIKE_API_KEY'),
  litellm_proxy: host('openai', 'LITELLM_PROXY_API_KEY'),
  azure: host('azure', 'AZURE_API_KEY'),
  azure_text: host('azure', 'AZURE_API_KEY'),
  anthropic: { kind: 'anthropic', env: 'ANTHROPIC_API_KEY', suffix: '/v1' },
  anthropic_text: { kind: 'anthropic', env: 'ANTHROPIC_API_KEY', suffix: '/v1' },
  bedrock: { kind: 'bedrock', ambient: 'aws://default' },
  bedrock_converse: { kind: 'bedrock', ambient: 'aws://default' },
  vertex_ai: { kind: 'vertex', ambient: 'gcp://default' },
  vertex_ai_beta: { kind: 'vertex', ambient: 'gcp://default' },
  gemini: { kind: 'gemini', env: 'GEMINI_API_KEY' },
  cohere: host('cohere', 'COHERE_API_KEY'),
  cohere_chat: host('cohere', 'COHERE_API_KEY'),
  groq: host('groq', 'GROQ_API_KEY'),
  mistral: host('mistral', 'MISTRAL_API_KEY'),
  deepseek: host('deepseek', 'DEEPSEEK_API_KEY'),
  xai: host('xai', 'XAI_API_KEY'),
  openrouter: host('openrouter', 'OPENROUTER_API_KEY'),
  together_ai: host('together', 'TOGETHERAI_API_KEY'),
  fireworks_ai: host('fireworks', 'FIREWORKS_AI_API_KEY'),
  perplexity: host('perplexity', 'PERPLEXITYAI_API_KEY'),
  deepinfra: host('deepinfra', 'DEEPINFRA_API_KEY'),
  cerebras: host('cerebras', 'CEREBRAS_API_KEY'),
  sambanova: host('sambanova', 'SAMBANOVA_API_KEY'),
  nvidia_nim: host('nvidia', 'NVIDIA_NIM_API_KEY'),
  huggingface: host('huggingface', 'HF_TOKEN'),
  github: host('github', 'GITHUB_API_KEY'),
  ai21: host('ai21', 'AI21_API_KEY'),
  ai21_chat: host('ai21', 'AI21_API_KEY'),
  voyage: host('voyage', 'VOYAGE_API_KEY'),
  jina_ai: host('jina', 'JINA_AI_API_KEY'),
  moonshot: host('moonshot', 'MOONSHOT_API_KEY'),
  zai: host('zai', 'ZAI_API_KEY'),
  dashscope: host('alibaba', 'DASHSCOPE_API_KEY'),
  minimax: host('minimax', 'MINIMAX_API_KEY'),
  meta_llama: host('meta', 'LLAMA_API_KEY'),
  novita: host('novita', 'NOVITA_API_KEY'),
  nebius: host('nebius', 'NEBIUS_API_KEY'),
  hyperbolic: host('hyperbolic', 'HYPERBOLIC_API_KEY'),
  baseten: host('baseten', 'BASETEN_API_KEY'),
  featherless_ai: host('featherless', 'FEATHERLESS_AI_API_KEY'),
  friendliai: host('friendli', 'FRIENDLI_TOKEN'),
  lambda_ai: host('lambda', 'LAMBDA_API_KEY'),
  wandb: host('wandb', 'WANDB_API_KEY'),
  heroku: host('heroku', 'HEROKU_API_KEY'),
  siliconflow: host('siliconflow', 'SILICONFLOW_API_KEY'),
  vercel_ai_gateway: host('vercel-gateway', 'VERCEL_AI_GATEWAY_API_KEY'),
  ollama: { kind: 'ollama', local: 'http://localhost:11434', suffix: '/v1' },
  ollama_chat: { kind: 'ollama', local: 'http://localhost:11434', suffix: '/v1' },
  hosted_vllm: { kind: 'vllm' },
  vllm: { kind: 'vllm' },
  lm_studio: { kind: 'lmstudio' },
  llamafile: { kind: 'llamacpp', local: 'http://127.0.0.1:8080/v1' },
  xinference: { kind: 'openai' },
}

/** A kind of server that needs no key. */
export const KEYLESS: ReadonlySet<string> = new Set(['ollama', 'vllm', 'lmstudio', 'llamacpp', 'sglang'])

/** Keys that are none: what people write where a client insists on one. */
export const NO_KEY = /^(none|null|empty|dummy|fake.*|sk-1234|sk-none|not-?needed|anything|any|x+|-)$/i
