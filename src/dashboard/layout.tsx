/** The frame of every dashboard page: head, navigation, main. */
import type { Child } from 'hono/jsx'
import { SCRIPT_PATH, STYLES_PATH } from './assets.ts'

/** Navigation entries: name, path, icon (24×24 path data). */
const PLACES = [
  ['Overview', '/dashboard', 'M4 20V10M10 20V4M16 20v-7M22 20H2'],
  ['Keys', '/dashboard/keys', 'M15 7a4 4 0 1 0-3.6 6L4 20v1h4v-3h3l1.4-1.4A4 4 0 0 0 15 7z'],
  ['Requests', '/dashboard/requests', 'M4 6h16M4 12h16M4 18h10'],
  [
    'Targets',
    '/dashboard/targets',
    'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8z',
  ],
  ['Credentials', '/dashboard/credentials', 'M6 11h12v9H6zM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11M12 14.5v2'],
  ['Audit', '/dashboard/audit', 'M12 3l8 3v6c0 5-3.4 8-8 9-4.6-1-8-4-8-9V6zM8.5 12l2.5 2.5 4.5-5'],
] as const

export type Place = (typeof PLACES)[number][0]

function Document({ title, children }: { title: string; children?: Child }) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="robots" content="noindex" />
        <title>{title} · Switchgate</title>
        <link rel="icon" href="data:," />
        <link rel="stylesheet" href={STYLES_PATH} />
        <script src={SCRIPT_PATH} defer></script>
      </head>
      <body>{children}</body>
    </html>
  )
}

function Brand() {
  return (
    <a class="brand" href="/dashboard">
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <rect class="mark-tile" width="24" height="24" rx="6" />
        <path class="mark-line" d="M5 12h4l4-5h6M13 17h6M9 12l4 5" />
      </svg>
      Switchgate
    </a>
  )
}

interface FrameProps {
  readonly title: string
  readonly place: Place | undefined
  /** Seconds between refreshes of the page's content; absent = it stays. */
  readonly refreshSeconds?: number
  readonly children?: Child
}

/** A page behind the login. */
export function Frame({ title, place, refreshSeconds, children }: FrameProps) {
  return (
    <Document title={title}>
      <a class="skip" href="#content">
        Skip to content
      </a>
      <div class="shell">
        <header class="side">
          <Brand />
          <nav aria-label="Pages">
            <div class="nav">
              {PLACES.map(([name, path, icon]) => (
                <a href={path} aria-current={name === place ? 'page' : undefined}>
                  <svg viewBox="0 0 24 24" aria-hidden="true">
                    <path d={icon} />
                  </svg>
                  {name}
                </a>
              ))}
            </div>
          </nav>
          <footer>
            <form method="post" action="/dashboard/logout">
              <button type="submit" class="plain">
                Sign out
              </button>
            </form>
          </footer>
        </header>
        <main id="content" tabindex={-1} data-refresh={refreshSeconds}>
          {children}
        </main>
      </div>
    </Document>
  )
}

/** The login page. `next` = where to go afterwards. */
export function LoginPage({ next, fault }: { next: string; fault: string | undefined }) {
  return (
    <Document title="Sign in">
      <main class="login">
        <div class="card">
          <Brand />
          <div>
            <h1>Sign in</h1>
            <p class="muted">With the admin token that the first start showed.</p>
          </div>
          {fault && (
            <p class="notice bad" role="alert">
              {fault}
            </p>
          )}
          <form method="post" action="/dashboard/login">
            <input type="hidden" name="next" value={next} />
            <div class="field">
              <label for="token">Admin token</label>
              <input
                id="token"
                name="token"
                type="password"
                autocomplete="current-password"
                autocapitalize="off"
                spellcheck={false}
                required
                autofocus
                aria-invalid={fault ? 'true' : undefined}
              />
            </div>
            <button type="submit" class="primary">
              Sign in
            </button>
          </form>
          <p class="muted small">
            Lost it? Run <code>switchgate admin-token reset</code> where the gateway runs.
          </p>
        </div>
      </main>
    </Document>
  )
}

/** What went wrong, and a way back. */
export function FaultPage({ status, message }: { status: number; message: string }) {
  return (
    <Frame title={String(status)} place={undefined}>
      <section class="card empty">
        <h1>{status === 404 ? 'Not here' : 'That did not work'}</h1>
        <p>{message}</p>
        <a class="button" href="/dashboard">
          To the overview
        </a>
      </section>
    </Frame>
  )
}
