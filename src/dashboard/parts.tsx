/** Small pieces that several pages share: pills, bars, times, headings. All text is escaped by hono/jsx. */
import type { Child } from 'hono/jsx'
import type { TargetHealth } from '../admin/targets.ts'
import type { Budget } from '../terms.ts'
import { type BudgetUse, useOfBudget, type WireKeyStatus } from '../wire/account.ts'
import { readableAge, readableUsd } from '../wire/readable.ts'

/** Heading of a page with what can be done there. */
export function Head({ title, crumb, children }: { title: Child; crumb?: Child; children?: Child }) {
  return (
    <div class="head">
      <div class="head-title">
        {crumb && <span class="crumb">{crumb}</span>}
        <h1>{title}</h1>
      </div>
      {children}
    </div>
  )
}

/** An instant as an age, with the exact time on hover. */
export function Ago({ ms, nowMs }: { ms: number | null | undefined; nowMs: number }) {
  if (ms === null || ms === undefined) return <span class="muted">never</span>
  const iso = new Date(ms).toISOString()
  return (
    <time class="time" datetime={iso} title={iso}>
      {readableAge(ms, nowMs)}
    </time>
  )
}

const STATUS_TONE: Readonly<Record<WireKeyStatus, string>> = {
  active: 'ok',
  suspended: 'warn',
  revoked: 'bad',
  expired: '',
}

export function KeyStatusPill({ status }: { status: WireKeyStatus }) {
  return <span class={`pill ${STATUS_TONE[status]}`}>{status}</span>
}

/** Status of an answer; 0 = there was none. */
export function HttpStatusPill({ status }: { status: number }) {
  const tone = status >= 200 && status < 300 ? 'ok' : status === 429 || status === 499 ? 'warn' : 'bad'
  return <span class={`pill ${tone}`}>{status === 0 ? 'no answer' : status}</span>
}

const HEALTH_TONE: Readonly<Record<TargetHealth, readonly [string, string]>> = {
  ok: ['ok', 'healthy'],
  failing: ['warn', 'failing'],
  cooling_down: ['bad', 'cooling down'],
  untried: ['', 'untried'],
}

export function HealthPill({ health }: { health: TargetHealth }) {
  const [tone, text] = HEALTH_TONE[health]
  return <span class={`pill ${tone}`}>{text}</span>
}

/** A share of a whole as a thin bar; drawn with attributes because the page allows no inline style. */
export function Bar({
  share,
  held = 0,
  soft,
  tone = '',
}: {
  share: number
  held?: number
  soft?: number
  tone?: string
}) {
  const width = Math.min(100, Math.max(0, share * 100))
  const more = Math.min(100 - width, Math.max(0, held * 100))
  return (
    <svg class={`bar ${tone}`} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
      <rect class="fill" width={width.toFixed(2)} height="6" />
      <rect class="held" x={width.toFixed(2)} width={more.toFixed(2)} height="6" />
      {soft !== undefined && <path class="soft" d={`M${(soft * 100).toFixed(2)} 0V6`} />}
    </svg>
  )
}

/** Whom a budget counts, and of a budget for each by itself whose figures are shown; '' = all. */
export function scopeText({ scope }: Budget, use: BudgetUse | undefined): string {
  if (scope === undefined) return ''
  if (scope.name !== null) return `, ${scope.kind} ${scope.name}`
  const name = use?.fullest
  return `, each ${scope.kind}${name === undefined || name === null ? '' : ` (most: ${name || 'unnamed'})`}`
}

/** Budgets of a key or a project with what is spent and held in each. */
export function Budgets({
  budgets,
  uses,
  nowMs,
}: {
  budgets: readonly Budget[]
  uses: readonly BudgetUse[]
  nowMs: number
}) {
  if (budgets.length === 0) return <span class="muted">no budget</span>
  return (
    <div>
      {budgets.map(budget => {
        const use = useOfBudget(budget, uses)
        const raise = budget.raise !== undefined && nowMs < budget.raise.untilMs ? budget.raise : undefined
        const limit = raise?.limitNanoUsd ?? budget.limitNanoUsd
        const [spent, held] = [use?.spentNanoUsd ?? 0, use?.heldNanoUsd ?? 0]
        const whole = Math.max(1, limit)
        const soft = budget.softNanoUsd === null ? undefined : budget.softNanoUsd / whole
        const tone = spent >= whole ? 'bad' : spent >= whole * (soft ?? 0.8) ? 'warn' : ''
        const resets = use?.resetsAtMs
        return (
          <div class="budget">
            <div class="budget-line num">
              <span>
                {readableUsd(spent)} <span class="muted">of {readableUsd(limit)}</span>
              </span>
              <span class="muted" title={resets ? `resets ${readableAge(resets, nowMs)}` : undefined}>
                {budget.window}
                {scopeText(budget, use)}
                {raise && `, raised for ${readableAge(raise.untilMs, nowMs).replace(/^in /, '')}`}
              </span>
            </div>
            <Bar
              share={spent / whole}
              held={held / whole}
              tone={tone}
              {...(soft !== undefined && { soft })}
            />
          </div>
        )
      })}
    </div>
  )
}

/** Links between views of one thing. */
export function Segments({
  label,
  items,
}: {
  label: string
  items: readonly (readonly [string, string, boolean])[]
}) {
  return (
    <nav class="segments" aria-label={label}>
      {items.map(([name, href, current]) => (
        <a href={href} aria-current={current ? 'true' : undefined}>
          {name}
        </a>
      ))}
    </nav>
  )
}

/** Of one name only one is open: on a phone the panels stand in the same place. Not in hono's types yet. */
const ONE_OPEN: object = { name: 'confirm' }

/** A change that is asked about before it is made: what it does, and a form that posts. */
export function Confirm({
  action,
  label,
  fields = {},
  children,
  danger,
}: {
  action: string
  label: string
  fields?: Readonly<Record<string, string>>
  children?: Child
  danger?: boolean
}) {
  return (
    <details class="confirm" {...ONE_OPEN}>
      <summary>{label}…</summary>
      <div class="panel">
        <p>{children}</p>
        <form method="post" action={action}>
          {Object.entries(fields).map(([name, value]) => (
            <input type="hidden" name={name} value={value} />
          ))}
          <button type="submit" class={danger ? 'danger' : 'primary'}>
            {label} now
          </button>
        </form>
      </div>
    </details>
  )
}
