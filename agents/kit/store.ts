// SPDX-License-Identifier: Apache-2.0
/** State of a service on disk: node:sqlite in WAL mode, synced at every commit, with migrations and commits shared by many callers. */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { overloaded } from './errors.ts'
import { backOut, migrate, type BackOut, type Migration } from './migrations.ts'

export type { DatabaseSync, StatementSync, SQLInputValue } from 'node:sqlite'

export interface StoreOptions {
  /** Path of the database file; its folder is made. */
  file: string
  /** Oldest first; never edited once released. The number of those applied is in `user_version`, the way back in `schema_history`. */
  migrations: readonly Migration[]
  /** As `trellis run` calls the service, for errors. */
  service?: string
}

export interface Store {
  readonly db: DatabaseSync
  /** Runs `work` in one transaction: all of it is on disk when this returns, or none. Not nested. */
  transaction<T>(work: (db: DatabaseSync) => T): T
  close(): void
}

/** Opens or creates a store. @throws TrellisError STORE_TOO_NEW when a newer version of the program wrote it. */
export function openStore({ file, migrations, service }: StoreOptions): Store {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(file, { timeout: 5_000 })
  db.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on')

  const transaction = <T>(work: (db: DatabaseSync) => T): T => {
    db.exec('begin immediate')
    try {
      const result = work(db)
      db.exec('commit')
      return result
    } catch (error) {
      if (db.isTransaction) db.exec('rollback')
      throw error
    }
  }

  try {
    migrate(db, { file, migrations, service })
  } catch (error) {
    db.close()
    throw error
  }
  return {
    db,
    transaction,
    close: () => {
      if (db.isOpen) db.close()
    },
  }
}

/**
 * Takes a store that a newer version of the program wrote back to version `to`, while nothing else has it open.
 * A file that is not there is nothing to take back.
 * @throws TrellisError STORE_IN_USE | STORE_TOO_NEW
 */
export function backOutStore({ file, to, service }: { file: string; to: number; service?: string }): BackOut {
  if (!existsSync(file)) return { file, from: to, to }
  const db = new DatabaseSync(file, { timeout: 0 })
  try {
    db.exec('pragma synchronous = full; pragma foreign_keys = on')
    return backOut(db, { file, to, service })
  } finally {
    db.close()
  }
}

/**
 * The folder of a ledger: state belongs to one deployment on one chain, so another chain, or another deployment, starts empty
 * and nothing of the first is read as if it were of the second.
 * @param genesisHash  hash of block 0
 * @param deployment   address of the contract that names the deployment (IoIDRegistry or Router)
 */
export function ledgerFolder(dataFolder: string, genesisHash: string, deployment: string): string {
  return join(dataFolder, `${genesisHash.slice(2, 14)}-${deployment.slice(2, 14)}`.toLowerCase())
}

export interface BatcherOptions {
  /** Most writes in one commit. */
  maxBatch?: number
  /** Most writes waiting; more are refused with OVERLOADED. */
  maxWaiting?: number
}

export interface Batcher {
  /** Runs `write` inside the next commit and resolves with its result once that commit is on disk. */
  submit<T>(write: (db: DatabaseSync) => T): Promise<T>
  /** Writes waiting for a commit. */
  readonly waiting: number
}

interface Waiting {
  write: (db: DatabaseSync) => unknown
  resolve: (result: never) => void
  reject: (error: unknown) => void
}

/**
 * Puts writes of many callers into one commit (one sync of the disk), in order. A write that throws is undone alone
 * and rejects its caller; a failed commit rejects them all.
 */
export function createBatcher(store: Store, { maxBatch = 512, maxWaiting = 8_192 }: BatcherOptions = {}): Batcher {
  let queue: Waiting[] = []
  let scheduled = false

  const flush = (): void => {
    scheduled = false
    const batch = queue.slice(0, maxBatch)
    queue = queue.slice(maxBatch)
    const settle: (() => void)[] = []
    try {
      store.transaction((db) => {
        for (const { write, resolve, reject } of batch) {
          db.exec('savepoint one')
          try {
            const result = write(db) as never
            settle.push(() => resolve(result))
          } catch (error) {
            db.exec('rollback to one')
            settle.push(() => reject(error))
          }
          db.exec('release one')
        }
      })
      for (const tell of settle) tell()
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
    if (queue.length > 0) schedule()
  }
  const schedule = (): void => {
    if (scheduled) return
    scheduled = true
    setImmediate(flush)
  }

  return {
    submit<T>(write: (db: DatabaseSync) => T): Promise<T> {
      if (queue.length >= maxWaiting) return Promise.reject(overloaded('The store', maxWaiting))
      return new Promise<T>((resolve, reject) => {
        queue.push({ write, resolve, reject })
        schedule()
      })
    },
    get waiting() {
      return queue.length
    },
  }
}
