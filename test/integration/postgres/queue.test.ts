// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai'
import { createLog } from '../../../agents/kit/log.ts'
import { backOutQueue, openQueue } from '../../../agents/kit/queue.ts'
import { behavesAsQueue } from '../../behaviors/queue.ts'
import { needs } from '../support/engines.ts'
import { startPostgres, type PostgresServer } from '../support/postgres.ts'

describe('a queue on PostgreSQL', function () {
  this.timeout(60_000)
  const log = createLog('x', 'silent')
  let server: PostgresServer
  before(async function () {
    needs(this, 'initdb')
    server = await startPostgres()
  })
  after(() => server?.remove())
  const place = (schema: string, databaseUrl = server.url) => ({ folder: '/nowhere', databaseUrl, schema, log })

  describe('alone', () => {
    behavesAsQueue({
      open: (migrations) => openQueue({ ...place('alone'), migrations }),
      backOut: (to) => backOutQueue(place('alone'), to),
    })
  })

  const migrations = [{ up: 'create table t (a int)', down: 'drop table t' }]

  it('is opened by many at once, and hands each job to one of them', async () => {
    const queues = await Promise.all([1, 2, 3, 4].map(() => openQueue({ ...place('many'), migrations })))
    try {
      await queues[0]!.jobs.createQueue('q')
      for (let n = 0; n < 40; n++) await queues[n % 4]!.jobs.send('q', { n })
      const taken = await Promise.all(
        queues.map(async ({ jobs }) => {
          const mine: number[] = []
          for (;;) {
            const page = await jobs.fetch<{ n: number }>('q', { batchSize: 3 })
            if (page.length === 0) return mine
            mine.push(...page.map(({ data }) => data.n))
          }
        }),
      )
      expect(taken.flat().sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 40 }, (_, n) => n))
    } finally {
      await Promise.all(queues.map((queue) => queue.close()))
    }
  })

  it('does not go back while a service works on it', async () => {
    const queue = await openQueue({ ...place('used'), migrations })
    const back = () =>
      backOutQueue(place('used'), 0).then(
        (done) => done as unknown,
        (reason: unknown) => reason,
      )
    expect(await back()).to.have.property('code', 'STORE_IN_USE')
    expect(await queue.query('select * from t')).to.deep.equal([])
    await queue.close()
    expect(await back()).to.include({ from: 1, to: 0 })
  })

  it('keeps deployments apart', async () => {
    const [a, b] = await Promise.all([openQueue({ ...place('one'), migrations }), openQueue({ ...place('two'), migrations })])
    try {
      await a.query('insert into t values (1)')
      expect(await b.query('select * from t')).to.deep.equal([])
    } finally {
      await Promise.all([a.close(), b.close()])
    }
  })

  it('says that the database is away, without its password, and goes on when it is back', async () => {
    const queue = await openQueue({ ...place('away'), migrations })
    try {
      await queue.query('insert into t values (1)')
      await server.stop('SIGINT')
      for (const work of [
        queue.query('select 1'),
        queue.transaction(() => queue.query('select 1')),
        openQueue({ ...place('other'), migrations }),
      ]) {
        const error = await work.then(
          () => null,
          (reason: unknown) => reason as Error,
        )
        expect(error).to.include({ code: 'DATABASE_FAILED', retryable: true })
        expect(JSON.stringify([error, error!.stack, String(error!.cause)])).to.not.include(server.password)
      }
      await server.start()
      expect(await queue.query('select * from t')).to.deep.equal([{ a: 1 }])
    } finally {
      await queue.close()
    }
  })

  it('refuses a wrong password without showing it', async () => {
    const wrong = server.url.replace(server.password, 'guessed-wrong')
    const error = await openQueue({ ...place('wrong', wrong), migrations }).then(
      () => null,
      (reason: unknown) => reason as Error,
    )
    expect(error).to.include({ code: 'DATABASE_REFUSED', retryable: false })
    expect(JSON.stringify([error, String(error)])).to.not.include('guessed-wrong')
  })
})
