// SPDX-License-Identifier: Apache-2.0
/** Coordinators and provers that are killed, and several coordinators on one project: every window settles once. */
import { expect } from 'chai'
import { kill } from './support/chain.ts'
import { coordinatorA, coordinatorB, coordinators } from './support/coordinators.ts'
import { needs } from './support/engines.ts'
import { startPostgres } from './support/postgres.ts'

describe('coordinators', function () {
  this.timeout(300_000)
  const run = coordinators()
  const { coordinator, prover, until, ready, allSettled, windows, expectEachOnce, accounting } = run

  it('loses nothing and settles nothing twice when coordinator and prover are killed again and again', async () => {
    await run.market.addProver(3)
    await run.market.addProver(4)
    let c = await coordinator(coordinatorA)
    const port = Number(new URL(c.url).port)
    let p = await prover(3, c.url, 'slow:200')
    const q = await prover(4, c.url, 'slow:300')
    const items = windows(24)
    run.store.add(...items.slice(0, 8))
    await ready(c)
    for (let round = 0; round < 4; round++) {
      await new Promise((resolve) => setTimeout(resolve, 700 + 450 * round))
      run.store.add(...items.slice(8 + round * 4, 12 + round * 4))
      await kill(c.child)
      await kill(p.child)
      c = await coordinator(coordinatorA, { http: { port } })
      p = await prover(3, c.url, 'slow:200')
      await ready(c)
    }
    await until('settled', () => allSettled(items), [c, p, q], 90_000)
    await expectEachOnce(items)
  })

  it('lets two coordinators meet the same windows without assigning or settling any twice', async () => {
    await run.market.addProver(3)
    await run.market.addProver(4)
    const [a, b] = [await coordinator(coordinatorA), await coordinator(coordinatorB)]
    await Promise.all([ready(a), ready(b)])
    const provers = [await prover(3, a.url), await prover(4, b.url)]
    const items = windows(10)
    run.store.add(...items)
    await until('settled', () => allSettled(items), [a, b, ...provers])
    await expectEachOnce(items)
    const assigned = (await run.market.assignments()).map((assignment) => assignment.taskId)
    expect(assigned).to.have.length(new Set(assigned).size)
    for (const each of [a, b]) await until('both know', async () => (await accounting(each)).states['settled']?.tasks === 10, [each])
  })

  it('lets two coordinators share one ledger on PostgreSQL, through the death of one and of the database', async function () {
    needs(this, 'initdb')
    const database = await startPostgres()
    try {
      await run.market.addProver(3)
      await run.market.addProver(4)
      const shared = { databaseUrl: database.url }
      const [a, b] = await Promise.all([coordinator(coordinatorA, shared), coordinator(coordinatorB, shared)])
      await Promise.all([ready(a), ready(b)])
      const provers = [await prover(3, [a.url, b.url], 'slow:200'), await prover(4, [a.url, b.url], 'slow:300')]
      const running = [a, b, ...provers]
      const items = windows(20)
      const counts = async () => (await accounting(b)).states
      run.store.add(...items.slice(0, 8))
      await until('some settled', async () => ((await counts())['settled']?.tasks ?? 0) > 1, running)
      run.store.add(...items.slice(8, 14))
      await kill(a.child)
      await until('settled by the other', () => allSettled(items.slice(0, 14)), running)
      await database.stop('SIGKILL')
      run.store.add(...items.slice(14))
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      await database.start()
      await until('settled after the database came back', () => allSettled(items), running)
      await expectEachOnce(items)
      await until('the ledger knows', async () => (await counts())['settled']?.tasks === items.length, running)
      const assigned = (await run.market.assignments()).map((assignment) => assignment.taskId)
      expect(assigned, 'assignments').to.have.length(new Set(assigned).size)
      // Work done twice: what the chain left out of an assignment, or refused to settle again.
      for (const each of [a, b]) expect(each.output()).to.not.match(/ALREADY_ASSIGNED|WINDOW_SETTLED|Router_NotAssigned/)
      for (const each of running) expect(each.output()).to.not.include(database.password)
    } finally {
      await database.remove()
    }
  })
})
