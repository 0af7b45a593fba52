// SPDX-License-Identifier: Apache-2.0
/**
 * Jobs on disk beside tables of the service's own: pg-boss on PGlite in a folder that one process has at a time, or on a PostgreSQL database that many
 * share. The same SQL and the same transactions on both.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { PGlite, type Transaction } from '@electric-sql/pglite'
import { PgBoss, type Db } from 'pg-boss'
import { TrellisError } from './errors.ts'
import { lockFolder } from './lock.ts'
import type { Logger } from './log.ts'
import { storeTooNew, type BackOut, type Migration } from './migrations.ts'
import { applicationName, openPostgres, withoutSecrets, type Sql } from './postgres.ts'

export type { PgBoss } from 'pg-boss'
export type { Sql } from './postgres.ts'

export interface QueuePlace {
  /** Where PGlite lives when there is no `databaseUrl`. */
  folder: string
  /** A PostgreSQL database; a secret. */
  databaseUrl?: string | undefined
  /** In a PostgreSQL database the schema of the service's tables; pg-boss has `<schema>_jobs`. Lower-case letters, digits and `_`, at most 45. */
  schema: string
  log: Logger
  /** As `trellis run` calls the service, for errors. */
  service?: string
}

export interface QueueOptions extends QueuePlace {
  /** The service's own tables, oldest version first; never edited once released. */
  migrations: readonly Migration[]
}

export interface Queue extends Sql {
  readonly jobs: PgBoss
  /** pg-boss's table of jobs, to be joined with the service's own. */
  readonly jobsTable: string
  /** True when other processes may use this queue at the same time. */
  readonly shared: boolean
  /** Under the jobs, for a backup by the process that has the store open. */
  readonly engine: Engine
  /**
   * All of `work` is on disk when this resolves, or none of it. `query` and `jobs` used inside are part of the transaction.
   * One inside another joins it.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** What the two engines have in common. */
export interface Engine extends Sql {
  exec(text: string): Promise<Record<string, unknown>[]>
  transaction<T>(work: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** @throws TrellisError FOLDER_IN_USE | DATABASE_FAILED | STORE_TOO_NEW */
export async function openQueue({ migrations, ...place }: QueueOptions): Promise<Queue> {
  const { databaseUrl, log } = place
  const engine = await openEngine(place)
  try {
    // A folder holds one deployment only, so there the names need not tell deployments apart.
    const jobsSchema = databaseUrl === undefined ? 'pgboss' : `${place.schema}_jobs`
    await migrateTables(engine, migrations, place, jobsSchema)
    const backend = databaseUrl === undefined ? 'pglite' : 'postgres'
    const jobs = new PgBoss({ db: jobsDatabase(engine), backend, schema: jobsSchema, schedule: false, supervise: false })
    jobs.on('error', (error) => log.error({ err: error }, 'job queue'))
    await jobs.start()
    return {
      jobs,
      jobsTable: `${jobsSchema}.job`,
      shared: databaseUrl !== undefined,
      engine,
      query: (text, values) => engine.query(text, values),
      transaction: (work) => engine.transaction(work),
      async close() {
        await jobs.stop({ graceful: false, close: false })
        await engine.close()
      },
    }
  } catch (error) {
    await engine.close().catch(() => undefined)
    throw error
  }
}

/** Takes the service's tables back to version `to`, newest first, in one transaction, by the way down that the store itself holds. */
export async function backOutQueue(place: QueuePlace, to: number): Promise<BackOut> {
  const engine = await openEngine(place)
  const store = nameOf(place)
  try {
    if (place.databaseUrl !== undefined) await refuseInUse(engine, place)
    return await locked(engine, place.schema, async () => {
      const from = await versionOf(engine)
      if (from <= to) return { file: store, from, to: from }
      const steps = await engine.query<{ down: string }>('select down from schema_history where version > $1 order by version desc', [to])
      if (steps.length !== from - to) throw storeTooNew({ store, have: from, know: to, way: false })
      for (const { down } of steps) await engine.exec(down)
      await engine.query('delete from schema_history where version > $1', [to])
      return { file: store, from, to }
    })
  } finally {
    await engine.close()
  }
}

/** A service that shares the database asks it every few seconds, so its connections are there. @throws TrellisError STORE_IN_USE */
export async function refuseInUse(engine: Engine, place: QueuePlace): Promise<void> {
  let others = 0
  // A service that has just ended leaves its connections there for a moment.
  for (let tries = 0; tries < 10; tries += 1) {
    const [found] = await engine.query<{ others: number }>(
      `select count(*)::int as others from pg_stat_activity
       where application_name = $1 and datname = current_database() and pid <> pg_backend_pid()`,
      [applicationName(place.schema)],
    )
    others = found?.others ?? 0
    if (others === 0) return
    await new Promise((wake) => setTimeout(wake, 200))
  }
  throw new TrellisError({
    code: 'STORE_IN_USE',
    message: 'Services work on this store.',
    details: { store: nameOf(place), connections: others },
    next: 'stop every service that shares this database, then try again',
  })
}

export const openEngine = (place: QueuePlace): Promise<Engine> =>
  place.databaseUrl === undefined ? openPglite(place) : openPostgres({ url: place.databaseUrl, schema: place.schema, log: place.log })

export const nameOf = ({ folder, databaseUrl, schema }: QueuePlace): string =>
  databaseUrl === undefined ? folder : `${withoutSecrets(databaseUrl)} ${schema}`

/** PGlite does not lock its folder, and a second opener destroys it: the lock comes first. */
async function openPglite({ folder }: QueuePlace): Promise<Engine> {
  const lock = lockFolder(folder)
  let db: PGlite | null = null
  try {
    db = await frugally(() => PGlite.create(join(folder, 'pg')))
    return pgliteEngine(db, lock)
  } catch (error) {
    await db?.close().catch(() => undefined)
    lock.release()
    throw error
  }
}

/** Modules that are compiled frugally now: the flags are those of the process. */
let frugal = 0

/**
 * V8 takes over 500 MiB for seconds to optimise the code of PGlite's WebAssembly, and keeps 90 of them; a ledger's few queries need less time in all
 * without. A module that was compiled under these flags stays as it is: others are optimised as ever when they return to their defaults.
 */
async function frugally<T>(compile: () => Promise<T>): Promise<T> {
  if (frugal++ === 0) optimise('--no-')
  try {
    return await compile()
  } finally {
    if (--frugal === 0) optimise('--')
  }
}

function optimise(prefix: '--' | '--no-'): void {
  for (const flag of ['wasm-tier-up', 'wasm-dynamic-tiering']) setFlagsFromString(prefix + flag)
}

/** Inside a transaction everything goes through it: PGlite has one connection, which the transaction holds. */
function pgliteEngine(db: PGlite, lock: { release: () => void }): Engine {
  const ambient = new AsyncLocalStorage<Transaction>()
  return {
    query: async <R>(text: string, values: unknown[] = []) => (await (ambient.getStore() ?? db).query<R>(text, values)).rows,
    exec: async (text) => (await (ambient.getStore() ?? db).exec(text)).flatMap(({ rows }) => rows),
    transaction: (work) => (ambient.getStore() === undefined ? db.transaction((tx) => ambient.run(tx, work)) : work()),
    async close() {
      await db.close()
      lock.release()
    },
  }
}

/** pg-boss's view of the engine; a job command inside a transaction joins it. */
function jobsDatabase(engine: Engine): Db {
  return {
    executeSql: async (text, values) => ({
      rows: values !== undefined && values.length > 0 ? await engine.query(text, values) : await engine.exec(text),
    }),
  }
}

/** One transaction that no other process changes the schema beside. */
const locked = <T>(engine: Engine, schema: string, work: () => Promise<T>): Promise<T> =>
  engine.transaction(async () => {
    await engine.query('select pg_advisory_xact_lock(hashtextextended($1, 1))', [schema])
    await engine.exec(
      'create table if not exists schema_history (version int primary key, down text not null, at timestamptz not null default now())',
    )
    return work()
  })

export const versionOf = async (engine: Engine): Promise<number> =>
  (await engine.query<{ version: number }>('select coalesce(max(version), 0)::int as version from schema_history'))[0]?.version ?? 0

/** Brings tables of a service to the newest version. For those of a service without jobs, too. @throws TrellisError STORE_TOO_NEW */
export function migrateTables(engine: Engine, migrations: readonly Migration[], place: QueuePlace, jobsSchema?: string): Promise<void> {
  const record = (version: number): Promise<unknown> =>
    engine.query('insert into schema_history (version, down) values ($1, $2)', [version, migrations[version - 1]!.down])
  return locked(engine, place.schema, async () => {
    // pg-boss makes its own, but fails when another process does so at the same time.
    if (jobsSchema !== undefined) await engine.exec(`create schema if not exists ${jobsSchema}`)
    // The first version counted in a table of its own and kept no way back.
    const [before] = await engine.query<{ there: boolean }>(`select to_regclass('migrations') is not null as there`)
    if (before?.there === true) {
      for (const { version } of await engine.query<{ version: number }>('select version from migrations')) await record(version)
      await engine.exec('drop table migrations')
    }
    const have = await versionOf(engine)
    if (have > migrations.length) throw storeTooNew({ store: nameOf(place), have, know: migrations.length, service: place.service })
    for (const [i, { up }] of migrations.entries()) {
      if (i < have) continue
      await engine.exec(up)
      await record(i + 1)
    }
  })
}
