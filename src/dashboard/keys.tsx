/** `/dashboard/keys`: all keys with their budgets, and a form for a new one. */
import type { AdminDeps } from '../admin/deps.ts'
import { keysNewestFirst, lineageUses } from '../admin/keys.ts'
import { pageOf } from '../admin/page.ts'
import { projectSpends } from '../admin/projects.ts'
import type { Key } from '../terms.ts'
import { SCOPES } from '../keys/scopes.ts'
import { keyStatus, type LineageUse } from '../wire/account.ts'
import { readableUsd } from '../wire/readable.ts'
import { Frame } from './layout.tsx'
import { onceToken } from './once.ts'
import { Ago, Budgets, Head, KeyStatusPill } from './parts.tsx'
import { Projects } from './projects.tsx'

/** What a person typed into the form, to be shown again beside a fault. */
export interface NewKeyForm {
  readonly values: Readonly<Record<string, string>>
  readonly fault: { readonly message: string; readonly field: string | undefined } | undefined
}

interface FieldProps {
  readonly form: NewKeyForm
  readonly name: string
  readonly label: string
  readonly hint?: string
  readonly placeholder?: string
  readonly type?: string
  readonly width?: string
  readonly required?: boolean
}

export function Field({
  form,
  name,
  label,
  hint,
  placeholder,
  type = 'text',
  width = 'w2',
  required,
}: FieldProps) {
  const invalid = form.fault?.field === name
  return (
    <div class={`field ${width}`}>
      <label for={`new-${name}`}>{label}</label>
      <input
        id={`new-${name}`}
        name={name}
        type={type}
        value={form.values[name] ?? ''}
        placeholder={placeholder}
        required={required}
        inputmode={type === 'number' ? 'decimal' : undefined}
        min={type === 'number' ? 0 : undefined}
        step={type === 'number' ? 'any' : undefined}
        autocomplete="off"
        aria-invalid={invalid ? 'true' : undefined}
        aria-describedby={hint ? `new-${name}-hint` : undefined}
      />
      {hint && (
        <p class="hint" id={`new-${name}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

/** Where, from where and when a key may be used. */
export function UseFields({ form }: { form: NewKeyForm }) {
  return (
    <>
      <Field
        form={form}
        name="scopes"
        label="Routes"
        placeholder="all"
        width="w2"
        hint={`Of ${SCOPES.join(', ')}. Empty = all.`}
      />
      <Field
        form={form}
        name="origin_allow"
        label="Pages in browsers"
        placeholder="no page"
        width="w2"
        hint="Origins: https://app.example.com, https://*.example.com or *. Empty = not asked, and no page can read answers."
      />
      <Field
        form={form}
        name="hours"
        label="Hours"
        placeholder="always"
        width="w2"
        hint="mon-fri 08:00-18:00, sat 10:00-14:00@Europe/Berlin. Empty = always."
      />
    </>
  )
}

const WINDOWS = [
  ['day', 'per day'],
  ['week', 'per week'],
  ['month', 'per month'],
  ['total', 'in total'],
] as const

function NewKey({ form, open }: { form: NewKeyForm; open: boolean }) {
  return (
    <details class="card" open={open} id="new">
      <summary>New key</summary>
      <div class="body">
        <form method="post" action="/dashboard/keys" class="form">
          <input type="hidden" name="once" value={onceToken()} />
          {form.fault && (
            <p class="notice bad w6" role="alert">
              {form.fault.message}
            </p>
          )}
          <Field form={form} name="name" label="Name" placeholder="checkout-service" width="w3" required />
          <Field
            form={form}
            name="models"
            label="Models"
            placeholder="all"
            width="w3"
            hint="Separated by commas: gpt-5, claude-sonnet-4-5, *@groq. Empty = all."
          />
          <Field form={form} name="budget" label="Budget in USD" type="number" placeholder="no budget" />
          <div class="field w2">
            <label for="new-window">Budget window</label>
            <select id="new-window" name="window">
              {WINDOWS.map(([value, text]) => (
                <option value={value} selected={(form.values.window ?? 'month') === value}>
                  {text}
                </option>
              ))}
            </select>
          </div>
          <Field form={form} name="expires" label="Ends on (UTC)" type="date" />
          <Field form={form} name="rpm" label="Requests per minute" type="number" placeholder="no limit" />
          <Field form={form} name="tpm" label="Tokens per minute" type="number" placeholder="no limit" />
          <Field
            form={form}
            name="concurrency"
            label="At the same time"
            type="number"
            placeholder="no limit"
          />
          <UseFields form={form} />
          <div class="w6">
            <button type="submit" class="primary">
              Make the key
            </button>
          </div>
        </form>
      </div>
    </details>
  )
}

function KeyRow({
  deps,
  row,
  use,
  nowMs,
}: {
  deps: AdminDeps
  row: Key
  use: LineageUse | undefined
  nowMs: number
}) {
  return (
    <tr>
      <td>
        <a class="strong" href={`/dashboard/keys/${encodeURIComponent(row.id)}`}>
          {row.name}
        </a>
        <span class="sub mono">{row.id}</span>
      </td>
      <td data-label="Status">
        <KeyStatusPill status={keyStatus(row, nowMs)} />
      </td>
      <td data-label="Budget">
        <Budgets budgets={row.budgets} uses={deps.ledger.usageOf(row)} nowMs={nowMs} />
      </td>
      <td class="num" data-label="Spent in all">
        {readableUsd(use?.spentNanoUsd ?? 0)}
      </td>
      <td data-label="Last used">
        <Ago ms={use?.lastUsedAtMs} nowMs={nowMs} />
      </td>
      <td data-label="Made">
        <Ago ms={row.createdAtMs} nowMs={nowMs} />
      </td>
    </tr>
  )
}

const EMPTY_FORM: NewKeyForm = { values: {}, fault: undefined }

/** The list; `form` holds what was typed when a new key was refused. */
export async function keysPage(deps: AdminDeps, query: URLSearchParams, form: NewKeyForm = EMPTY_FORM) {
  const cursor = query.get('cursor')
  const paging = new URLSearchParams(cursor === null ? {} : { cursor })
  const page = pageOf(keysNewestFirst(deps), key => key.id, paging)
  const uses = await lineageUses(deps)
  const now = deps.clock.now()
  const open = form.fault !== undefined || query.has('new') || page.data.length === 0
  return (
    <Frame title="Keys" place="Keys">
      <Head title="Keys" />
      <NewKey form={form} open={open} />
      {page.data.length === 0 ? (
        <section class="card empty">
          <h2>No keys yet</h2>
          <p>A key is what a program sends to call models through this gateway. Give each program its own.</p>
        </section>
      ) : (
        <section class="card scroll">
          <table class="fold">
            <caption class="hidden-label">Keys, newest first</caption>
            <thead>
              <tr>
                <th scope="col">Key</th>
                <th scope="col">Status</th>
                <th scope="col">Budget</th>
                <th scope="col" class="num">
                  Spent in all
                </th>
                <th scope="col">Last used</th>
                <th scope="col">Made</th>
              </tr>
            </thead>
            <tbody>
              {page.data.map(row => (
                <KeyRow deps={deps} row={row} use={uses.get(row.id)} nowMs={now} />
              ))}
            </tbody>
          </table>
        </section>
      )}
      <Projects deps={deps} spends={await projectSpends(deps)} nowMs={now} />
      {page.nextCursor && (
        <nav class="pager" aria-label="Paging">
          <span></span>
          <a class="button" href={`/dashboard/keys?cursor=${encodeURIComponent(page.nextCursor)}`}>
            Older keys
          </a>
        </nav>
      )}
    </Frame>
  )
}
