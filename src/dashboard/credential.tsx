/** `/dashboard/credentials/{id}`: one provider credential: its secrets by fingerprint, and what can be done with them. */
import { auditWire } from '../admin/audit.ts'
import type { AdminDeps } from '../admin/deps.ts'
import { credentialOf } from '../admin/credentials.ts'
import type { AuditRow, StoredCredential } from '../store/store.ts'
import { GRACE_MS, otherOf } from '../vault/versions.ts'
import { History } from './audit.tsx'
import { CredentialState, credentialPath, Fingerprint } from './credentials.tsx'
import { Field, type NewKeyForm } from './keys.tsx'
import { Frame } from './layout.tsx'
import { Ago, Confirm, Head } from './parts.tsx'

const GRACE_HOURS = GRACE_MS / 3_600_000

/** How the label of the box begins that has a new secret tested before it is kept. */
export const TEST_FIRST = 'Ask the provider first'

/** Rows of the audit log that are looked through for the change that put the current secret in force. */
const CHANGES_MAX = 100

/** What a change that came off is called in the address it leads to. */
const DONE: Readonly<Record<string, string>> = {
  added: 'The credential is kept, and in use from now on.',
  current: 'The new secret is in force. The one before stands in where it is refused.',
  pending: 'The new secret waits. Nothing is sent with it until it is promoted.',
  promoted: 'The pending secret is in force. The one before stands in where it is refused.',
  retired: 'That secret is forgotten.',
}

/** What the page is told beside the credential itself. */
export interface CredentialSaid {
  /** Of `DONE`. */
  readonly done?: string | undefined
  readonly test?: { readonly ok: boolean; readonly message: string }
  /** What was typed, but never a secret, when a change was refused. */
  readonly form?: NewKeyForm
}

function Actions({ shown }: { shown: StoredCredential }) {
  const path = credentialPath(shown.id)
  return (
    <div class="actions">
      <form method="post" action={`${path}/test`}>
        <button type="submit">Test</button>
      </form>
      {otherOf(shown, 'pending') && (
        <Confirm action={`${path}/promote`} label="Promote">
          The pending secret is in force at once. The current one stands in for it for {GRACE_HOURS} hours.
        </Confirm>
      )}
      {(['pending', 'previous'] as const)
        .filter(stage => otherOf(shown, stage))
        .map(stage => (
          <Confirm action={`${path}/retire`} label={`Retire ${stage}`} fields={{ stage }}>
            The {stage} secret is forgotten.
          </Confirm>
        ))}
      <Confirm action={`${path}/delete`} label="Delete" danger>
        The credential is forgotten with all of its secrets. Its provider is asked with the others it has, or
        not at all.
      </Confirm>
    </div>
  )
}

/** Since when the current secret is in force; undefined = the audit log does not reach back that far. */
async function currentSince(deps: AdminDeps, shown: StoredCredential): Promise<number | undefined> {
  if (shown.version === 1) return shown.createdAtMs
  // the one that it replaced knows, as long as it is there
  const previous = otherOf(shown, 'previous')
  if (previous !== undefined) return previous.sinceMs
  const query = { order: 'newest', limit: CHANGES_MAX, targets: [`credential:${shown.id}`] } as const
  const rows = await deps.store.auditRows(query)
  return rows.find(row => versionAfter(row) === shown.version)?.atMs
}

/** The number of the current secret that a row of the audit log says there was from then on. */
function versionAfter(row: AuditRow): unknown {
  const { after } = auditWire(row).detail as { readonly after?: { readonly version?: unknown } }
  return after?.version
}

function Secrets({
  shown,
  sinceMs,
  nowMs,
}: {
  shown: StoredCredential
  sinceMs: number | undefined
  nowMs: number
}) {
  return (
    <section class="card scroll">
      <table class="fold">
        <caption>Secrets</caption>
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col">Fingerprint or place</th>
            <th scope="col">There since</th>
            <th scope="col">Ends</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <td>
              <span class="pill ok">current</span>
            </td>
            <td data-label="Fingerprint or place">
              <Fingerprint shown={shown} />
            </td>
            <td data-label="There since">
              {sinceMs === undefined ? <span class="muted">–</span> : <Ago ms={sinceMs} nowMs={nowMs} />}
            </td>
            <td data-label="Ends" class="muted">
              –
            </td>
          </tr>
          {shown.others.map(other => (
            <tr>
              <td>
                <span class="pill">{other.stage}</span>
              </td>
              <td data-label="Fingerprint or place">
                <code>{other.fingerprint}</code>
              </td>
              <td data-label="There since">
                <Ago ms={other.sinceMs} nowMs={nowMs} />
              </td>
              <td data-label="Ends">
                {other.endsAtMs === null ? (
                  <span class="muted">–</span>
                ) : (
                  <Ago ms={other.endsAtMs} nowMs={nowMs} />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function NewSecret({ shown, form }: { shown: StoredCredential; form: NewKeyForm }) {
  const isPending = form.values.stage === 'pending'
  // a box that is not ticked is not sent at all
  const isTested = form.fault === undefined || form.values.test !== undefined
  return (
    <details class="card" open={form.fault !== undefined} id="rotate">
      <summary>New secret</summary>
      <div class="body">
        <form method="post" action={`${credentialPath(shown.id)}/rotate`} class="form">
          {form.fault && (
            <p class="notice bad w6" role="alert">
              {form.fault.message}
            </p>
          )}
          <Field
            form={form}
            name="secret"
            label="Secret"
            type="password"
            hint="Sealed at rest and never shown again."
            required
          />
          <div class="field w2">
            <label for="new-stage">In force</label>
            <select id="new-stage" name="stage">
              <option value="current" selected={!isPending}>
                at once
              </option>
              <option value="pending" selected={isPending}>
                when it is promoted
              </option>
            </select>
          </div>
          <Field
            form={form}
            name="grace_hours"
            label="Old one stands in for (hours)"
            type="number"
            placeholder={String(GRACE_HOURS)}
            hint="Used where the new one is refused."
          />
          <div class="w6 check">
            <input id="new-test" name="test" type="checkbox" value="1" checked={isTested} />
            <label for="new-test">{TEST_FIRST}, and change nothing when it refuses the new secret</label>
          </div>
          <div class="w6">
            <button type="submit" class="primary">
              Replace the secret
            </button>
          </div>
        </form>
      </div>
    </details>
  )
}

/** One credential. Throws 404 `not_found`. */
export async function credentialPage(deps: AdminDeps, id: string, said: CredentialSaid = {}) {
  const shown = await credentialOf(deps, id)
  const nowMs = deps.clock.now()
  const { test, form } = said
  const done = said.done === undefined ? undefined : DONE[said.done]
  const title = `${shown.provider} · ${shown.name}`
  return (
    <Frame title={title} place="Credentials">
      <Head title={title} crumb={<a href="/dashboard/credentials">Credentials</a>}>
        <Actions shown={shown} />
      </Head>
      {done && (
        <p class="notice ok" role="status">
          {done}
        </p>
      )}
      {test && (
        <p class={`notice ${test.ok ? 'ok' : 'bad'}`} role="status">
          {test.ok ? 'It works' : 'It does not work'}: {test.message}
        </p>
      )}
      <section class="card">
        <div class="body">
          <dl class="facts">
            <dt>State</dt>
            <dd>
              <CredentialState deps={deps} shown={shown} nowMs={nowMs} />
            </dd>
            <dt>Id</dt>
            <dd>
              <code>{shown.id}</code>
            </dd>
            <dt>Weight</dt>
            <dd>{shown.weight}</dd>
            <dt>Made</dt>
            <dd>
              <Ago ms={shown.createdAtMs} nowMs={nowMs} />
            </dd>
          </dl>
        </div>
      </section>
      <Secrets shown={shown} sinceMs={await currentSince(deps, shown)} nowMs={nowMs} />
      {shown.ref === null ? (
        <NewSecret shown={shown} form={form ?? { values: {}, fault: undefined }} />
      ) : (
        <p class="notice">
          Its secret is kept elsewhere: change it there, and it is read again when it is needed.
        </p>
      )}
      <History deps={deps} target={`credential:${shown.id}`} />
    </Frame>
  )
}
