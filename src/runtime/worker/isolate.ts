/** What one isolate keeps between requests: opened vault, snapshot of the market, health, counters of failed attempts. No I/O in progress. */
import { createGate, type Gate } from '../../admin/gate.ts'
import { type AuditLog, createAuditLog } from '../../audit/log.ts'
import { createSignatures } from '../../attempt/signatures.ts'
import { type AuthGuard, createAuthGuard } from '../../authenticate.ts'
import type { KeyRing, Log, Signatures } from '../../deps.ts'
import { createAdminGate } from '../../keys/admin.ts'
import type { Hmac } from '../../keys/memory.ts'
import { createRedactor, type Redactor } from '../../redact.ts'
import { createExperience, type Experience } from '../../route/experience.ts'
import { createHealth, type Health } from '../../route/health.ts'
import { createPressure, type Pressure } from '../../route/pressure.ts'
import type { Store } from '../../store/store.ts'
import { SchemaVersionError } from '../../store/version.ts'
import { MasterKeyMismatch } from '../../vault/keyring.ts'
import { createVault, type OpenVault } from '../../vault/vault.ts'
import { portableBytes } from '../../wire/bytes.ts'
import { createAuthorScope } from '../author.ts'
import { createAuditHmac, createKeyHmac, createSessionHmac } from '../node/digest.ts'
import { type Bindings, createReadRef, readSettings, type Settings, SetupFault } from './bindings.ts'
import { randomBytes, workerClock } from './clock.ts'
import { openD1 } from './d1.ts'
import { createKeyRing } from './keys.ts'
import { createLog } from './log.ts'
import { createSupply, type Supply } from './supply.ts'

export interface Isolate {
  readonly settings: Settings
  readonly log: Log
  readonly redactor: Redactor
  readonly store: Store
  readonly audit: AuditLog
  readonly vault: OpenVault
  readonly hmac: Hmac
  readonly peppers: readonly number[]
  readonly keys: KeyRing
  readonly gate: Gate
  readonly health: Health
  readonly experience: Experience
  readonly pressure: Pressure
  readonly failures: AuthGuard
  readonly signatures: Signatures
  readonly supply: Supply
}

/** Master key and schema are as they should be, or a SetupFault says what to do. */
async function openStores(settings: Settings, redactor: Redactor, log: Log) {
  try {
    const audit = createAuditLog({
      store: await openD1(settings.database),
      hmac: createAuditHmac(() => vault.keyring()),
      clock: workerClock,
      scope: createAuthorScope(),
      log,
      isShared: true,
    })
    const vault: OpenVault = await createVault({
      store: audit.store,
      masterKey: settings.masterKey,
      clock: workerClock,
      random: randomBytes,
      readRef: createReadRef(settings.env),
      log,
      onOpen: secret => redactor.remember(secret),
    })
    return { store: audit.store, audit, vault }
  } catch (error) {
    const known =
      error instanceof MasterKeyMismatch ||
      error instanceof SchemaVersionError ||
      (error as Error)?.name === 'KeyringLost'
    throw known ? new SetupFault((error as Error).message) : error
  }
}

/** Rejects with SetupFault for what the operator must mend, or with what storage says. */
export async function openIsolate(bindings: Bindings): Promise<Isolate> {
  const settings = readSettings(bindings)
  const redactor = createRedactor()
  redactor.remember(settings.adminToken)
  redactor.remember(settings.env.SWITCHGATE_MASTER_KEY ?? '')
  const log = createLog(settings.env.LOG_LEVEL, text => redactor.scrub(text))
  const { store, audit, vault } = await openStores(settings, redactor, log)
  const keyring = () => vault.keyring()
  const peppers = [...keyring().peppers.keys()]
  const hmac = createKeyHmac(keyring)
  const sessionHmac = createSessionHmac(keyring)
  const admin = await createAdminGate({
    store,
    hmac: sessionHmac,
    randomBytes,
    configured: settings.adminToken,
  }).catch(error => {
    throw new SetupFault(error instanceof Error ? error.message : 'SWITCHGATE_ADMIN_TOKEN cannot be used')
  })
  const supply = await createSupply({
    configText: settings.configText,
    env: settings.env,
    vault,
    readRef: createReadRef(settings.env),
    remember: secret => redactor.remember(secret),
    clock: workerClock,
    log,
  })
  const health = createHealth()
  vault.onChange(id => {
    supply.stale()
    health.renew(id)
  })
  return {
    settings,
    log,
    redactor,
    store,
    audit,
    vault,
    hmac,
    peppers,
    keys: createKeyRing(store, hmac, peppers),
    gate: createGate({
      verifyAdminToken: async text => admin.check(text),
      hosts: settings.adminHosts,
      audit,
      now: workerClock.now,
      randomBytes,
      // another admin token ends every session
      sessionKey: () => portableBytes.of(sessionHmac(`session ${sessionHmac(settings.adminToken)}`)),
    }),
    health,
    experience: createExperience(),
    pressure: createPressure(),
    failures: createAuthGuard({ clock: workerClock }),
    signatures: createSignatures(workerClock),
    supply,
  }
}
