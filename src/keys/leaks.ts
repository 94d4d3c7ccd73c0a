/** Keys that stand in a text where they should not: ours by their checksum, providers' by the forms that they publish. For `switchgate scan`. Pure. */
import { KEY_PREFIX, parse } from './format.ts'

/** A form of secret, and the literal that every one of them has: texts without it are passed over quickly. */
interface Form {
  readonly kind: string
  readonly literal: string
  readonly pattern: RegExp
}

const form = (kind: string, literal: string, pattern: RegExp): Form => ({ kind, literal, pattern })

/** Not in the middle of a word, as in `task-…`. */
const EDGE = '(?<![0-9A-Za-z_-])'
const exact = (text: string) => new RegExp(`${EDGE}${text}(?![0-9A-Za-z_-])`, 'g')
const open = (text: string) => new RegExp(`${EDGE}${text}`, 'g')

/**
 * The more particular first: of forms that overlap, the first one counts. Sources: GitHub's list of secret scanning patterns
 * (docs.github.com, "Supported secret scanning patterns") and the keys that each provider's console hands out.
 */
const FORMS: readonly Form[] = [
  form(
    'switchgate',
    KEY_PREFIX,
    /sgate_(?:live|staging|test|admin)_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}(?![0-9A-Za-z])/g,
  ),
  form('anthropic', 'sk-ant-', open('sk-ant-[a-z]{2,10}\\d{2}-[\\w-]{80,200}')),
  form('openrouter', 'sk-or-v1-', exact('sk-or-v1-[0-9a-f]{64}')),
  form('openai', 'sk-', open('sk-(?:proj|svcacct|admin)-[\\w-]{40,300}')),
  form('openai', 'T3BlbkFJ', exact('sk-[0-9A-Za-z]{20}T3BlbkFJ[0-9A-Za-z]{20}')),
  form('google', 'AIza', exact('AIza[\\w-]{35}')),
  form('google', 'ya29.', open('ya29\\.[\\w.-]{60,500}')),
  form('groq', 'gsk_', exact('gsk_[0-9A-Za-z]{52}')),
  form('xai', 'xai-', exact('xai-[0-9A-Za-z]{80}')),
  form('perplexity', 'pplx-', exact('pplx-[0-9A-Za-z]{48,56}')),
  form('cerebras', 'csk-', exact('csk-[0-9a-z]{48}')),
  form('fireworks', 'fw_', exact('fw_[0-9A-Za-z]{22,26}')),
  form('together', 'tgp_v1_', exact('tgp_v1_[\\w-]{43}')),
  form('nvidia', 'nvapi-', open('nvapi-[\\w-]{60,80}')),
  form('huggingface', 'hf_', exact('hf_[0-9A-Za-z]{34}')),
  form('replicate', 'r8_', exact('r8_[0-9A-Za-z]{37}')),
  form('github', 'github_pat_', exact('github_pat_\\w{82}')),
  form('github', 'gh', exact('gh[pousr]_[0-9A-Za-z]{36}')),
  form('vercel', 'vck_', exact('vck_[0-9A-Za-z]{56}')),
  form('bedrock', 'ABSK', open('ABSK[0-9A-Za-z+/]{100,300}={0,2}')),
  form('aws-access-key-id', 'AKIA', exact('AKIA[A-Z2-7]{16}')),
  form('aws-access-key-id', 'ASIA', exact('ASIA[A-Z2-7]{16}')),
  // DeepSeek, Alibaba, Moonshot and others: nothing in it says whose it is
  form('sk-hex', 'sk-', exact('sk-[0-9a-f]{32}')),
  form(
    'private-key',
    '-----BEGIN ',
    /-----BEGIN (?:[A-Z]{2,10} )?PRIVATE KEY-----(?:\\n|\s)*[0-9A-Za-z+/=]{20,64}/g,
  ),
]

/** Literals that a text must have one of. */
export const LITERALS: readonly string[] = [...new Set(FORMS.map(({ literal }) => literal))]

export interface Leak {
  /** `switchgate`, a provider, or a form that is nobody's own. */
  readonly kind: string
  /** Offset in the text. */
  readonly at: number
  readonly secret: string
  /** Public id of a key of ours. */
  readonly id: string | undefined
}

/** Fewer different characters at its end than this are an example (`sk-proj-xxxx…`), not a key; so is what says so, as AWS's does. */
const END = 20
const CHARACTERS_MIN = 6

/** A key of ours is one only if its checksum is right; of the others only the form is known. */
function leakOf(kind: string, secret: string, at: number): Leak | undefined {
  if (kind === 'switchgate') {
    const key = parse(secret)
    return key && { kind: key.env === 'admin' ? 'switchgate-admin' : 'switchgate', at, secret, id: key.id }
  }
  return new Set(secret.slice(-END)).size < CHARACTERS_MIN || secret.includes('EXAMPLE')
    ? undefined
    : { kind, at, secret, id: undefined }
}

/** All of them, in order; of two at one place the first form counts. */
export function findLeaks(text: string): Leak[] {
  const found: Leak[] = []
  const taken: [from: number, to: number][] = []
  for (const { kind, literal, pattern } of FORMS) {
    if (!text.includes(literal)) continue
    for (const match of text.matchAll(pattern)) {
      const [secret] = match
      const to = match.index + secret.length
      if (taken.some(([from, end]) => match.index < end && from < to)) continue
      const leak = leakOf(kind, secret, match.index)
      if (leak === undefined) continue
      taken.push([match.index, to])
      found.push(leak)
    }
  }
  return found.sort((a, b) => a.at - b.at)
}
