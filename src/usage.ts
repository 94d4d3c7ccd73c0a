/** What a request used: tokens, and what is counted beside them. Types only; a part of the nouns in terms.ts. */

/** Usage in OpenTelemetry's meaning: inputTokens includes both cache counts, outputTokens includes reasoning. */
export interface Usage {
  readonly inputTokens: number
  readonly cacheReadInputTokens: number
  /** All cache writes; `cacheCreation1hInputTokens` of them at the one-hour price. */
  readonly cacheCreationInputTokens: number
  readonly cacheCreation1hInputTokens?: number
  readonly outputTokens: number
  readonly reasoningOutputTokens: number
  /** What is paid for, where that is not what was read and written (Cohere's billed units); absent = the counts above. */
  readonly billedInputTokens?: number
  readonly billedOutputTokens?: number
  /** Tokens of sound among the counts above, those from a cache left out. Absent = none, or not told. */
  readonly audioInputTokens?: number
  readonly audioOutputTokens?: number
  /** Calls of tools that the provider ran by itself, for prices by the call. Absent = none. */
  readonly toolCalls?: readonly Units[]
  /** What is counted beside tokens or in their place; billed where the price has this kind of unit. */
  readonly units?: Units
  /** The service tier that the answer was made in, where that is not the usual one. */
  readonly serviceTier?: string
  /** The provider's own statement of cost, when it sends one. Nano-USD. */
  readonly reportedCostNanoUsd?: number
}

/** Pictures, characters, seconds, searches, calls of a tool: `kind` is a key of a price's `units`. */
export interface Units {
  readonly kind: string
  readonly count: number
}
