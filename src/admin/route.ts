/** One row of the admin table: it validates, it answers, and it documents itself. */
import type { z } from 'zod'
import type { Change } from '../audit/changes.ts'
import type { AdminDeps } from './deps.ts'

/** What a handler gets, already validated. */
export interface AdminCall<Body> {
  readonly params: Readonly<Record<string, string>>
  /** Only names of `query` are in it. */
  readonly query: URLSearchParams
  readonly body: Body
  /** The caller's `Accept` prefers CSV. */
  readonly wantsCsv: boolean
  /** `Idempotency-Key`, for routes with a `once`. */
  readonly once: string | undefined
}

/** A JSON value (money through `usd`), or text of another type. */
export type AdminAnswer =
  | { readonly json: unknown }
  | { readonly text: string; readonly contentType: string; readonly filename?: string }

export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below `/admin/v1`, parameters as `:id`. */
  readonly path: string
  readonly summary: string
  /** Query parameters and what they mean; any other is refused. */
  readonly query?: Readonly<Record<string, string>>
  /** Absent = the route takes no body, or an empty object. */
  readonly body?: z.ZodType
  /** Nothing at all is no body: `{}` has to be sent. Else a body that may be empty may be left out. */
  readonly needsBody?: true
  readonly response: z.ZodType
  /** Answers CSV too, where `Accept` prefers it. */
  readonly csv?: true
  readonly status?: number
  /** What an `Idempotency-Key` does here; absent = the header is refused. */
  readonly once?: string
  /** Only for the data folder's socket and the in-process command line: not for a stolen token or cookie. */
  readonly localOnly?: true
  /** What the audit log says before it is done, where no write of the store says it; undefined = this call changes nothing. */
  readonly audit?: (call: AdminCall<unknown>) => Change | undefined
  readonly handle: (deps: AdminDeps, call: AdminCall<unknown>) => AdminAnswer | Promise<AdminAnswer>
}

type RouteOf<Schema extends z.ZodType> = Omit<AdminRoute, 'handle' | 'body' | 'audit'> & {
  readonly body: Schema
  readonly audit?: (call: AdminCall<z.output<Schema>>) => Change | undefined
  readonly handle: (deps: AdminDeps, call: AdminCall<z.output<Schema>>) => AdminAnswer | Promise<AdminAnswer>
}

/** A row with a body: ties the handler's type to the schema that has validated it. */
export function withBody<Schema extends z.ZodType>(row: RouteOf<Schema>): AdminRoute {
  const { handle, audit, ...rest } = row
  const typed = (call: AdminCall<unknown>) => ({ ...call, body: call.body as z.output<Schema> })
  return {
    ...rest,
    ...(audit && { audit: (call: AdminCall<unknown>) => audit(typed(call)) }),
    handle: (deps, call) => handle(deps, typed(call)),
  }
}
