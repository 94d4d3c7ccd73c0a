/** Answers of the dashboard: pages under its Content-Security-Policy, redirects, faults as a page. */
import { PRIVATE_HEADERS } from '../admin/answer.ts'
import type { GatewayError } from '../errors.ts'
import { FaultPage } from './layout.tsx'

export type Page = { toString(): string | Promise<string> }

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

/** A page, 200 unless another status is given. */
export async function html(page: Page | Promise<Page>, status = 200): Promise<Response> {
  const body = `<!doctype html>${await (await page).toString()}`
  const headers = {
    ...PRIVATE_HEADERS,
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': POLICY,
    'x-frame-options': 'DENY',
  }
  return new Response(body, { status, headers })
}

/** 303, so that a form that was sent is not sent again by a reload. */
export function redirect(to: string, cookie?: string): Response {
  const headers = new Headers({ ...PRIVATE_HEADERS, location: to })
  if (cookie !== undefined) headers.append('set-cookie', cookie)
  return new Response(null, { status: 303, headers })
}

export function faultResponse(error: GatewayError): Promise<Response> {
  return html(<FaultPage status={error.status} message={error.message} />, error.status)
}
