/** Kinds that run on the operator's own machines: free, and only the server knows its models. Their rows stand in hosts.ts. */

export interface LocalServer {
  /** The host row's name. */
  readonly kind: string
  readonly title: string
  /** Where it listens unless told otherwise, `host:port`. */
  readonly address: string
  /** `owned_by` of its models, where its port is one that many programs use. */
  readonly signature?: string
}

/**
 * Usual addresses: docs.ollama.com "FAQ"; lmstudio.ai/docs "Local server"; ggml-org/llama.cpp tools/server/README.md (its models are
 * `owned_by` "llamacpp"); docs.vllm.ai "OpenAI-Compatible Server" (`owned_by` "vllm").
 */
export const LOCAL_SERVERS: readonly LocalServer[] = [
  { kind: 'ollama', title: 'Ollama', address: '127.0.0.1:11434' },
  { kind: 'lmstudio', title: 'LM Studio', address: '127.0.0.1:1234' },
  { kind: 'llamacpp', title: 'llama.cpp', address: '127.0.0.1:8080', signature: 'llamacpp' },
  { kind: 'vllm', title: 'vLLM', address: '127.0.0.1:8000', signature: 'vllm' },
]

const KINDS: ReadonlySet<string> = new Set([...LOCAL_SERVERS.map(server => server.kind), 'sglang'])

/** Does this kind run on one's own machines, free and with models that only the server knows? */
export const isLocalKind = (kind: string): boolean => KINDS.has(kind)
