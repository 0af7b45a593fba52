// SPDX-License-Identifier: Apache-2.0
/** A PostgreSQL database that several processes of a service share: one schema per deployment, transactions that calls inside join, errors without secrets. */
import { AsyncLocalStorage } from 'node:async_hooks'
import pg from 'pg'
import { TrellisError } from './errors.ts'
import type { Logger } from './log.ts'

/** Reads and writes; inside `transaction`, of that transaction. */
export interface Sql {
  query<R>(text: string, values?: unknown[]): Promise<R[]>
}

export interface Postgres extends Sql {
  /** Several statements without parameters. */
  exec(text: string): Promise<Record<string, unknown>[]>
  /** All of `work` is on disk when this resolves, or none of it. `query` and `exec` inside are part of it; one inside another joins it. */
  transaction<T>(work: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`; a secret. */
  url: string
  /** Schema that unqualified names mean; made when it is missing. Lower-case letters, digits and `_`. */
  schema: string
  log: Logger
  /** Most connections of this process. */
  maxConnections?: number
  /** Longest time of one statement, milliseconds. */
  statementTimeoutMs?: number
}

/** PGlite gives an int8 as a number where one holds it; so does this, or the two would differ in every count and time. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) =>
    (oid as number) === INT8 ? readInt8 : (pg.types.getTypeParser(oid, format) as (text: string) => unknown),
}
/** Object id of the type int8. */
const INT8 = 20

function readInt8(text: string): number | bigint {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}

/** SQLSTATE classes of a database that is away or ends a session: connection, resources, operator intervention, serialization. */
const passing = /^(08|40|53|57)/

/** How a service's connections are named in the database. */
export const applicationName = (schema: string): string => `trellis ${schema}`

/**
 * Connects and makes the schema.
 * @throws TrellisError DATABASE_FAILED (retryable) when the database does not answer, DATABASE_REFUSED when it lets nobody in
 */
export async function openPostgres({
  url,
  schema,
  log,
  maxConnections = 10,
  statementTimeoutMs = 30_000,
}: PostgresOptions): Promise<Postgres> {
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    connectionTimeoutMillis: 10_000,
    statement_timeout: statementTimeoutMs,
    // A server that vanished says nothing: the client must give up by itself.
    query_timeout: statementTimeoutMs + 5_000,
    keepAlive: true,
    // A session whose process was stopped in a transaction must not hold its rows for ever.
    idle_in_transaction_session_timeout: statementTimeoutMs,
    application_name: applicationName(schema),
    options: `-c search_path=${schema}`,
    types,
  })
  // A connection that ends while it is idle is replaced by the next query.
  pool.on('error', (error) => log.warn({ err: databaseFailed(url, error) }, 'a database connection ended'))
  const ambient = new AsyncLocalStorage<pg.PoolClient>()

  const run = async (text: string, values?: unknown[]): Promise<pg.QueryResult<Record<string, unknown>>[]> => {
    try {
      const result: unknown = await (ambient.getStore() ?? pool).query(text, values)
      return (Array.isArray(result) ? result : [result]) as pg.QueryResult<Record<string, unknown>>[]
    } catch (error) {
      throw isPassing(error) ? databaseFailed(url, error) : error
    }
  }
  const transaction = async <T>(work: () => Promise<T>): Promise<T> => {
    if (ambient.getStore() !== undefined) return work()
    const client = await pool.connect().catch((error: unknown) => Promise.reject(databaseFailed(url, error)))
    let broken: Error | undefined
    client.on('error', (error) => (broken = error))
    try {
      await client.query('begin')
      const result = await ambient.run(client, work)
      await client.query('commit')
      return result
    } catch (error) {
      await client
        .query('rollback')
        .catch((failure: unknown) => (broken ??= failure instanceof Error ? failure : new Error(String(failure))))
      throw isPassing(error) ? databaseFailed(url, error) : error
    } finally {
      client.removeAllListeners('error')
      client.release(broken)
    }
  }

  const database: Postgres = {
    query: async <R>(text: string, values: unknown[] = []) => (await run(text, values)).flatMap(({ rows }) => rows as R[]),
    exec: async (text) => (await run(text)).flatMap(({ rows }) => rows),
    transaction,
    close: () => pool.end(),
  }
  try {
    // Two processes may start at once: `if not exists` alone lets the slower one fail.
    await transaction(async () => {
      await database.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [schema])
      await database.exec(`create schema if not exists ${schema}`)
    })
  } catch (error) {
    await pool.end().catch(() => undefined)
    throw error
  }
  return database
}

/** True when the database is away or gave up on a session, so that the same call may succeed later. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof TrellisError) return false
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return passing.test(code) || /^E[A-Z]+$/.test(code)
  return /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable/i.test(error.message)
}

function databaseFailed(url: string, cause: unknown): TrellisError {
  if (cause instanceof TrellisError) return cause
  const reason = cause instanceof Error ? cause.message || String((cause as { code?: unknown }).code) : String(cause)
  if (!isPassing(cause))
    return new TrellisError({
      code: 'DATABASE_REFUSED',
      message: 'The database refused this service.',
      details: { database: withoutSecrets(url), reason },
      next: 'correct the account, the password or the database that DATABASE_URL names',
    })
  return new TrellisError({
    code: 'DATABASE_FAILED',
    message: 'The database did not answer.',
    details: { database: withoutSecrets(url), reason },
    next: 'check that PostgreSQL runs and that DATABASE_URL names it; work goes on when it answers again',
    retryable: true,
  })
}

/** Where a database is, without the password and the parameters of its URL. */
export function withoutSecrets(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url)
    return `${hostname}${port === '' ? '' : `:${port}`}${pathname}`
  } catch {
    return 'a database URL that cannot be read'
  }
}
