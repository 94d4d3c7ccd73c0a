/** `npm run test:failover`: the sixteen scenarios with the published timing, whole and streamed, printed as tables. */
import { spawnSync } from 'node:child_process'

const { status } = spawnSync('npx', ['vitest', 'run', 'test/failover/scenarios.test.ts'], {
  stdio: 'inherit',
  env: { ...process.env, SWITCHGATE_FAILOVER: 'full' },
})
process.exitCode = status ?? 1
