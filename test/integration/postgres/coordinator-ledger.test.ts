// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai'
import { openLedger, type Ledger } from '../../../agents/coordinator/ledger.ts'
import { createLog } from '../../../agents/kit/log.ts'
import type { Hex } from '../../../agents/protocol/ids.ts'
import type { WindowItemJson } from '../../../agents/protocol/lease.ts'
import { behavesAsLedger } from '../../behaviors/coordinator-ledger.ts'
import { needs } from '../support/engines.ts'
import { startPostgres, type PostgresServer } from '../support/postgres.ts'

describe('coordinator ledger on PostgreSQL', function () {
  this.timeout(60_000)
  const log = createLog('test', 'silent')
  let server: PostgresServer
  before(async function () {
    needs(this, 'initdb')
    server = await startPostgres()
  })
  after(() => server?.remove())
  const open = (schema: string, leaseSeconds = 60): Promise<Ledger> =>
    openLedger({ folder: '/nowhere', databaseUrl: server.url, schema, leaseSeconds, log })

  describe('alone', () => behavesAsLedger((leaseSeconds) => open('alone', leaseSeconds)))

  describe('shared by two coordinators', () => {
    let a: Ledger
    let b: Ledger
    const device: Hex = `0x${'d1'.repeat(20)}`
    const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`
    before(async () => {
      ;[a, b] = await Promise.all([open('shared'), open('shared')])
      const fresh = Array.from({ length: 10 }, (_, n) => ({
        id: id(n + 1),
        project: 1n,
        device,
        window: n,
        root: id(n + 1),
        readings: 1,
        item: { cursor: n } as WindowItemJson,
        receivedAt: 1,
        dead: null,
      }))
      await a.take(1n, 'store', fresh, 10)
      expect(await b.take(1n, 'store', fresh, 10)).to.equal(0)
    })
    after(() => Promise.all([a?.close(), b?.close()]))

    it('gives each row to one of them, and tells the other that it is held', async () => {
      const [mine, yours] = await Promise.all([a.due(0, 6), b.due(0, 6)])
      const ids = [...mine, ...yours].map((task) => task.id)
      expect(new Set(ids).size).to.equal(10).and.equal(ids.length)
      expect((await b.get(mine[0]!.id))!.held).to.equal(true)
      expect((await a.get(mine[0]!.id))!.held).to.equal(false)
      expect(await b.due(0, 10)).to.have.length(yours.length)
      await a.unclaim(mine)
      expect(await b.due(0, 10)).to.have.length(10)
      expect(await a.due(0, 10)).to.have.length(0)
      await b.unclaim(await b.due(0, 10))
    })

    it('frees what a coordinator claimed that is not heard of any more', async () => {
      const [task] = await a.due(0, 1)
      await server.query(`update shared.tasks set claimed_until = now() - interval '1 second'`)
      expect((await b.get(task!.id))!.held).to.equal(false)
      expect((await b.due(0, 10)).map(({ id: found }) => found)).to.include(task!.id)
      // The first one's claim is gone, so renewing it takes nothing back.
      await a.renew([task!.id])
      expect((await a.get(task!.id))!.held).to.equal(true)
      await b.unclaim(await b.due(0, 10))
    })

    it('lets one of them read a store at a time', async () => {
      expect(await a.pulling(1n, 'store')).to.equal(10)
      expect(await b.pulling(1n, 'store')).to.equal(null)
      await server.query(`update shared.pulled set claimed_until = now() - interval '1 second'`)
      expect(await b.pulling(1n, 'store')).to.equal(10)
    })
  })
})
