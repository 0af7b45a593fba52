// SPDX-License-Identifier: Apache-2.0
import { spawnSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { isTrellisError } from '../../../agents/kit/errors.ts'
import { lockFolder } from '../../../agents/kit/lock.ts'
import { createBatcher, ledgerFolder, openStore } from '../../../agents/kit/store.ts'

const fresh = (): string => mkdtempSync(join(tmpdir(), 'trellis-store-'))
const migrations = [{ up: 'create table a (x int primary key) strict', down: 'drop table a' }]
const count = (store: ReturnType<typeof openStore>): number => Number(store.db.prepare('select count(*) as n from a').get()?.['n'])

describe('store', () => {
  it('applies each migration once and refuses a store of a newer version', () => {
    const file = join(fresh(), 'deep/s.sqlite')
    openStore({ file, migrations }).close()
    const store = openStore({
      file,
      migrations: [...migrations, { up: 'alter table a add column y int', down: 'alter table a drop column y' }],
    })
    store.db.prepare('insert into a values (1, 2)').run()
    store.close()
    expect(() => openStore({ file, migrations }))
      .to.throw()
      .with.property('code', 'STORE_TOO_NEW')
  })

  it('syncs at every commit', () => {
    const { db } = openStore({ file: join(fresh(), 's.sqlite'), migrations })
    expect(db.prepare('pragma synchronous').get()).to.deep.include({ synchronous: 2 })
    expect(db.prepare('pragma journal_mode').get()).to.deep.include({ journal_mode: 'wal' })
  })

  it('undoes a transaction that throws', () => {
    const store = openStore({ file: join(fresh(), 's.sqlite'), migrations })
    expect(() =>
      store.transaction((db) => {
        db.exec('insert into a values (1)')
        throw new Error('no')
      }),
    ).to.throw('no')
    expect(count(store)).to.equal(0)
  })

  it('keeps ledgers of chains and deployments apart', () => {
    const [g1, g2] = [`0x${'aa'.repeat(32)}`, `0x${'bb'.repeat(32)}`]
    const [d1, d2] = [`0x${'01'.repeat(20)}`, `0x${'02'.repeat(20)}`]
    const folders = [ledgerFolder('d', g1, d1), ledgerFolder('d', g2, d1), ledgerFolder('d', g1, d2)]
    expect(new Set(folders).size).to.equal(3)
  })
})

describe('batcher', () => {
  it('commits many writes together and undoes a failing one alone', async () => {
    const store = openStore({ file: join(fresh(), 's.sqlite'), migrations })
    const batcher = createBatcher(store)
    const results = await Promise.allSettled(
      [1, 2, 2, 3].map((x) => batcher.submit((db) => db.prepare('insert into a values (?)').run(x).changes)),
    )
    expect(results.map((result) => result.status)).to.deep.equal(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(count(store)).to.equal(3)
  })

  it('undoes all of a write that fails half way', async () => {
    const store = openStore({ file: join(fresh(), 's.sqlite'), migrations })
    const failing = createBatcher(store).submit((db) => {
      db.exec('insert into a values (1)')
      throw new Error('half way')
    })
    expect(await failing.catch((error: unknown) => (error as Error).message)).to.equal('half way')
    expect(count(store)).to.equal(0)
  })

  it('answers only what is committed', async () => {
    const file = join(fresh(), 's.sqlite')
    const store = openStore({ file, migrations })
    const other = openStore({ file, migrations })
    await createBatcher(store).submit((db) => db.exec('insert into a values (9)'))
    expect(count(other)).to.equal(1)
  })

  it('refuses more than it may hold', async () => {
    const batcher = createBatcher(openStore({ file: join(fresh(), 's.sqlite'), migrations }), { maxWaiting: 2 })
    const results = await Promise.allSettled([1, 2, 3].map((x) => batcher.submit((db) => db.exec(`insert into a values (${x})`))))
    expect(results[2]).to.have.property('status', 'rejected')
    expect(isTrellisError((results[2] as PromiseRejectedResult).reason, 'OVERLOADED')).to.equal(true)
    expect(results.slice(0, 2).map((result) => result.status)).to.deep.equal(['fulfilled', 'fulfilled'])
  })

  it('works off more than one batch in order', async () => {
    const store = openStore({ file: join(fresh(), 's.sqlite'), migrations })
    const batcher = createBatcher(store, { maxBatch: 3 })
    const order: number[] = []
    await Promise.all(Array.from({ length: 10 }, (_, x) => batcher.submit(() => order.push(x))))
    expect(order).to.deep.equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
})

describe('lockFolder', () => {
  it('lets one process in and names it to the second', () => {
    const folder = fresh()
    const lock = lockFolder(folder)
    expect(() => lockFolder(folder))
      .to.throw()
      .with.property('code', 'FOLDER_IN_USE')
    lock.release()
    lockFolder(folder).release()
  })

  it('is free again when its process was killed', () => {
    const folder = fresh()
    const module = join(import.meta.dirname, '../../../agents/kit/lock.ts')
    const script = `import { lockFolder } from ${JSON.stringify(module)}; lockFolder(${JSON.stringify(folder)}); process.kill(process.pid, 'SIGKILL')`
    expect(spawnSync(process.execPath, ['--input-type=module', '-e', script]).signal).to.equal('SIGKILL')
    lockFolder(folder).release()
  })
})
