/** `/dashboard/credentials`: providers' credentials that are kept here, a form for a new one, and which others are in use. */
import type { AdminDeps } from '../admin/deps.ts'
import { pageOf } from '../admin/page.ts'
import type { StoredCredential } from '../store/store.ts'
import { otherOf, secretId } from '../vault/versions.ts'
import { Field, type NewKeyForm } from './keys.tsx'
import { Frame } from './layout.tsx'
import { Ago, Head } from './parts.tsx'

/** Where a credential has its page. */
export const credentialPath = (id: string): string => `/dashboard/credentials/${encodeURIComponent(id)}`

/** Is its secret used, and what waits? */
export function CredentialState({
  deps,
  shown,
  nowMs,
}: {
  deps: AdminDeps
  shown: StoredCredential
  nowMs: number
}) {
  const outUntilMs = deps.health.state(secretId(shown, shown.version), nowMs)?.outUntilMs ?? 0
  const isOut = outUntilMs > nowMs
  return (
    <span>
      {shown.status === 'retired' ? (
        <span class="pill">retired</span>
      ) : isOut ? (
        <span class="pill bad">refused</span>
      ) : (
        <span class="pill ok">in use</span>
      )}
      {otherOf(shown, 'pending') && <span class="sub">a new secret is pending</span>}
      {otherOf(shown, 'previous') && <span class="sub">the previous secret stands in</span>}
      {isOut && (
        <span class="sub">
          tried again <Ago ms={outUntilMs} nowMs={nowMs} />
        </span>
      )}
    </span>
  )
}

/** What is told of a secret: never a part of it. */
export function Fingerprint({ shown }: { shown: Pick<StoredCredential, 'ref' | 'fingerprint'> }) {
  if (shown.ref !== null) return <code>{shown.ref}</code>
  return <code>{shown.fingerprint ?? '–'}</code>
}

function ProviderField({ deps, form }: { deps: AdminDeps; form: NewKeyForm }) {
  const isWrong = form.fault?.field === 'provider'
  const chosen = form.values.provider ?? ''
  return (
    <div class="field w2">
      <label for="new-provider">Provider</label>
      <select id="new-provider" name="provider" required aria-invalid={isWrong ? 'true' : undefined}>
        <option value="">Choose one</option>
        {deps.providerNames().map(name => (
          <option value={name} selected={name === chosen}>
            {name}
          </option>
        ))}
      </select>
    </div>
  )
}

function NewCredential({ deps, form, open }: { deps: AdminDeps; form: NewKeyForm; open: boolean }) {
  return (
    <details class="card" open={open} id="new">
      <summary>New credential</summary>
      <div class="body">
        <form method="post" action="/dashboard/credentials" class="form">
          {form.fault && (
            <p class="notice bad w6" role="alert">
              {form.fault.message}
            </p>
          )}
          <ProviderField deps={deps} form={form} />
          <Field form={form} name="name" label="Name" placeholder="main" />
          <Field form={form} name="weight" label="Weight" type="number" placeholder="1" />
          <Field
            form={form}
            name="secret"
            label="Secret"
            type="password"
            width="w3"
            hint="Sealed at rest and never shown again: later there is a fingerprint, six digits of its hash."
          />
          <Field
            form={form}
            name="ref"
            label="Or where it is kept"
            placeholder="env://OPENAI_API_KEY"
            width="w3"
            hint="env://NAME or file:///path, read again whenever it is needed."
          />
          <div class="w6">
            <button type="submit" class="primary">
              Keep the credential
            </button>
          </div>
        </form>
      </div>
    </details>
  )
}

function Row({ deps, shown, nowMs }: { deps: AdminDeps; shown: StoredCredential; nowMs: number }) {
  return (
    <tr>
      <td>
        <a class="strong" href={credentialPath(shown.id)}>
          {shown.provider} · {shown.name}
        </a>
        <span class="sub mono">{shown.id}</span>
      </td>
      <td data-label="State">
        <CredentialState deps={deps} shown={shown} nowMs={nowMs} />
      </td>
      <td data-label="Fingerprint or place">
        <Fingerprint shown={shown} />
      </td>
      <td class="num" data-label="Weight">
        {shown.weight}
      </td>
      <td data-label="Made">
        <Ago ms={shown.createdAtMs} nowMs={nowMs} />
      </td>
    </tr>
  )
}

function List({ deps, rows, nowMs }: { deps: AdminDeps; rows: readonly StoredCredential[]; nowMs: number }) {
  return (
    <section class="card scroll">
      <table class="fold">
        <caption class="hidden-label">Credentials that are kept here</caption>
        <thead>
          <tr>
            <th scope="col">Credential</th>
            <th scope="col">State</th>
            <th scope="col">Fingerprint or place</th>
            <th scope="col" class="num">
              Weight
            </th>
            <th scope="col">Made</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(shown => (
            <Row deps={deps} shown={shown} nowMs={nowMs} />
          ))}
        </tbody>
      </table>
    </section>
  )
}

/** Those of the environment and the config file: in use, and changed where they come from. */
function Elsewhere({ deps, kept }: { deps: AdminDeps; kept: readonly StoredCredential[] }) {
  const here = new Set(
    kept.flatMap(one => [one.version, ...one.others.map(other => other.version)].map(v => secretId(one, v))),
  )
  const others = deps
    .market()
    .sites.filter(site => !site.builtIn)
    .flatMap(site => site.credentials.filter(one => !here.has(one.id)).map(one => [site.name, one.name]))
  if (others.length === 0) return null
  return (
    <section class="card">
      <header>
        <h2>From the environment and the config file</h2>
        <span class="small muted">used as well, changed where they come from</span>
      </header>
      <div class="body">
        <dl class="facts">
          {others.map(([provider, name]) => (
            <>
              <dt>{provider}</dt>
              <dd>{name}</dd>
            </>
          ))}
        </dl>
      </div>
    </section>
  )
}

/** The list; `form` holds what was typed, but never a secret, when a new one was refused. */
export async function credentialsPage(deps: AdminDeps, query: URLSearchParams, form?: NewKeyForm) {
  const kept = await deps.vault.list()
  const cursor = query.get('cursor')
  const page = pageOf(kept, shown => shown.id, new URLSearchParams(cursor ? { cursor } : {}))
  const nowMs = deps.clock.now()
  return (
    <Frame title="Credentials" place="Credentials">
      <Head title="Credentials">
        <a class="button primary" href="/dashboard/credentials?new=1#new">
          New credential
        </a>
      </Head>
      {query.get('done') === 'deleted' && (
        <p class="notice ok" role="status">
          The credential is forgotten.
        </p>
      )}
      <NewCredential
        deps={deps}
        form={form ?? { values: { provider: query.get('provider') ?? '' }, fault: undefined }}
        open={form !== undefined || query.has('new')}
      />
      {page.data.length === 0 ? (
        <section class="card empty">
          <h2>No credential is kept here</h2>
          <p>Providers’ keys can be added above, set in the environment, or named in switchgate.yaml.</p>
        </section>
      ) : (
        <List deps={deps} rows={page.data} nowMs={nowMs} />
      )}
      <Elsewhere deps={deps} kept={kept} />
      {page.nextCursor && (
        <nav class="pager" aria-label="Paging">
          <span></span>
          <a class="button" href={`/dashboard/credentials?cursor=${encodeURIComponent(page.nextCursor)}`}>
            More
          </a>
        </nav>
      )}
    </Frame>
  )
}
