/** One change at a time, in the order asked: two patches of one thing never lose each other's members. For the books of keys and projects. */

/** Runs work one after another; what fails does not stop what follows. */
export function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return work => {
    const run = last.then(work)
    last = run.catch(() => undefined)
    return run
  }
}
