// SPDX-License-Identifier: Apache-2.0
/**
 * Copies of stores that are in use, and the way back. A SQLite file is copied in one step by its own backup; tables of a PGlite or PostgreSQL ledger go
 * out as one JSON line per row, read in one transaction, so that either engine takes them. Jobs are not copied: a ledger and the chain make them anew.
 */
import { closeSync, existsSync, fsyncSync, openSync } from 'node:fs'
import { backup, DatabaseSync } from 'node:sqlite'
import { TrellisError } from './errors.ts'
import { storeTooNew, type Migration } from './migrations.ts'
import { nameOf, openEngine, migrateTables, refuseInUse, versionOf, type Engine, type QueuePlace } from './queue.ts'

/** What a service keeps and must not lose, as data: `trellis backup` reads it, `trellis restore` writes it. */
export type StorePlace =
  | {
      kind: 'sqlite'
      /** Where the files lie, and which they are: names and `*` joined by `/`. */
      folder: string
      pattern: string
      /** Newest version of the schema that this program knows. */
      version: number
      /** Makes a copy fit to be gone on with, run once it is back. */
      after?: string
    }
  | {
      kind: 'tables'
      place: Omit<QueuePlace, 'log'>
      /** Of PGlite: folders, each with a ledger. */ pattern?: string
      migrations: readonly Migration[]
      after?: string
    }
  /** Copied as they are: keys (encrypted ones stay so), marks. */
  | { kind: 'files'; folder: string; pattern: string }

/** Copies a SQLite store that others may write to meanwhile; checks the copy. @returns the version of its schema */
export async function copyStore(from: string, to: string): Promise<number> {
  const source = new DatabaseSync(from, { readOnly: true, timeout: 5_000 })
  try {
    // In one step: a writer in another process would make a copy in several begin again, for ever under load.
    await backup(source, to, { rate: 0x7fff_ffff })
  } finally {
    source.close()
  }
  const copy = new DatabaseSync(to)
  try {
    // One file, without companions.
    copy.exec('pragma journal_mode = delete')
    const [found] = copy.prepare('pragma quick_check(1)').all()
    if (found?.['quick_check'] !== 'ok')
      throw new TrellisError({
        code: 'STORE_DAMAGED',
        message: 'The store is damaged; a copy of it would be worth nothing.',
        details: { file: from, found: found?.['quick_check'] },
        next: 'restore the last good backup, and check the disk',
      })
    return Number(copy.prepare('pragma user_version').get()?.['user_version'])
  } finally {
    copy.close()
  }
}

/** Makes a copied store fit to be gone on with, and puts it on disk. @throws TrellisError STORE_TOO_NEW */
export function reviveStore(file: string, { version, after }: { version: number; after?: string | undefined }, service: string): void {
  const db = new DatabaseSync(file)
  try {
    const have = Number(db.prepare('pragma user_version').get()?.['user_version'])
    if (have > version) throw storeTooNew({ store: file, have, know: version, service })
    if (after !== undefined) db.exec(after)
  } finally {
    db.close()
  }
  syncFile(file)
}

/** Rows fetched at once. */
const PAGE = 500

/**
 * Writes the tables of a ledger as lines: the version of their schema, then each row behind the name of its table.
 * One transaction that sees one moment; nothing in it waits for `write`, which must be quick where PGlite serves a coordinator meanwhile.
 */
export async function dumpTables(engine: Engine, write: (line: string) => void): Promise<number> {
  return engine.transaction(async () => {
    await engine.exec('set transaction isolation level repeatable read, read only')
    const version = await versionOf(engine)
    write(JSON.stringify({ version }))
    for (const table of await tablesOf(engine)) {
      await engine.exec(`declare rows no scroll cursor for select row_to_json(t)::text as row from "${table}" t`)
      for (;;) {
        const page = await engine.query<{ row: string }>(`fetch ${PAGE} from rows`)
        for (const { row } of page) write(`${table} ${row}`)
        if (page.length < PAGE) break
      }
      await engine.exec('close rows')
    }
    return version
  })
}

/** Tables of the service's own, parents before children, without what counts versions. */
const tablesOf = async (engine: Engine): Promise<string[]> =>
  (
    await engine.query<{ name: string }>(
      `select relname as name from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace
       and relname <> 'schema_history' order by oid`,
    )
  ).map(({ name }) => name)

/** Dumps a ledger that this process opens itself. @throws TrellisError FOLDER_IN_USE | DATABASE_FAILED */
export async function dumpLedger(place: QueuePlace, write: (line: string) => void): Promise<number> {
  const engine = await openEngine(place)
  try {
    return await dumpTables(engine, write)
  } finally {
    await engine.close()
  }
}

/** Says why a ledger cannot be restored here. @throws TrellisError STORE_IN_USE | STORE_NOT_EMPTY | DATABASE_FAILED */
export async function requireEmpty(place: QueuePlace): Promise<void> {
  const refuse = (): never => {
    throw new TrellisError({
      code: 'STORE_NOT_EMPTY',
      message: 'There is a store already where the backup would go; a restore overwrites nothing.',
      details: { store: nameOf(place) },
      next: place.databaseUrl === undefined ? 'move that folder away first' : `alter schema ${place.schema} rename to …, then restore`,
    })
  }
  if (place.databaseUrl === undefined) return existsSync(place.folder) ? refuse() : undefined
  const engine = await openEngine(place)
  try {
    if ((await tablesOf(engine)).length > 0) {
      await refuseInUse(engine, place)
      refuse()
    }
  } finally {
    await engine.close()
  }
}

/**
 * Puts dumped rows into an empty place, in one transaction, under the schema that they were written with; the service brings that to its newest.
 * @throws TrellisError STORE_TOO_NEW | BACKUP_DAMAGED
 */
export async function restoreLedger(
  place: QueuePlace,
  { migrations, after }: { migrations: readonly Migration[]; after?: string | undefined },
  lines: AsyncIterable<string> | Iterable<string>,
): Promise<void> {
  const engine = await openEngine(place)
  try {
    await engine.transaction(async () => {
      let known: ReadonlySet<string> | undefined
      let [table, rows]: [string, string[]] = ['', []]
      const flush = async (): Promise<void> => {
        if (rows.length > 0)
          await engine.query(
            `insert into "${table}" overriding system value select * from json_populate_recordset(null::"${table}", $1::json)`,
            [`[${rows.join()}]`],
          )
        rows = []
      }
      for await (const line of lines) {
        if (known === undefined) {
          const { version } = JSON.parse(line) as { version: number }
          if (version > migrations.length)
            throw storeTooNew({ store: nameOf(place), have: version, know: migrations.length, service: place.service })
          await migrateTables(engine, migrations.slice(0, version), place)
          const tables = await tablesOf(engine)
          // What the migrations themselves put in comes with the rows, too.
          if (tables.length > 0) await engine.exec(`truncate ${tables.map((name) => `"${name}"`).join()}`)
          known = new Set(tables)
          continue
        }
        const cut = line.indexOf(' ')
        const name = line.slice(0, cut)
        if (!known.has(name)) throw backupDamaged({ store: nameOf(place), table: name.slice(0, 80) })
        if (name !== table || rows.length >= PAGE) await flush()
        table = name
        rows.push(line.slice(cut + 1))
      }
      await flush()
      for (const name of known ?? []) {
        const columns = await engine.query<{ name: string; sequence: string }>(
          `select attname as name, pg_get_serial_sequence($1, attname) as sequence from pg_attribute
           where attrelid = to_regclass($1) and attnum > 0 and not attisdropped and pg_get_serial_sequence($1, attname) is not null`,
          [`"${name}"`],
        )
        for (const { name: column, sequence } of columns)
          await engine.query(`select setval($1, coalesce((select max("${column}") from "${name}"), 0) + 1, false)`, [sequence])
      }
      if (after !== undefined) await engine.exec(after)
    })
  } finally {
    await engine.close()
  }
}

export const backupDamaged = (details: Record<string, unknown>): TrellisError =>
  new TrellisError({
    code: 'BACKUP_DAMAGED',
    message: 'The backup is not as it was written.',
    details,
    next: 'take another copy of it, or an older backup; nothing was restored',
  })

/** A file or a folder, on disk when this returns. */
export function syncFile(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
