// SPDX-License-Identifier: Apache-2.0
/** What a queue does on every engine. */
import { expect } from 'chai'
import type { Migration } from '../../agents/kit/migrations.ts'
import type { Queue } from '../../agents/kit/queue.ts'

export interface QueueEngine {
  open(migrations: readonly Migration[]): Promise<Queue>
  backOut(to: number): Promise<{ from: number; to: number }>
}

const first: Migration = { up: 'create table t (a bigint)', down: 'drop table t' }
const second: Migration = { up: 'alter table t add column b text', down: 'alter table t drop column b' }

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => null,
    (error: unknown) => (error as { code?: unknown }).code,
  )

export function behavesAsQueue(engine: QueueEngine): void {
  let queue: Queue
  before(async () => {
    queue = await engine.open([first])
    await queue.jobs.createQueue('q', { retryLimit: 1 })
  })
  after(() => queue.close())
  const rows = async (): Promise<number> => (await queue.query<{ n: number }>('select count(*)::int as n from t'))[0]!.n

  it('puts rows and jobs into one transaction, nested ones too', async () => {
    await queue.transaction(async () => {
      await queue.query('insert into t values (1)')
      await queue.transaction(async () => {
        await queue.jobs.send('q', { n: 1 })
      })
    })
    expect(await rows()).to.equal(1)
    expect(await queue.jobs.fetch('q', { batchSize: 10 })).to.have.length(1)
  })

  it('takes both back when the work throws', async () => {
    const failing = queue.transaction(async () => {
      await queue.query('insert into t values (2)')
      await queue.jobs.send('q', { n: 2 })
      throw new Error('no')
    })
    expect(await failing.catch((error: unknown) => (error as Error).message)).to.equal('no')
    expect(await rows()).to.equal(1)
    expect(await queue.jobs.fetch('q', { batchSize: 10 })).to.have.length(0)
  })

  it('keeps transactions of different callers apart', async () => {
    const work = Array.from({ length: 20 }, (_, i) =>
      queue
        .transaction(async () => {
          await queue.query('insert into t values ($1)', [100 + i])
          if (i % 2 === 1) throw new Error('no')
        })
        .catch(() => undefined),
    )
    await Promise.all(work)
    const found = await queue.query<{ a: number }>('select a from t where a >= 100 order by a')
    expect(found.map(({ a }) => a)).to.deep.equal([100, 102, 104, 106, 108, 110, 112, 114, 116, 118])
    await queue.query('delete from t where a >= 100')
  })

  it('gives a bigint as a number where one holds it', async () => {
    const [row] = await queue.query<Record<string, unknown>>('select 7::bigint as small, 9007199254740993::bigint as large')
    expect(row).to.deep.equal({ small: 7, large: 9007199254740993n })
  })

  it('keeps what was written over a close, over a newer version of the schema, and back', async () => {
    await queue.close()
    queue = await engine.open([first, second])
    await queue.query(`update t set b = 'x'`)
    await queue.close()
    expect(await codeOf(engine.open([first]))).to.equal('STORE_TOO_NEW')
    expect(await engine.backOut(1)).to.include({ from: 2, to: 1 })
    queue = await engine.open([first])
    expect(await rows()).to.equal(1)
    expect(await codeOf(queue.query('select b from t'))).to.equal('42703')
  })

  it('finds where jobs are', async () => {
    await queue.jobs.send('q', { n: 3 })
    const [found] = await queue.query<{ n: number }>(
      `select count(*)::int as n from ${queue.jobsTable} where name = 'q' and state = 'created'`,
    )
    expect(found?.n).to.equal(1)
  })
}
