// SPDX-License-Identifier: Apache-2.0
/** What a copy of a store must be, on every engine: of one moment, whole, and fit to be gone on with behind the chain. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect } from 'chai'
import { openLedger, type Ledger } from '../../agents/coordinator/ledger.ts'
import { service as coordinator } from '../../agents/coordinator/service.ts'
import { openSharedLedger } from '../../agents/gateway/ledger-postgres.ts'
import { service as gateway } from '../../agents/gateway/service.ts'
import { copyStore, dumpLedger, requireEmpty, restoreLedger, type StorePlace } from '../../agents/kit/backup.ts'
import { createLog } from '../../agents/kit/log.ts'
import type { QueuePlace } from '../../agents/kit/queue.ts'
import { openStore } from '../../agents/kit/store.ts'
import type { Hex } from '../../agents/protocol/ids.ts'
import type { WindowItemJson } from '../../agents/protocol/lease.ts'
import { at } from '../../scripts/shell.ts'
import { needs } from './support/engines.ts'
import { startPostgres, type PostgresServer } from './support/postgres.ts'

const log = createLog('test', 'silent')
const prover: Hex = `0x${'a1'.repeat(20)}`
const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
const to = { prover, deadline: 9_007_199_254_740_991, termsVersion: 1 }
const genesisHash: Hex = `0x${'9'.repeat(64)}`

const codeOf = (work: Promise<void>): Promise<string> =>
  work.then(
    () => 'taken',
    (error: unknown) => (error as { code: string }).code,
  )

describe('a backup of stores', function () {
  this.timeout(60_000)
  let folder: string
  let server: PostgresServer | undefined
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'trellis-backup-test-'))))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))
  after(() => server?.remove())

  const tablesOf = (places: StorePlace[]) => places.find((place) => place.kind === 'tables')!
  const coordinatorConfig = (): Parameters<NonNullable<typeof coordinator.stores>>[0] =>
    coordinator.config.parse({ projects: ['1'], key: { keyFile: 'k' }, dataFolder: folder })
  const take = (ledger: Ledger, n: number, item = { cursor: n } as WindowItemJson): Promise<number> =>
    ledger.take(
      1n,
      'store',
      [{ id: id(n), project: 1n, device: prover, window: n, root: id(n), readings: 5, item, receivedAt: 1, dead: null }],
      n,
    )
  const task = async (ledger: Ledger, n: number) => (await ledger.get(id(n)))!

  async function ledgerComesBack(from: QueuePlace, back: QueuePlace): Promise<void> {
    const { migrations, after } = tablesOf(coordinator.stores!(coordinatorConfig()))
    const first = await openLedger({ ...from, leaseSeconds: 60 })
    for (let n = 1; n <= 603; n += 1) await take(first, n, { cursor: n, lanes: '0x"\n é 😀' } as unknown as WindowItemJson)
    await first.assigned(await task(first, 1), to)
    await first.assigned(await task(first, 2), to)
    expect((await first.lease(prover, 1)).map((leased) => leased.id)).to.deep.equal([id(1)])
    await first.assigned(await task(first, 3), to)
    await first.proven(await task(first, 3), { words: ['1'], signals: ['2'], prover, termsVersion: 1 }, 1)
    await first.ended(await task(first, 4), { state: 'settled', tx: id(9), block: 7, reason: null })
    const lines: string[] = []
    if (from.databaseUrl === undefined) {
      // Its one opener gives it out, while it works.
      await first.dump((line) => lines.push(line))
      await first.close()
    } else {
      await dumpLedger(from, (line) => lines.push(line))
      await first.close()
    }

    await requireEmpty(back)
    await restoreLedger(back, { migrations, after }, lines)
    if (back.databaseUrl !== undefined) expect(await codeOf(requireEmpty(back))).to.equal('STORE_NOT_EMPTY')
    const again = await openLedger({ ...back, leaseSeconds: 60 })
    try {
      // Whatever was believed of the chain is asked again: until then nobody may lease it.
      expect(await again.lease(prover, 9)).to.deep.equal([])
      for (const n of [1, 2]) expect(await task(again, n)).to.include({ state: 'received', prover: null, job: null })
      expect(await task(again, 3)).to.include({ state: 'proven', prover })
      expect((await task(again, 3)).proof).to.deep.equal({ words: ['1'], signals: ['2'], prover, termsVersion: 1 })
      expect(await task(again, 4)).to.include({ state: 'settled', tx: id(9) })
      expect((await task(again, 5)).item).to.deep.equal({ cursor: 5, lanes: '0x"\n é 😀' })
      await again.assigned(await task(again, 1), to)
      expect((await again.lease(prover, 9)).map((leased) => [leased.id, leased.deadline])).to.deep.equal([[id(1), to.deadline]])
      // New rows come after those that are there.
      await take(again, 5_000)
      expect((await again.list(null, 2_000)).map((row) => row.id).at(-1)).to.equal(id(5_000))
      expect(await again.pulling(1n, 'store')).to.equal(5_000)
    } finally {
      await again.close()
    }
  }

  it('brings a ledger back on PGlite, out of the process that has it open, with every task to be asked for on chain', () =>
    ledgerComesBack({ folder: join(folder, 'a'), schema: 'x', log }, { folder: join(folder, 'b'), schema: 'x', log }))

  it('brings a ledger back on PostgreSQL', async function () {
    needs(this, 'initdb')
    server ??= await startPostgres()
    const place = (schema: string): QueuePlace => ({ folder: '', databaseUrl: server!.url, schema, log })
    await ledgerComesBack(place('backup_a'), place('backup_b'))
  })

  it('takes no half of a ledger, no rows of strangers, and none of a newer schema', async () => {
    const place = { folder: join(folder, 'a'), schema: 'x', log }
    const known = { migrations: [{ up: 'create table t (a int)', down: 'drop table t' }] }
    const code = (lines: string[]): Promise<string> => codeOf(restoreLedger(place, known, lines))
    expect(await code(['{"version":2}'])).to.equal('STORE_TOO_NEW')
    expect(await code(['{"version":1}', 't {"a":1}', 'pg_authid {"a":1}'])).to.equal('BACKUP_DAMAGED')
    // What failed left nothing: the same place takes the right one.
    expect(await code(['{"version":1}', 't {"a":1}'])).to.equal('taken')
  })

  it('gives a gateway’s restored store a new name, so that windows which come after it are read', async function () {
    needs(this, 'initdb')
    server ??= await startPostgres()
    const options = { refusalsKept: 10, documentsKept: 10 }
    const place = (schema: string): QueuePlace & { databaseUrl: string } => ({ folder: '', databaseUrl: server!.url, schema, log })
    const addresses = join(folder, 'addresses.json')
    const contract = { address: prover, block: 0, codeHash: id(1) }
    writeFileSync(addresses, JSON.stringify({ chainId: 1, genesisHash, kind: 'local', contracts: { IoIDRegistry: contract } }))
    const config = (databaseUrl?: string) =>
      gateway.config.parse({ chain: { addressesFile: addresses }, dataFolder: folder, ...(databaseUrl && { databaseUrl }) })
    const { migrations, after } = tablesOf(gateway.stores!(config(server.url)))

    const first = await openSharedLedger({ ...place('gateway_a'), ...options })
    await first.addDocument('0xab', '{"a":"é\\n"}', 7)
    const key = await first.ackKey(() => Buffer.from([0, 255, 10, 13]))
    const lines: string[] = []
    await dumpLedger(place('gateway_a'), (line) => lines.push(line))
    await restoreLedger(place('gateway_b'), { migrations, after }, lines)
    const again = await openSharedLedger({ ...place('gateway_b'), ...options })
    try {
      expect(again.storeId)
        .to.match(/^[0-9a-f]{32}$/)
        .and.not.equal(first.storeId)
      expect(await again.document('0xab')).to.equal('{"a":"é\\n"}')
      expect(Buffer.from(await again.ackKey(() => Buffer.alloc(1)))).to.deep.equal(Buffer.from(key))
    } finally {
      await Promise.all([first.close(), again.close()])
    }
    // The same over SQLite.
    const [sqlite] = gateway.stores!(config())
    expect(sqlite).to.include({ kind: 'sqlite', after: 'update identity set store_id = lower(hex(randomblob(16)))' })
  })

  it('copies a SQLite store of one moment while another thread writes to it', async () => {
    const file = join(folder, 'x.sqlite')
    const migrations = [{ up: 'create table pair (a int, b text) strict', down: 'drop table pair' }]
    openStore({ file, migrations }).close()
    const code = `
      const { DatabaseSync } = require('node:sqlite'); const { workerData, parentPort } = require('node:worker_threads')
      const db = new DatabaseSync(workerData, { timeout: 5000 }); let n = 0
      const turn = () => { db.exec('begin immediate')
        for (let i = 0; i < 50; i++) db.prepare('insert into pair values (?, ?)').run(++n, 'x'.repeat(2000))
        db.exec('commit'); if (n === 1000) parentPort.postMessage('go'); setImmediate(turn) }
      turn()`
    const writer = new Worker(code, { eval: true, workerData: file })
    try {
      await new Promise((resolve) => writer.once('message', resolve))
      for (let i = 0; i < 3; i += 1) {
        const copy = join(folder, `copy-${i}`)
        expect(await copyStore(file, copy)).to.equal(1)
        const store = openStore({ file: copy, migrations })
        const { n, most } = store.db.prepare('select count(*) n, max(a) most from pair').get() as { n: number; most: number }
        store.close()
        // Whole transactions, none missing in between.
        expect(n % 50).to.equal(0)
        expect(n).to.equal(most).and.at.least(1_000)
      }
    } finally {
      await writer.terminate()
    }
  })

  describe('of services by their configurations', () => {
    const trellis = (...args: string[]) =>
      spawnSync(process.execPath, [at('agents', 'cli', 'main.ts'), ...args], {
        encoding: 'utf8',
        cwd: folder,
        env: { ...process.env, INIT_CWD: folder },
      })
    let store: string
    const setUp = (where: string, contract = prover): string[] => {
      mkdirSync(join(folder, where), { recursive: true })
      const addresses = join(folder, where, 'addresses.json')
      const contracts = Object.fromEntries(
        ['IoIDRegistry', 'Router'].map((name) => [name, { address: contract, block: 0, codeHash: id(1) }]),
      )
      writeFileSync(addresses, JSON.stringify({ chainId: 1, genesisHash, kind: 'local', contracts }))
      const chain = { addressesFile: addresses }
      const write = (name: string, content: object): string => {
        const file = join(folder, where, `${name}.json`)
        writeFileSync(file, JSON.stringify(content))
        return file
      }
      const dataFolder = join(folder, where, 'data')
      const keyFile = join(folder, where, 'key.json')
      return [
        `gateway=${write('gateway', { chain, dataFolder, http: { port: 1 } })}`,
        `prover=${write('prover', { chain, dataFolder, key: { keyFile }, http: { port: 1 } })}`,
      ]
    }
    beforeEach(() => {
      store = join(folder, 'a', 'data', 'x-y', 'gateway.sqlite')
      openStore({ file: store, migrations: [{ up: 'create table identity (store_id text)', down: 'drop table identity' }] }).close()
      const work = join(folder, 'a', 'data', 'x-y', prover, 'work.sqlite')
      openStore({ file: work, migrations: [{ up: 'create table work (a int)', down: 'drop table work' }] }).close()
      mkdirSync(join(folder, 'a'), { recursive: true })
      writeFileSync(join(folder, 'a', 'key.json'), '{"version":3}', { mode: 0o600 })
    })

    it('restores stores and keys where nothing is, and nowhere else', () => {
      const made = trellis('backup', '--out', 'b.backup', '--service', ...setUp('a'))
      expect(made.status, made.stderr).to.equal(0)
      const file = join(folder, 'b.backup')
      expect(statSync(file).mode & 0o777).to.equal(0o600)
      const over = trellis('restore', 'b.backup', '--service', ...setUp('a'))
      expect(over.stderr).to.contain('STORE_NOT_EMPTY')
      const other = trellis('restore', 'b.backup', '--service', ...setUp('b', `0x${'b2'.repeat(20)}`))
      expect(other.stderr).to.contain('BACKUP_OF_ANOTHER')
      expect(existsSync(join(folder, 'b', 'data'))).to.equal(false)
      const run = trellis('--state', join(folder, 's'), 'restore', 'b.backup')
      expect(run.stderr).to.contain('FLAG_MALFORMED').and.to.contain('--service gateway=gateway.json')
      const back = trellis('restore', 'b.backup', '--service', ...setUp('c'))
      expect(back.status, back.stderr).to.equal(0)
      expect(readFileSync(join(folder, 'c', 'key.json'), 'utf8')).to.equal('{"version":3}')
      expect(existsSync(join(folder, 'c', 'data', 'x-y', prover, 'work.sqlite'))).to.equal(true)
      expect(existsSync(join(folder, 'c', 'data', 'x-y', 'gateway.sqlite'))).to.equal(true)
    })

    it('refuses to be a backup of nothing', () => {
      const config = setUp('a')
      rmSync(join(folder, 'a', 'data'), { recursive: true, force: true })
      const said = trellis('backup', '--out', 'none.backup', '--service', ...config)
      expect(said.stderr).to.contain('NOTHING_TO_BACK_UP')
      expect(existsSync(join(folder, 'none.backup'))).to.equal(false)
    })

    it('refuses a file that is cut short or changed, and a store of a newer program', () => {
      trellis('backup', '--out', 'b.backup', '--service', ...setUp('a'))
      const file = join(folder, 'b.backup')
      writeFileSync(join(folder, 'cut.backup'), readFileSync(file).subarray(0, statSync(file).size - 20))
      expect(trellis('restore', 'cut.backup', '--service', ...setUp('c')).stderr).to.contain('BACKUP_DAMAGED')
      // One byte of a store, in an archive that is a good archive.
      mkdirSync(join(folder, 'open'))
      spawnSync('tar', ['-xzf', file, '-C', join(folder, 'open')])
      const inside = join(folder, 'open', 'data', 'gateway', '0', 'x-y', 'gateway.sqlite')
      const bytes = readFileSync(inside)
      bytes[bytes.length - 1]! ^= 1
      writeFileSync(inside, bytes)
      spawnSync('tar', ['-czf', join(folder, 'changed.backup'), '-C', join(folder, 'open'), 'manifest.json', 'data'])
      expect(trellis('restore', 'changed.backup', '--service', ...setUp('c')).stderr)
        .to.contain('BACKUP_DAMAGED')
        .and.to.contain('gateway.sqlite')
      expect(existsSync(join(folder, 'c', 'data'))).to.equal(false)

      const up = Array.from({ length: 99 }, (_, n) => ({ up: `create table t${n} (a int)`, down: `drop table t${n}` }))
      copyFileSync(store, `${store}.old`)
      rmSync(store)
      openStore({ file: store, migrations: up }).close()
      trellis('backup', '--out', 'new.backup', '--service', ...setUp('a'))
      expect(trellis('restore', 'new.backup', '--service', ...setUp('c')).stderr).to.contain('STORE_TOO_NEW')
      expect(existsSync(join(folder, 'c', 'data'))).to.equal(false)
    })
  })
})
