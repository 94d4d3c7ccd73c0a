/** Who makes the change that is being made, carried from the door to the commit. The same on Node and Workers (nodejs_compat). */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Author, AuthorScope } from '../audit/log.ts'

/** Follows what is awaited; outside of `run` nobody is named. */
export function createAuthorScope(): AuthorScope {
  const storage = new AsyncLocalStorage<Author>()
  return { current: () => storage.getStore(), run: (author, work) => storage.run(author, work) }
}
