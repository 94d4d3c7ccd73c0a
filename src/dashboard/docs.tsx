/** `/admin/docs`: the admin plane's table as a page. */
import type { AdminRoute } from '../admin/route.ts'
import { Frame } from './layout.tsx'
import { Head } from './parts.tsx'

/** One line a route; the details are in the OpenAPI document. */
export function docsPage(rows: readonly AdminRoute[]) {
  return (
    <Frame title="Admin API" place={undefined}>
      <Head title="Admin API">
        <a class="button" href="/admin/v1/openapi.json">
          OpenAPI document
        </a>
      </Head>
      <section class="card">
        <div class="body">
          <p>
            Send <code>Authorization: Bearer &lt;admin token&gt;</code>. Bodies are JSON; an unknown field is
            refused. Lists answer <code>{'{data, next_cursor}'}</code>.
          </p>
        </div>
        <table class="fold">
          <caption class="hidden-label">Routes</caption>
          <thead>
            <tr>
              <th scope="col">Route</th>
              <th scope="col">Does</th>
              <th scope="col">Query</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(row => (
              <tr>
                <td>
                  <code>
                    {row.method} /admin/v1{row.path}
                  </code>
                </td>
                <td data-label="Does">{row.summary}</td>
                <td data-label="Query">
                  {Object.keys(row.query ?? {}).join(', ') || <span class="muted">–</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </Frame>
  )
}
