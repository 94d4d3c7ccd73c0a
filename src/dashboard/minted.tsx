/** What follows when a key was made: the page that shows its text once, and what a reload of that page gets. */
import type { Key } from '../terms.ts'
import { Frame } from './layout.tsx'
import { Head } from './parts.tsx'

/** A fresh key: the only time its text is shown. */
export function mintedPage(minted: Key, text: string, origin: string, title: string) {
  return (
    <Frame title={title} place="Keys">
      <Head title={title} crumb={<a href="/dashboard/keys">Keys</a>} />
      <section class="card">
        <header>
          <h2>{minted.name}</h2>
        </header>
        <div class="body form">
          <p class="notice ok w6" role="status">
            Copy the key now: it is shown here once and stored only as a hash.
          </p>
          <div class="secret w6">
            <code id="key-text">{text}</code>
            <button class="primary" type="button" data-copy="key-text" hidden>
              Copy
            </button>
          </div>
          <div class="w6">
            <p class="label">With any OpenAI client</p>
            <pre>
              <code>{`OPENAI_BASE_URL=${origin}/v1\nOPENAI_API_KEY=<the key>`}</code>
            </pre>
          </div>
          <div class="w6 actions">
            <a class="button" href={`/dashboard/keys/${encodeURIComponent(minted.id)}`}>
              To the key
            </a>
            <a class="button" href="/dashboard/keys">
              All keys
            </a>
          </div>
        </div>
      </section>
    </Frame>
  )
}

/** The form was sent again: no second key, and no text, which is not kept. `made` undefined = it is gone since. */
export function alreadyMadePage(made: Key | undefined) {
  const title = 'This key was made already'
  return (
    <Frame title={title} place="Keys">
      <Head title={title} crumb={<a href="/dashboard/keys">Keys</a>} />
      <section class="card">
        {made && (
          <header>
            <h2>{made.name}</h2>
          </header>
        )}
        <div class="body form">
          <p class="notice w6" role="status">
            The form was sent a second time, and nothing was made again. The key’s text was shown once and
            cannot be shown again. If it is lost, rotate the key, or revoke it and make another.
          </p>
          <div class="w6 actions">
            {made && (
              <a class="button primary" href={`/dashboard/keys/${encodeURIComponent(made.id)}`}>
                To the key
              </a>
            )}
            <a class="button" href="/dashboard/keys">
              All keys
            </a>
          </div>
        </div>
      </section>
    </Frame>
  )
}
