// SPDX-License-Identifier: Apache-2.0
/** A real PostgreSQL server in a folder of its own, on a free port. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { engine } from './engines.ts'
import { freePort } from './chain.ts'

export interface PostgresServer {
  /** Of a database of this server, with its password. */
  url: string
  password: string
  start(): Promise<void>
  /** `SIGINT` stops at once and in order, `SIGKILL` is a crash. */
  stop(signal?: 'SIGINT' | 'SIGKILL'): Promise<void>
  query<R>(text: string, values?: unknown[]): Promise<R[]>
  /** Stops the server and removes its folder. */
  remove(): Promise<void>
}

/** The server refuses to run as root: then it runs as the account that Debian makes for it. */
function account(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith('postgres:'))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined) throw new Error('there is no account called postgres')
  return { uid: Number(uid), gid: Number(gid) }
}

/** Makes a cluster and starts it. The programs must be there: ask `needs` first. */
export async function startPostgres(): Promise<PostgresServer> {
  const [initdb, postgres] = [engine('initdb'), engine('postgres')]
  if (initdb === undefined || postgres === undefined) throw new Error('PostgreSQL is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'trellis-postgres-'))
  const data = join(folder, 'data')
  const who = account()
  const password = 'correct-horse-battery'
  chmodSync(folder, 0o755)
  mkdirSync(data, { mode: 0o700 })
  writeFileSync(join(folder, 'password'), password, { mode: 0o644 })
  if (who.uid !== undefined && who.gid !== undefined) chownSync(data, who.uid, who.gid)
  const made = spawnSync(
    initdb,
    [
      '-D',
      data,
      '-U',
      'trellis',
      '--auth=scram-sha-256',
      '--pwfile',
      join(folder, 'password'),
      '--no-sync',
      '--locale=C',
      '--encoding=UTF8',
    ],
    { ...who, cwd: '/', encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  const port = await freePort()
  const url = `postgres://trellis:${password}@127.0.0.1:${port}/postgres`
  let child: ChildProcess | undefined

  const query = async <R>(text: string, values: unknown[] = []): Promise<R[]> => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
    client.on('error', () => undefined)
    await client.connect()
    try {
      return (await client.query(text, values)).rows as R[]
    } finally {
      await client.end()
    }
  }
  const server: PostgresServer = {
    url,
    password,
    query,
    async start() {
      // Settings of a throw-away server, but for durability, which tests lean on.
      const settings = [
        'listen_addresses=127.0.0.1',
        `port=${port}`,
        'unix_socket_directories=',
        'max_connections=60',
        'shared_buffers=32MB',
      ]
      child = spawn(postgres, ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], { ...who, cwd: '/', stdio: 'ignore' })
      for (const until = Date.now() + 30_000; ;) {
        try {
          await query('select 1')
          return
        } catch (error) {
          if (Date.now() > until || child.exitCode !== null) throw new Error('PostgreSQL did not start', { cause: error })
          await new Promise((resolve) => setTimeout(resolve, 100))
        }
      }
    },
    async stop(signal = 'SIGINT') {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
    async remove() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  await server.start()
  return server
}
