// SPDX-License-Identifier: Apache-2.0
/**
 * Versions of a store's schema, up and down. The store itself keeps the way down of every version that was applied to it, so that an older program,
 * which does not know the newer version, can still take it back. Over any SQLite handle: the stores of the kit and of the SDK share it.
 */
import { TrellisError } from './errors.ts'

/** One version of a schema. Never edited once released. */
export interface Migration {
  up: string
  /** Undoes `up` and keeps every row that the older version knows. */
  down: string
}

/** What of node:sqlite's `DatabaseSync` is used. */
export interface SchemaDatabase {
  readonly isTransaction: boolean
  exec(sql: string): void
  prepare(sql: string): {
    get(...values: (string | number)[]): Record<string, unknown> | undefined
    all(...values: (string | number)[]): Record<string, unknown>[]
    run(...values: (string | number)[]): unknown
  }
}

export interface SchemaOptions {
  /** Where the store is, for errors. */
  file: string
  migrations: readonly Migration[]
  /** As `trellis run` calls the service, for errors. */
  service?: string | undefined
}

/** What a back-out did. */
export interface BackOut {
  file: string
  from: number
  to: number
}

const history = 'create table if not exists schema_history (version integer primary key, down text not null, at integer not null) strict'

/**
 * Brings a store to the newest version, in one transaction. A store from before `schema_history` is of the version in `user_version`.
 * @throws TrellisError STORE_TOO_NEW
 */
export function migrate(db: SchemaDatabase, { file, migrations, service }: SchemaOptions): void {
  const want = migrations.length
  if (versionOf(db) === want && (want === 0 || recorded(db) === want)) return
  alter(db, () => {
    const have = versionOf(db)
    if (have > want) throw storeTooNew({ store: file, have, know: want, service })
    db.exec(history)
    const record = db.prepare('insert into schema_history (version, down, at) values (?, ?, ?) on conflict (version) do nothing')
    migrations.forEach(({ up, down }, i) => {
      if (i >= have) db.exec(up)
      record.run(i + 1, down, Date.now())
    })
    db.exec(`pragma user_version = ${want}`)
  })
}

/**
 * Takes a store back to version `to`, newest first, in one transaction, while nobody else has it open. Does nothing to one that is there already or older.
 * @throws TrellisError STORE_IN_USE | STORE_TOO_NEW when the store does not hold the way down
 */
export function backOut(db: SchemaDatabase, { file, to, service }: { file: string; to: number; service?: string | undefined }): BackOut {
  alone(db, file)
  let from = versionOf(db)
  if (from <= to) return { file, from, to: from }
  alter(db, () => {
    from = versionOf(db)
    const steps = tableExists(db)
      ? db.prepare('select version, down from schema_history where version > ? order by version desc').all(to)
      : []
    if (steps.length !== from - to) throw storeTooNew({ store: file, have: from, know: to, service, way: false })
    for (const step of steps) db.exec(String(step['down']))
    db.prepare('delete from schema_history where version > ?').run(to)
    db.exec(`pragma user_version = ${to}`)
  })
  return { file, from, to }
}

/** A newer version of the program wrote a store. `way` says whether the store holds the way down. */
export function storeTooNew(facts: {
  store: string
  have: number
  know: number
  service?: string | undefined
  way?: boolean
}): TrellisError {
  const { store, have, know, service = '<service>', way = true } = facts
  return new TrellisError({
    code: 'STORE_TOO_NEW',
    message: 'A newer version of this program wrote the store.',
    details: { store, have, know },
    next: way
      ? `run that version, or take the store back to this one: npm run trellis -- run ${service} --back-out (with the service's own configuration)`
      : 'run that version: this store does not hold the way back',
  })
}

/** Everybody who has a WAL store open holds a shared lock on it, so the exclusive one is had only alone; it lasts until this handle is closed. */
function alone(db: SchemaDatabase, file: string): void {
  try {
    db.exec('pragma locking_mode = exclusive; begin exclusive; commit')
  } catch (error) {
    if (!/database is locked/.test(error instanceof Error ? error.message : '')) throw error
    throw new TrellisError({
      code: 'STORE_IN_USE',
      message: 'Another process has the store open.',
      details: { file },
      next: 'stop the service that uses it, then back out',
      cause: error,
    })
  }
}

/** One transaction. Tables may be rebuilt in it: foreign keys are checked at its end, not at each statement. */
function alter(db: SchemaDatabase, work: () => void): void {
  const keys = db.prepare('pragma foreign_keys').get()?.['foreign_keys'] === 1
  if (keys) db.exec('pragma foreign_keys = off')
  try {
    db.exec('begin immediate')
    work()
    const broken = keys ? db.prepare('pragma foreign_key_check').get() : undefined
    if (broken !== undefined) throw new Error(`the migration leaves a row of ${String(broken['table'])} without its parent`)
    db.exec('commit')
  } catch (error) {
    if (db.isTransaction) db.exec('rollback')
    throw error
  } finally {
    if (keys) db.exec('pragma foreign_keys = on')
  }
}

function versionOf(db: SchemaDatabase): number {
  return Number(db.prepare('pragma user_version').get()?.['user_version'] ?? 0)
}

function recorded(db: SchemaDatabase): number {
  return tableExists(db) ? Number(db.prepare('select count(*) as n from schema_history').get()?.['n']) : 0
}

function tableExists(db: SchemaDatabase): boolean {
  return db.prepare(`select 1 from sqlite_schema where type = 'table' and name = 'schema_history'`).get() !== undefined
}
