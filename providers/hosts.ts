/** OpenAI-compatible hosts: rows of data, no code. A new host is a new row; `hosts:` in the config file has the same columns. */
import type { HostRow, Quirks } from './provider.ts'
import { OPENAI_RESPONSES_ONLY } from './responses-only.ts'

/** OpenAI's own parameters that most other hosts answer with 400 or 422. */
const OPENAI_ONLY = [
  'store',
  'prediction',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'verbosity',
  'modalities',
] as const

/** Limits and resets as `x-ratelimit-*` with these endings. */
const limits = (...endings: readonly string[]): Quirks['rateLimits'] =>
  endings.map(ending => ({
    remaining: `x-ratelimit-remaining${ending}`,
    reset: `x-ratelimit-reset${ending}`,
  }))

/** The common case: a server that took over OpenAI's wire before `max_completion_tokens` and `developer` came. */
const classic = { maxTokensField: 'max_tokens', developerRole: 'system' } as const satisfies Quirks
/** The same, and it refuses what it does not know. */
const strict = { ...classic, drops: OPENAI_ONLY } as const satisfies Quirks
/** The same, and reasoning goes back to it: without, a tool loop of a thinking model is refused (pi-ai, omp `thinkingFormat`). */
const replaying = { ...strict, replaysReasoning: true } as const satisfies Quirks
/**
 * z.ai and Zhipu: tools are chosen by the model alone, schemas are told in words, and the reasons for an end are their own
 * (docs.z.ai/api-reference/llm/chat-completion; recorded answers).
 */
const glm = {
  ...replaying,
  toolChoice: 'auto_only',
  strictTools: false,
  jsonSchema: 'object_only',
  usageIn: 'finish_chunk',
  finishReasons: {
    sensitive: 'content_filter',
    model_context_window_exceeded: 'length',
    network_error: 'error',
  },
} as const satisfies Quirks
/** Kimi: own dialect of tool schemas without `strict` (vercel/ai normalize-json-schema-for-mfjs); older answers have usage in the choice. */
const kimi = { ...replaying, strictTools: false, usageIn: 'choice' } as const satisfies Quirks
/**
 * MiniMax: reasoning is `<think>` in the text and is wanted back there; deltas may repeat all of it
 * (platform.minimax.io "OpenAI API compatible"; omp rules).
 */
const minimax = {
  ...replaying,
  jsonSchema: 'object_only',
  reasoningField: 'think_tags',
  cumulativeDeltas: true,
} as const satisfies Quirks
/** Qwen: later pieces of a tool call have `id: ""` (recorded streams). */
const qwen = { ...strict, repairsToolCalls: true } as const satisfies Quirks
/** Ollama: pictures as data only, chat templates without null, a call's index always 0 (ollama #7881, #15457), `reasoning`. */
const ollama = {
  ...classic,
  drops: ['parallel_tool_calls'],
  refusesNullContent: true,
  strictTools: false,
  pictures: 'inline_only',
  reasoningField: 'reasoning',
  repairsToolCalls: true,
} as const satisfies Quirks
/** llama.cpp and LM Studio: chat templates without null, tools are not chosen by name (omp rules `lm-studio`, `llama.cpp`). */
const ggml = {
  ...classic,
  refusesNullContent: true,
  toolChoice: 'required_only',
  repairsToolCalls: true,
} as const satisfies Quirks
/** Takes `max_completion_tokens`, but not `developer`. */
const modern = { maxTokensField: 'max_completion_tokens', developerRole: 'system' } as const satisfies Quirks

const host = (baseUrl: string, env: readonly string[], quirks: Quirks, source: string): HostRow => ({
  baseUrl,
  auth: 'bearer',
  env,
  quirks,
  source,
})

/** For servers on the caller's own machines: no key unless one is configured. */
const local = (baseUrl: string, quirks: Quirks, source: string): HostRow => ({
  baseUrl,
  auth: 'bearer',
  env: [],
  quirks,
  source,
})

/**
 * Environment names are a host's own for inference alone: a key for a whole cloud account (`HEROKU_API_KEY`, `GITHUB_TOKEN`)
 * or a name that any other program may use is not picked up.
 *
 * Host name (the config's `kind`) → row. Names as models.dev and the catalogue have them.
 */
export const HOSTS: Readonly<Record<string, HostRow>> = {
  openai: host(
    'https://api.openai.com/v1',
    ['OPENAI_API_KEY'],
    { speaksResponses: true, responsesOnly: OPENAI_RESPONSES_ONLY, toolIds: '40_chars' },
    'OpenAI API reference; ids over 40 characters are refused (string_above_max_length)',
  ),

  // Fast and first-party
  groq: host(
    'https://api.groq.com/openai/v1',
    ['GROQ_API_KEY'],
    {
      ...modern,
      drops: ['store', 'prediction', 'modalities', 'logprobs', 'top_logprobs', 'logit_bias'],
      messageDrops: ['name'],
      refusesNull: true,
      reasoningField: 'reasoning',
      usageIn: 'x_groq',
    },
    'vercel/ai packages/groq; console.groq.com/docs/openai; recorded streams; litellm #5839 (null)',
  ),
  cerebras: host(
    'https://api.cerebras.ai/v1',
    ['CEREBRAS_API_KEY'],
    {
      ...modern,
      drops: OPENAI_ONLY,
      refusesNull: true,
      reasoningField: 'reasoning',
      rateLimits: limits('-requests-day', '-tokens-minute'),
    },
    'vercel/ai packages/cerebras; inference-docs.cerebras.ai; recorded answers',
  ),
  sambanova: host(
    'https://api.sambanova.ai/v1',
    ['SAMBANOVA_API_KEY'],
    { ...classic, reasoningField: 'think_tags', rateLimits: limits('-requests', '-requests-day') },
    'Portkey-AI/gateway src/providers/sambanova; docs.sambanova.ai; mozilla-ai/any-llm xml_reasoning.py',
  ),
  mistral: host(
    'https://api.mistral.ai/v1',
    ['MISTRAL_API_KEY'],
    {
      ...strict,
      renames: { seed: 'random_seed' },
      streamOptions: false,
      drops: [...OPENAI_ONLY, 'logprobs', 'top_logprobs', 'logit_bias'],
      messageDrops: ['refusal', 'annotations', 'audio', 'function_call'],
      refusesNull: true,
      toolIds: '9_alphanumeric',
      strictTools: false,
      reasoningField: 'content_parts',
      replaysReasoning: true,
      usageIn: 'finish_chunk',
      repairsToolCalls: true,
      finishReasons: { model_length: 'length', error: 'error' },
    },
    'vercel/ai packages/mistral; docs.mistral.ai/api; recorded streams (usage comes unasked, calls whole with the finish)',
  ),
  deepseek: host(
    'https://api.deepseek.com',
    ['DEEPSEEK_API_KEY'],
    {
      ...replaying,
      speaksResponses: true,
      jsonSchema: 'object_only',
      usageIn: 'finish_chunk',
      finishReasons: { insufficient_system_resource: 'error' },
    },
    'vercel/ai packages/deepseek; api-docs.deepseek.com; recorded streams',
  ),
  xai: host(
    'https://api.x.ai/v1',
    ['XAI_API_KEY'],
    {
      ...modern,
      drops: OPENAI_ONLY,
      reasoningOutsideCompletion: true,
      speaksResponses: true,
      statesCost: true,
    },
    'vercel/ai packages/xai (xai-text.chunks.txt); docs.x.ai',
  ),
  moonshot: host(
    'https://api.moonshot.ai/v1',
    ['MOONSHOT_API_KEY'],
    kimi,
    'vercel/ai packages/moonshotai; platform.moonshot.ai/docs',
  ),
  'moonshot-cn': host(
    'https://api.moonshot.cn/v1',
    ['MOONSHOT_CN_API_KEY'],
    kimi,
    'platform.moonshot.cn/docs; keys differ from moonshot.ai (litellm llms/moonshot)',
  ),
  zai: host(
    'https://api.z.ai/api/paas/v4',
    ['ZAI_API_KEY', 'Z_AI_API_KEY'],
    glm,
    'docs.z.ai/api-reference; recorded answers',
  ),
  zhipu: host(
    'https://open.bigmodel.cn/api/paas/v4',
    ['ZHIPU_API_KEY', 'ZHIPUAI_API_KEY'],
    glm,
    'docs.bigmodel.cn; same wire as z.ai',
  ),
  alibaba: host(
    'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
    ['DASHSCOPE_API_KEY'],
    qwen,
    'vercel/ai packages/alibaba; Alibaba Model Studio, "OpenAI compatible"',
  ),
  'alibaba-cn': host(
    'https://dashscope.aliyuncs.com/compatible-mode/v1',
    ['DASHSCOPE_CN_API_KEY'],
    qwen,
    'Alibaba Model Studio (China), "OpenAI compatible"',
  ),
  minimax: host(
    'https://api.minimax.io/v1',
    ['MINIMAX_API_KEY'],
    minimax,
    'vercel/ai packages/minimax; platform.minimax.io; errors come inside a 200',
  ),
  'minimax-cn': host('https://api.minimaxi.com/v1', ['MINIMAX_CN_API_KEY'], minimax, 'platform.minimaxi.com'),
  perplexity: host(
    'https://api.perplexity.ai',
    ['PERPLEXITY_API_KEY', 'PPLX_API_KEY'],
    {
      ...classic,
      drops: [...OPENAI_ONLY, 'parallel_tool_calls'],
      statesCost: true,
      reasoningField: 'think_tags',
      usageIn: 'every_chunk',
    },
    'vercel/ai packages/perplexity; docs.perplexity.ai; recorded streams (no [DONE])',
  ),
  upstage: host(
    'https://api.upstage.ai/v1',
    ['UPSTAGE_API_KEY'],
    classic,
    'console.upstage.ai/docs; mozilla-ai/any-llm registry',
  ),
  ai21: host(
    'https://api.ai21.com/studio/v1',
    ['AI21_API_KEY'],
    classic,
    'Portkey-AI/gateway src/providers/ai21; docs.ai21.com',
  ),
  voyage: host(
    'https://api.voyageai.com/v1',
    ['VOYAGE_API_KEY'],
    { renames: { top_n: 'top_k' } },
    'docs.voyageai.com/reference/reranker-api; recorded answers. Embeddings and reranking only',
  ),
  jina: host(
    'https://api.jina.ai/v1',
    ['JINA_API_KEY'],
    { renames: { top_k: 'top_n' } },
    'api.jina.ai/redoc, "Rerank". Embeddings and reranking only',
  ),
  meta: host(
    'https://api.meta.ai/v1',
    ['META_API_KEY', 'LLAMA_API_KEY'],
    { ...modern, toolChoice: 'auto_only' },
    'llama.developer.meta.com/docs; tool_choice only "auto"',
  ),
  xiaomi: host(
    'https://api.xiaomimimo.com/v1',
    ['XIAOMI_API_KEY', 'MIMO_API_KEY'],
    strict,
    'litellm openai_like/providers.json (xiaomi_mimo)',
  ),

  // Hosts of open weights
  together: host(
    'https://api.together.ai/v1',
    ['TOGETHER_API_KEY', 'TOGETHER_AI_API_KEY'],
    {
      ...strict,
      strictTools: false,
      reasoningField: 'reasoning',
      rateLimits: [
        ...(limits('') ?? []),
        { remaining: 'x-tokenlimit-remaining', reset: 'x-ratelimit-reset' },
      ],
    },
    'vercel/ai packages/togetherai; docs.together.ai',
  ),
  fireworks: host(
    'https://api.fireworks.ai/inference/v1',
    ['FIREWORKS_API_KEY'],
    strict,
    'vercel/ai packages/fireworks; docs.fireworks.ai',
  ),
  deepinfra: host(
    'https://api.deepinfra.com/v1/openai',
    ['DEEPINFRA_API_KEY', 'DEEPINFRA_TOKEN'],
    classic,
    'vercel/ai packages/deepinfra; deepinfra.com/docs',
  ),
  nebius: host(
    'https://api.tokenfactory.nebius.com/v1',
    ['NEBIUS_API_KEY'],
    classic,
    'docs.tokenfactory.nebius.com; pydantic-ai providers/nebius',
  ),
  novita: host(
    'https://api.novita.ai/openai',
    ['NOVITA_API_KEY'],
    classic,
    'novita.ai/docs; Portkey-AI/gateway src/providers/novita-ai',
  ),
  hyperbolic: host(
    'https://api.hyperbolic.xyz/v1',
    ['HYPERBOLIC_API_KEY'],
    { ...classic, reasoningField: 'think_tags' },
    'docs.hyperbolic.xyz; litellm llms/hyperbolic',
  ),
  baseten: host(
    'https://inference.baseten.co/v1',
    ['BASETEN_API_KEY'],
    classic,
    'vercel/ai packages/baseten; docs.baseten.co',
  ),
  siliconflow: host(
    'https://api.siliconflow.com/v1',
    ['SILICONFLOW_API_KEY'],
    classic,
    'docs.siliconflow.com; Portkey-AI/gateway src/providers/siliconflow',
  ),
  'siliconflow-cn': host(
    'https://api.siliconflow.cn/v1',
    ['SILICONFLOW_CN_API_KEY'],
    classic,
    'docs.siliconflow.cn',
  ),
  chutes: host(
    'https://llm.chutes.ai/v1',
    ['CHUTES_API_KEY'],
    strict,
    'pi-ai openai-completions detectCompat; chutes.ai/docs',
  ),
  friendli: host(
    'https://api.friendli.ai/serverless/v1',
    ['FRIENDLI_TOKEN', 'FRIENDLI_API_KEY'],
    classic,
    'friendli.ai/docs; litellm friendliai',
  ),
  wandb: host(
    'https://api.inference.wandb.ai/v1',
    ['WANDB_API_KEY'],
    classic,
    'docs.wandb.ai/inference; litellm llms/wandb',
  ),
  digitalocean: host(
    'https://inference.do-ai.run/v1',
    ['DIGITALOCEAN_INFERENCE_KEY', 'GRADIENT_MODEL_ACCESS_KEY'],
    classic,
    'docs.digitalocean.com/products/gradient-ai-platform',
  ),
  crusoe: host(
    'https://api.inference.crusoecloud.com/v1',
    ['CRUSOE_API_KEY'],
    { ...classic, reasoningField: 'reasoning' },
    'docs.crusoecloud.com; recorded answers',
  ),
  vultr: host(
    'https://api.vultrinference.com/v1',
    ['VULTR_INFERENCE_API_KEY'],
    classic,
    'docs.vultr.com "Serverless Inference"',
  ),
  scaleway: host(
    'https://api.scaleway.ai/v1',
    ['SCALEWAY_API_KEY'],
    classic,
    'scaleway.com/en/docs/generative-apis',
  ),
  ovhcloud: host(
    'https://oai.endpoints.kepler.ai.cloud.ovh.net/v1',
    ['OVHCLOUD_API_KEY', 'OVH_AI_ENDPOINTS_ACCESS_TOKEN'],
    classic,
    'help.ovhcloud.com "AI Endpoints"; litellm llms/ovhcloud',
  ),
  nvidia: host(
    'https://integrate.api.nvidia.com/v1',
    ['NVIDIA_API_KEY', 'NVIDIA_NIM_API_KEY'],
    strict,
    'docs.api.nvidia.com/nim; litellm nvidia_nim',
  ),
  lambda: host(
    'https://api.lambda.ai/v1',
    ['LAMBDA_API_KEY'],
    classic,
    'litellm llms/lambda_ai; docs.lambda.ai',
  ),
  featherless: host(
    'https://api.featherless.ai/v1',
    ['FEATHERLESS_API_KEY'],
    classic,
    'featherless.ai/docs; litellm llms/featherless_ai',
  ),
  parasail: host('https://api.parasail.io/v1', ['PARASAIL_API_KEY'], classic, 'docs.parasail.io'),
  heroku: host(
    'https://us.inference.heroku.com/v1',
    ['HEROKU_INFERENCE_KEY'],
    classic,
    'devcenter.heroku.com "Managed Inference"; recorded answer',
  ),

  writer: host(
    'https://api.writer.com/v1',
    ['WRITER_API_KEY'],
    { ...classic, repairsToolCalls: true },
    'dev.writer.com/api-reference; recorded streams (no [DONE], ids emptied)',
  ),

  // Clouds: the address has a place for the account
  cloudflare: host(
    'https://api.cloudflare.com/client/v4/accounts/{account}/ai/v1',
    ['CLOUDFLARE_WORKERS_AI_TOKEN'],
    strict,
    'developers.cloudflare.com/workers-ai "OpenAI compatible API endpoints"',
  ),
  databricks: host(
    'https://{workspace}/serving-endpoints',
    ['DATABRICKS_SERVING_TOKEN'],
    { ...strict, reasoningField: 'content_parts' },
    'docs.databricks.com "Foundation Model APIs"; pi-ai openai-completions',
  ),
  snowflake: host(
    'https://{account}.snowflakecomputing.com/api/v2/cortex/v1',
    ['SNOWFLAKE_CORTEX_TOKEN'],
    { ...modern, reasoningField: 'reasoning_details', sendsFinishReason: false },
    'docs.snowflake.com "Cortex REST API"; recorded streams (no finish reason)',
  ),

  // Routers
  openrouter: host(
    'https://openrouter.ai/api/v1',
    ['OPENROUTER_API_KEY'],
    {
      keepsExtensions: true,
      speaksResponses: true,
      statesCost: true,
      reasoningField: 'reasoning',
      usageIn: 'finish_chunk',
      rateLimits: limits(''),
    },
    'openrouter.ai/docs/api-reference; recorded streams',
  ),
  poe: host(
    'https://api.poe.com/v1',
    ['POE_API_KEY'],
    classic,
    'creator.poe.com/docs "OpenAI-compatible API"; litellm openai_like/providers.json',
  ),
  huggingface: host(
    'https://router.huggingface.co/v1',
    ['HF_TOKEN', 'HUGGINGFACE_API_KEY'],
    { ...classic, reasoningField: 'think_tags' },
    'huggingface.co/docs/inference-providers; recorded answers',
  ),
  github: host(
    'https://models.github.ai/inference',
    ['GITHUB_MODELS_TOKEN'],
    classic,
    'docs.github.com/en/rest/models/inference',
  ),
  'vercel-gateway': host(
    'https://ai-gateway.vercel.sh/v1',
    ['AI_GATEWAY_API_KEY'],
    {},
    'vercel.com/docs/ai-gateway/openai-compat',
  ),

  // Own servers: the address is usual, the key optional
  ollama: local(
    'http://127.0.0.1:11434/v1',
    ollama,
    'docs.ollama.com/api/openai-compatibility; recorded streams',
  ),
  'ollama-cloud': host(
    'https://ollama.com/v1',
    ['OLLAMA_API_KEY'],
    ollama,
    'docs.ollama.com/cloud; recorded streams',
  ),
  lmstudio: local('http://127.0.0.1:1234/v1', ggml, 'lmstudio.ai/docs "OpenAI compatibility"'),
  llamacpp: local('http://127.0.0.1:8080/v1', ggml, 'ggml-org/llama.cpp tools/server/README.md'),
  vllm: local(
    'http://127.0.0.1:8000/v1',
    { ...classic, reasoningField: 'reasoning' },
    'docs.vllm.ai "OpenAI-Compatible Server"; recorded answers; reasoning_content until 0.11, then reasoning',
  ),
  sglang: local('http://127.0.0.1:30000/v1', classic, 'docs.sglang.ai "OpenAI APIs"'),
}
