/** The version of the tables: which one this program writes, and the refusal of a database that is ahead of it. */

/** The number that the last file of drizzle/sqlite inserts into `schema_version`. */
export const SCHEMA_VERSION = 7

/** Thrown when a database cannot be used by this program as it is; `found` and `known` are schema versions. */
export class SchemaVersionError extends Error {
  override readonly name = 'SchemaVersionError'
  readonly found: number
  readonly known: number

  constructor(found: number, cure: string) {
    super(
      `The database has schema version ${found}, this program knows ${found > SCHEMA_VERSION ? 'up to ' : ''}version ${SCHEMA_VERSION}. ${cure}`,
    )
    this.found = found
    this.known = SCHEMA_VERSION
  }
}

/** Refuses a database that a newer program has migrated: its rows may mean what this program cannot know. */
export function refuseNewer(found: number): void {
  if (found > SCHEMA_VERSION)
    throw new SchemaVersionError(
      found,
      'Run the newer program that migrated it, or restore a backup from before.',
    )
}
