// SPDX-License-Identifier: Apache-2.0
/** The ledger's rules, and how the chain overrules it, on every engine. The chain is a double. */
import { expect } from 'chai'
import type { ChainView } from '../../agents/coordinator/chain-view.ts'
import { coordinatorConfig } from '../../agents/coordinator/config.ts'
import type { Ledger } from '../../agents/coordinator/ledger.ts'
import { coordinatorMetrics } from '../../agents/coordinator/metrics.ts'
import type { Modules } from '../../agents/coordinator/modules.ts'
import { syncTask } from '../../agents/coordinator/sync.ts'
import { createLog } from '../../agents/kit/log.ts'
import { createMetrics } from '../../agents/kit/metrics.ts'
import type { Hex } from '../../agents/protocol/ids.ts'
import type { WindowItemJson } from '../../agents/protocol/lease.ts'
import type { TaskRecord } from '../../agents/protocol/task-record.ts'

const log = createLog('test', 'silent')
const store = 'store'
const p1: Hex = `0x${'a1'.repeat(20)}`
const p2: Hex = `0x${'a2'.repeat(20)}`
const limits = { limit: 4, perProver: 2, now: 1 }

export function behavesAsLedger(open: (leaseSeconds: number) => Promise<Ledger>): void {
  let ledger: Ledger
  let modules: Modules
  let woken: string[] = []
  let made = 0
  before(async () => {
    ledger = await open(1)
    modules = {
      config: coordinatorConfig.parse({ projects: ['1'], key: { keyFile: 'x' } }),
      chainId: 31337,
      ledger,
      view: { blockNumber: async () => 9 } as ChainView,
      sender: null as never,
      roster: null as never,
      log,
      metrics: coordinatorMetrics(createMetrics('coordinator', { defaults: false })),
      busy: new Set(),
      seen: new Map(),
      stores: new Map(),
      wake: { assign: () => woken.push('assign'), settle: () => woken.push('settle'), lease: () => woken.push('lease') },
      now: () => 1_000,
    }
  })
  beforeEach(() => (woken = []))
  after(() => ledger.close())

  const id = (): Hex => `0x${(++made).toString(16).padStart(64, '0')}`
  const take = async (dead: string | null = null, same?: Hex): Promise<Hex> => {
    const task = same ?? id()
    const item = { cursor: 1 } as WindowItemJson
    await ledger.take(
      1n,
      store,
      [{ id: task, project: 1n, device: p1, window: made, root: task, readings: 5, item, receivedAt: 1, dead }],
      made,
    )
    return task
  }
  const row = async (task: Hex) => (await ledger.get(task))!
  const assigned = async (prover = p1): Promise<Hex> => {
    const task = await take()
    await ledger.assigned(await row(task), { prover, deadline: 100, termsVersion: 1 })
    return task
  }
  const record = (state: TaskRecord['state'], prover = p1, deadline = 100): TaskRecord => {
    return { state, prover, deadline, tokenId: 1n, termsVersion: 1 }
  }
  const sync = async (task: Hex, found: TaskRecord, windowSettled = false) => syncTask(modules, await row(task), found, windowSettled)
  const proof = { words: ['1'], signals: ['1'], prover: p1, termsVersion: 1 }

  it('lists every task, a page at a time in order of arrival', async () => {
    for (const dead of [null, 'BAD_WINDOW', null, null, 'BAD_WINDOW']) await take(dead)
    for (const state of [null, 'dead'] as const) {
      const all = (await ledger.list(state, 500)).map((task) => task.id)
      const pages: Hex[] = []
      for (let page = await ledger.list(state, 2); page.length > 0; page = await ledger.list(state, 2, page.at(-1)!.id))
        pages.push(...page.map((task) => task.id))
      expect(pages).to.deep.equal(all)
      expect(new Set(pages).size)
        .to.be.at.least(state === null ? 5 : 2)
        .and.equal(pages.length)
    }
  })

  it('takes a window once and moves its cursor forward only', async () => {
    const task = await take()
    expect(await ledger.take(1n, store, [{ ...(await row(task)), dead: null }], 0)).to.equal(0)
    expect(await ledger.pulling(1n, store)).to.equal(made)
    expect(await ledger.pulling(1n, 'another store')).to.equal(0)
  })

  it('lets a good window take the place of a bad one of the same root, and nothing else', async () => {
    const bad = await take('BAD_WINDOW')
    expect((await row(bad)).state).to.equal('dead')
    await take(null, bad)
    expect((await row(bad)).state).to.equal('received')
    await take('BAD_WINDOW', bad)
    expect((await row(bad)).state).to.equal('received')
  })

  it('leases a task to its prover only, and once', async () => {
    const task = await assigned(p2)
    expect(await ledger.lease(`0x${'a3'.repeat(20)}`, 5)).to.have.length(0)
    const both = await Promise.all([ledger.lease(p2, 5), ledger.lease(p2, 5)])
    expect(both.flat().map((leased) => leased.id)).to.deep.equal([task])
  })

  it('offers a lease again when it ran out, and at once when its prover does not hold it', async () => {
    const prover: Hex = `0x${'b1'.repeat(20)}`
    const task = await assigned(prover)
    await ledger.lease(prover, 5)
    await ledger.lost(prover, [task])
    expect(await ledger.lease(prover, 5)).to.have.length(0)
    // Another coordinator may have given it this instant.
    await ledger.lost(prover, [], 5)
    expect(await ledger.lease(prover, 5)).to.have.length(0)
    await ledger.lost(prover, [])
    expect(await ledger.lease(prover, 5)).to.have.length(1)
    await new Promise((resolve) => setTimeout(resolve, 1_300))
    expect(await ledger.expire()).to.be.greaterThan(0)
    expect((await row(task)).state).to.equal('assigned')
  })

  it('does not lease by a job that its row has forgotten', async () => {
    const prover: Hex = `0x${'b3'.repeat(20)}`
    const task = await assigned(prover)
    await ledger.update(await row(task), { job: null })
    expect(await ledger.lease(prover, 5)).to.have.length(0)
  })

  it('ignores a change to a row that changed meanwhile', async () => {
    const old = await row(await assigned())
    expect(await ledger.proven(old, proof, 1)).to.equal(true)
    expect(await ledger.proven(old, proof, 1)).to.equal(false)
    expect(await ledger.failed(old, 'BAD_PROOF', limits)).to.equal(false)
  })

  it('lets a prover fail twice, then waits for the deadline, and gives up at the limit', async () => {
    const prover: Hex = `0x${'b2'.repeat(20)}`
    const task = await assigned(prover)
    await ledger.failed(await row(task), 'BAD_PROOF', limits)
    expect(await row(task)).to.deep.include({ state: 'assigned', attempts: 1 })
    expect((await row(task)).job).to.not.equal(null)
    await ledger.failed(await row(task), 'BAD_PROOF', limits)
    expect(await row(task)).to.deep.include({ state: 'assigned', attempts: 2, job: null })
    expect((await ledger.overdue(101, 100)).map((one) => one.id)).to.include(task)
    expect((await ledger.faulty([task])).get(task)).to.deep.equal(new Set([prover]))
    await ledger.failed(await row(task), 'BAD_PROOF', limits)
    await ledger.failed(await row(task), 'BAD_PROOF', limits)
    expect(await row(task)).to.deep.include({ state: 'dead', reason: 'TOO_MANY_ATTEMPTS' })
  })

  describe('what the chain says', () => {
    it('settles a row in any state, once', async () => {
      for (const task of [await take(), await assigned()]) {
        expect(await sync(task, record('settled'), true)).to.equal('settled')
        expect(await row(task)).to.deep.include({ state: 'settled', block: 9 })
        expect(await sync(task, record('settled'), true)).to.equal('unchanged')
      }
    })

    it('adopts an assignment that is not in the ledger, and one that moved to another prover', async () => {
      const task = await take()
      expect(await sync(task, record('assigned'))).to.equal('assigned')
      expect(await row(task)).to.deep.include({ state: 'assigned', prover: p1, deadline: 100, termsVersion: 1 })
      expect(await sync(task, record('assigned'))).to.equal('unchanged')
      expect(await sync(task, record('assigned', p2, 200))).to.equal('assigned')
      expect(await row(task)).to.deep.include({ prover: p2, deadline: 200 })
      expect(woken).to.include('lease')
      expect(await sync(task, record('assigned', p2, 300))).to.equal('assigned')
      expect(await row(task)).to.deep.include({ prover: p2, deadline: 300 })
    })

    it('frees a task that was recalled, or whose assignment a reorganisation took back', async () => {
      const [recalled, gone] = [await assigned(), await assigned()]
      expect(await sync(recalled, record('recalled'))).to.equal('free')
      expect(await sync(gone, record('none'))).to.equal('free')
      expect(await row(recalled)).to.deep.include({ state: 'received', prover: null, job: null, reason: 'EXPIRED' })
      expect(await row(gone)).to.deep.include({ state: 'received', reason: 'REORGANISED' })
    })

    it('takes back a settlement that a reorganisation dropped', async () => {
      const task = await assigned()
      await sync(task, record('settled'), true)
      expect(await sync(task, record('assigned'))).to.equal('assigned')
      expect((await row(task)).state).to.equal('assigned')
    })

    it('sends a settlement again that died with its process, but none that is in flight', async () => {
      const task = await assigned()
      await ledger.proven(await row(task), proof, 1)
      await ledger.update(await row(task), { state: 'submitted' })
      modules.busy.add(task)
      expect(await sync(task, record('assigned'))).to.equal('unchanged')
      modules.busy.delete(task)
      await sync(task, record('assigned'))
      expect((await row(task)).state).to.equal('proven')
      expect(woken).to.include('settle')
    })

    it('keeps a proof for the same prover and terms when its task is assigned to it again', async () => {
      const task = await assigned()
      await ledger.proven(await row(task), proof, 1)
      await sync(task, record('recalled'))
      await sync(task, record('assigned', p1, 300))
      expect((await row(task)).state).to.equal('proven')
      await sync(task, record('assigned', p2, 400))
      expect(await row(task)).to.deep.include({ state: 'assigned', proof: null })
    })

    it('buries a task whose window another root settled', async () => {
      const task = await take()
      expect(await sync(task, record('none'), true)).to.equal('dead')
      expect(await row(task)).to.deep.include({ state: 'dead', reason: 'WINDOW_TAKEN' })
    })
  })

  it('tries a task again that was put aside, with all its tries, and says why another is not', async () => {
    const [gave, taken, unreadable, going] = [await assigned(), await assigned(), await take('BAD_WINDOW'), await take()]
    await ledger.failed(await row(gave), 'BAD_PROOF', { ...limits, limit: 1 })
    await ledger.ended(await row(taken), { state: 'dead', reason: 'WINDOW_TAKEN' })
    await ledger.update(await row(gave), { deadline: null, prover: null })
    await ledger.finish(0)
    expect(await row(gave)).to.deep.include({ state: 'dead', reason: 'TOO_MANY_ATTEMPTS', attempts: 1 })
    const unknown = id()
    expect(await ledger.retry([gave, gave, taken, going, unknown])).to.deep.equal([
      { id: gave, refused: null },
      { id: taken, refused: 'WINDOW_TAKEN' },
      { id: going, refused: 'NOT_DEAD' },
      { id: unknown, refused: 'UNKNOWN_TASK' },
    ])
    expect(await row(gave)).to.deep.include({ state: 'received', reason: null, attempts: 0, item: { cursor: 1 } })
    expect((await ledger.due(1, 500)).map((task) => task.id)).to.include(gave)
    expect(await ledger.faulty([gave])).to.deep.equal(new Map())
    expect(await ledger.retry([unreadable])).to.deep.equal([{ id: unreadable, refused: 'BAD_WINDOW' }])
  })

  it('counts tasks and readings by state', async () => {
    const counts = await ledger.counts()
    expect(counts.settled.readings).to.equal(counts.settled.tasks * 5)
    expect(Object.keys(counts).sort()).to.deep.equal(['assigned', 'dead', 'leased', 'proven', 'received', 'settled', 'submitted'])
  })
}
