// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createLog } from '../../../agents/kit/log.ts'
import { openQueue, type Queue } from '../../../agents/kit/queue.ts'

describe('openQueue', function () {
  this.timeout(60_000)
  const folder = mkdtempSync(join(tmpdir(), 'trellis-queue-'))
  const open = (migrations = [{ up: 'create table t (a int)', down: 'drop table t' }]): Promise<Queue> =>
    openQueue({ folder, migrations, log: createLog('x', 'silent') })
  let queue: Queue
  before(async () => {
    queue = await open()
    await queue.jobs.createQueue('q', { retryLimit: 1 })
  })
  after(() => queue.close())
  const rows = async (): Promise<number> => (await queue.query<{ n: number }>('select count(*)::int as n from t'))[0]!.n

  it('lets nobody else open the folder', async () => {
    const error = await open().then(
      () => null,
      (reason: unknown) => reason,
    )
    expect(error).to.have.property('code', 'FOLDER_IN_USE')
  })

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

  it('keeps what was written over a close, and refuses a store of a newer version', async () => {
    await queue.close()
    const error = await open([]).then(
      () => null,
      (reason: unknown) => reason,
    )
    expect(error).to.have.property('code', 'STORE_TOO_NEW')
    queue = await open()
    expect(await rows()).to.equal(1)
  })
})
