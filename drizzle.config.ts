/** Settings of drizzle-kit: `npx drizzle-kit generate --name <what>` writes the next migration of drizzle/sqlite. */
import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: './drizzle/sqlite/schema.ts',
  out: './drizzle/sqlite',
})
