// SPDX-License-Identifier: Apache-2.0
/** Jobs on disk in this process: pg-boss on PGlite, in a folder that one process has at a time, beside tables of the service's own. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { join } from 'node:path'
import { PGlite, type Transaction } from '@electric-sql/pglite'
import { PgBoss, fromPglite, type Db } from 'pg-boss'
import { lockFolder } from './lock.ts'
import type { Logger } from './log.ts'
import { storeTooNew, type Migration } from './migrations.ts'

export type { PgBoss } from 'pg-boss'

/** Reads and writes; inside `transaction`, of that transaction. */
export interface Sql {
  query<R>(text: string, values?: unknown[]): Promise<R[]>
}

export interface QueueOptions {
  folder: string
  /** The service's own tables, oldest version first; never edited once released. */
  migrations: readonly Migration[]
  log: Logger
}

export interface Queue extends Sql {
  readonly jobs: PgBoss
  /**
   * All of `work` is on disk when this resolves, or none of it. `query` and `jobs` used inside are part of the transaction.
   * One inside another joins it.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

/**
 * Opens the queue. PGlite does not lock its folder, and a second opener destroys it: the lock comes first.
 * @throws TrellisError FOLDER_IN_USE | STORE_TOO_NEW
 */
export async function openQueue({ folder, migrations, log }: QueueOptions): Promise<Queue> {
  const lock = lockFolder(folder)
  let db: PGlite | null = null
  try {
    db = await PGlite.create(join(folder, 'pg'))
    await migrate(db, migrations, folder)
    const ambient = new AsyncLocalStorage<Transaction>()
    const jobs = new PgBoss({ db: joining(db, ambient), backend: 'pglite', schedule: false, supervise: false })
    jobs.on('error', (error) => log.error({ err: error }, 'job queue'))
    await jobs.start()
    return queueOf(db, jobs, ambient, lock)
  } catch (error) {
    await db?.close().catch(() => undefined)
    lock.release()
    throw error
  }
}

function queueOf(db: PGlite, jobs: PgBoss, ambient: AsyncLocalStorage<Transaction>, lock: { release: () => void }): Queue {
  return {
    jobs,
    async query<R>(text: string, values: unknown[] = []) {
      return (await (ambient.getStore() ?? db).query<R>(text, values)).rows
    },
    transaction: (work) => (ambient.getStore() === undefined ? db.transaction((tx) => ambient.run(tx, work)) : work()),
    async close() {
      await jobs.stop({ graceful: false, close: false })
      await db.close()
      lock.release()
    },
  }
}

/**
 * pg-boss's database, joining the transaction it is called in. Without this a job command inside a transaction would wait
 * for PGlite's only connection, which that transaction holds.
 */
function joining(db: PGlite, ambient: AsyncLocalStorage<Transaction>): Db {
  const alone = fromPglite(db)
  return {
    async executeSql(text, values) {
      const tx = ambient.getStore()
      if (tx === undefined) return alone.executeSql(text, values)
      if (values !== undefined && values.length > 0) return tx.query<Record<string, unknown>>(text, values)
      return { rows: (await tx.exec(text)).flatMap((result) => result.rows) }
    },
  }
}

async function migrate(db: PGlite, migrations: readonly Migration[], folder: string): Promise<void> {
  await db.exec('create table if not exists migrations (version int primary key)')
  const { rows } = await db.query<{ version: number }>('select coalesce(max(version), 0) as version from migrations')
  const applied = rows[0]?.version ?? 0
  if (applied > migrations.length) {
    throw storeTooNew({ store: folder, have: applied, know: migrations.length, way: false })
  }
  for (let version = applied; version < migrations.length; version++) {
    await db.transaction(async (tx) => {
      await tx.exec(migrations[version]?.up ?? '')
      await tx.query('insert into migrations values ($1)', [version + 1])
    })
  }
}
