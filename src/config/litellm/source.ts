/** LiteLLM's proxy config as far as it is understood: loose where it is theirs, typed where we read it. Format: docs.litellm.ai/docs/proxy/configs. */
import { z } from 'zod'

const table = z.record(z.string(), z.unknown()).nullish()
const text = z.union([z.string(), z.number()]).transform(String)

const Deployment = z.looseObject({
  model_name: text,
  litellm_params: z.looseObject({ model: text }),
  model_info: table,
})

const Source = z.looseObject({
  model_list: z.array(Deployment).nullish(),
  router_settings: table,
  litellm_settings: table,
  general_settings: table,
  environment_variables: table,
  credential_list: z
    .array(
      z.looseObject({ credential_name: z.string(), credential_values: z.record(z.string(), z.unknown()) }),
    )
    .nullish(),
})

export type Table = Readonly<Record<string, unknown>>

export interface SourceDeployment {
  /** As `model_list[2]`. */
  readonly at: string
  readonly name: string
  readonly params: Table
  readonly info: Table
}

export interface LiteLlm {
  readonly deployments: readonly SourceDeployment[]
  readonly router: Table
  readonly module: Table
  readonly general: Table
  readonly variables: Table
  /** Top-level members that are not ours to read. */
  readonly rest: readonly string[]
}

const KNOWN = new Set([
  'model_list',
  'router_settings',
  'litellm_settings',
  'general_settings',
  'environment_variables',
  'credential_list',
])

/** A parsed YAML value as LiteLLM's config, or what is wrong with it. */
export function readSource(value: unknown): LiteLlm | { readonly why: string } {
  const read = Source.safeParse(value)
  if (!read.success) {
    const [issue] = read.error.issues
    return {
      why: `this is no config of LiteLLM's proxy: ${issue?.path.join('.') || 'the file'}: ${issue?.message}`,
    }
  }
  const file = read.data
  if (!file.model_list && !file.router_settings && !file.general_settings && !file.litellm_settings)
    return { why: "this is no config of LiteLLM's proxy: it has neither model_list nor any of its settings" }
  const credentials = new Map(
    (file.credential_list ?? []).map(one => [one.credential_name, one.credential_values]),
  )
  const deployments = (file.model_list ?? []).map((one, i): SourceDeployment => {
    const { litellm_credential_name: shared, ...own } = one.litellm_params
    const known = typeof shared === 'string' ? credentials.get(shared) : undefined
    // an unknown name stays, so that it is told
    const params = known
      ? { ...known, ...own }
      : { ...own, ...(shared !== undefined && { litellm_credential_name: shared }) }
    return { at: `model_list[${i}]`, name: one.model_name, params, info: one.model_info ?? {} }
  })
  return {
    deployments,
    router: file.router_settings ?? {},
    module: file.litellm_settings ?? {},
    general: file.general_settings ?? {},
    variables: file.environment_variables ?? {},
    rest: Object.keys(file).filter(name => !KNOWN.has(name)),
  }
}

/** `os.environ/NAME` → NAME. */
export function variableOf(value: unknown): string | undefined {
  return typeof value === 'string'
    ? /^os\.environ\/([A-Za-z_][A-Za-z0-9_]{0,127})$/.exec(value.trim())?.[1]
    : undefined
}
