/** The last line before a log sink: strikes out whatever looks like a credential or is one that this process has opened. */

export interface Redactor {
  /** Text without secrets; cut to a bounded length, so that a hostile message costs bounded time. */
  scrub(text: string): string
  /** Remembers a secret by its exact text. Very short ones are left alone: they would strike out ordinary words. */
  remember(secret: string): void
  /** How often a secret was remembered: what was scrubbed at another count may hold one that is known now. */
  readonly count: number
}

const TEXT_MAX = 4_096
const SECRET_MIN = 8
/** Secrets remembered; with more, the oldest are forgotten. */
const KNOWN_MAX = 2_048

/** A platform key keeps its public part. */
const OURS = /\b(sgate_(?:live|staging|test|admin)_[0-9A-Za-z]{1,12})[0-9A-Za-z_]*/g

/**
 * Prefixes that providers publish for secret scanning, each with at least eight characters behind it (`AKIA` is exact by AWS's format).
 * No pattern has nested repetition: time grows with the text's length only.
 */
const THEIRS =
  /\b(?:sk-[\w-]{8,}|AIza[\w-]{8,}|gsk_\w{8,}|xai-[\w-]{8,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|ya29\.[\w.-]{8,}|hf_\w{8,}|r8_\w{8,}|pplx-\w{8,}|nvapi-[\w-]{8,}|ghp_\w{8,}|github_pat_\w{8,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?)/g
const BEARER = /\b(bearer|basic)(\s+|%20)[\w.~+/%=-]{8,}/gi
const IN_URL = /(:\/\/[^\s/:@]{0,256}:)[^\s/@]{1,256}@/g
const NAMED = /([?&](?:key|api_key|api-key|access_token|token|sig|signature)=)[^&\s"']{1,4096}/gi
// Without the flag for case: it alone doubles the time of a search that every log line pays for.
const QUICK =
  /sgate_|sk-|AIza|gsk_|xai-|A[KS]IA|ya29\.|hf_|r8_|pplx-|nvapi-|ghp_|github_pat_|eyJ|:\/\/|[?&]\w|[bB][eE][aA][rR][eE][rR]|[bB][aA][sS][iI][cC]/

/** A scrubber with its own memory of secrets. */
export function createRedactor(): Redactor {
  const known = new Set<string>()
  let count = 0
  return {
    get count() {
      return count
    },
    remember(secret) {
      const bare = secret.trim()
      if (bare.length < SECRET_MIN) return
      count++
      for (const form of new Set([
        bare,
        encodeURIComponent(bare),
        JSON.stringify(bare).slice(1, -1),
        btoaSafe(bare),
      ])) {
        if (known.size >= KNOWN_MAX) for (const oldest of known) if (known.delete(oldest)) break
        known.add(form)
      }
    },
    scrub(given) {
      if (given.length < SECRET_MIN) return given
      const isHuge = given.length > TEXT_MAX * 2
      let text = isHuge ? given.slice(0, TEXT_MAX * 2) : given
      for (const secret of known) if (text.includes(secret)) text = text.replaceAll(secret, '[secret]')
      if (QUICK.test(text))
        text = text
          .replace(OURS, '$1_[secret]')
          .replace(BEARER, '$1 [secret]')
          .replace(THEIRS, '[secret]')
          .replace(IN_URL, '$1[secret]@')
          .replace(NAMED, '$1[secret]')
      if (given.length <= TEXT_MAX) return text
      // The end of a huge text may be the first half of a secret that the cut has hidden from the patterns.
      const end = isHuge ? Math.max(0, text.length - TEXT_MAX / 2) : text.length
      return `${text.slice(0, Math.min(TEXT_MAX, end))}…[cut]`
    },
  }
}

/** Base64 of the text as it may be quoted from a header; text beyond Latin-1, which no header carries, stays as it is. */
function btoaSafe(text: string): string {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 255) return text
  return btoa(text)
}
