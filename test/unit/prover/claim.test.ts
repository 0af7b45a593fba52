// SPDX-License-Identifier: GPL-3.0-or-later
/** What a prover believes of a lease: nothing that the chain does not say too. And what it keeps on disk. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { expandSecret, signPoseidon } from '../../../agents/crypto/eddsa.ts'
import type { TrellisError } from '../../../agents/kit/errors.ts'
import { createLog } from '../../../agents/kit/log.ts'
import type { MarketView } from '../../../agents/kit/market.ts'
import { createMetrics } from '../../../agents/kit/metrics.ts'
import { channelIdOf, contextOf, programIdOf, taskIdOf, type Hex } from '../../../agents/protocol/ids.ts'
import { leasedTaskSchema, type LeasedTask, type ResultAnswer } from '../../../agents/protocol/lease.ts'
import type { TaskRecord } from '../../../agents/protocol/task-record.ts'
import type { Terms } from '../../../agents/protocol/terms.ts'
import {
  encodeDataSignature,
  keyCommitment,
  lanesToHex,
  packWindow,
  readingsRoot,
  rootToHex,
  windowMessage,
} from '../../../agents/protocol/window.ts'
import type { WindowProof } from '../../../agents/prover/backend.ts'
import { windowSignals, type WindowClaim } from '../../../agents/prover/circom/input.ts'
import { claimOf } from '../../../agents/prover/claim.ts'
import { proverConfig } from '../../../agents/prover/config.ts'
import { createPlaces, deliverPass, proveTask, type ProverModules } from '../../../agents/prover/loop.ts'
import { proverMetrics } from '../../../agents/prover/metrics.ts'
import { provenSignals } from '../../../agents/prover/signals.ts'
import type { CoordinatorClient } from '../../../agents/prover/coordinator-client.ts'
import { coordinatorFailed } from '../../../agents/prover/errors.ts'
import { openWork } from '../../../agents/prover/work.ts'

const address = (digit: string): Hex => `0x${digit.repeat(40)}`
const addresses = { taskManager: address('1'), router: address('2'), dataKeyRegistry: address('3'), projectStore: address('4') }
const prover = address('b')
const device = address('d')
const chainId = 31337
const programId = programIdOf('sensing/window', 1)
const termsId: Hex = `0x${'7e'.repeat(32)}`
const terms = { programId, channel: channelIdOf('humidity'), threshold: 50, rangeMax: 100 } as unknown as Terms

const secret = new Uint8Array(32).fill(7)
const dataKey = expandSecret(secret).publicKey
const content = packWindow(
  terms.channel,
  0,
  [10, 60, 70].map((laneValue, i) => ({ time: 1_000 + i, laneValue })),
)
const root = readingsRoot(content)
const message = windowMessage({
  chainId,
  dataKeyRegistry: addresses.dataKeyRegistry,
  project: 7n,
  device,
  windowIndex: 0,
  firstSequence: 0,
  count: 3,
  root,
})
const taskId = taskIdOf({ chainId, taskManager: addresses.taskManager, project: 7n, device, window: 0, root: rootToHex(root) })
const commitment = keyCommitment({ chainId, dataKeyRegistry: addresses.dataKeyRegistry, project: 7n, device, key: dataKey })

const json = {
  taskId,
  project: '7',
  termsVersion: 1,
  context: contextOf({
    chainId,
    router: addresses.router,
    project: 7n,
    device,
    taskIds: [taskId],
    prover,
    window: 0,
    programId,
    termsId,
  }).toString(),
  window: {
    cursor: 1,
    receivedAt: 1,
    root: rootToHex(root),
    project: '7',
    device,
    index: 0,
    firstSequence: '0',
    count: 3,
    firstTime: '1000',
    channel: 'humidity',
    lanes: lanesToHex(content.lanes),
    dataSignature: encodeDataSignature(signPoseidon(secret, message)),
    signature: `0x${'00'.repeat(64)}`,
  },
  // Lies: a prover must not use these, but the chain's.
  terms: { threshold: 1, rangeMax: 2, programId: `0x${'00'.repeat(32)}`, termsId: `0x${'00'.repeat(32)}`, channel: '1' },
  dataKey: { x: '1', y: '2', commitment: '3' },
  deadline: 9_999_999_999,
  leasedUntil: 9_999_999_999,
}
const task = leasedTaskSchema.parse(json)

interface Chain {
  record?: Partial<TaskRecord>
  key?: { x: bigint; y: bigint; commitment: bigint } | null
  terms?: Partial<Terms>
  termsId?: Hex
  now?: number
}
const view = (chain: Chain = {}): MarketView => ({
  addresses,
  now: async () => chain.now ?? 1_000,
  blockNumber: async () => 1,
  records: async () => [{ state: 'assigned', prover, deadline: 2_000, tokenId: 1n, termsVersion: 1, ...chain.record }],
  terms: async () => ({ terms: { ...terms, ...chain.terms }, termsId: chain.termsId ?? termsId }),
  dataKey: async () => (chain.key === undefined ? { ...dataKey, commitment } : chain.key),
})
const claim = (chain: Chain = {}, lease: LeasedTask = task) =>
  claimOf({ view: view(chain), chainId, prover, programs: new Set([programId]) }, lease)
const why = async (chain: Chain, lease?: LeasedTask): Promise<unknown> =>
  claim(chain, lease).then(
    () => 'claimed',
    (error: unknown) => (error as TrellisError).details['why'],
  )

describe('claimOf', () => {
  it('takes key, threshold and range from the chain, not from the lease', async () => {
    expect(await claim()).to.deep.include({ threshold: 50, rangeMax: 100, dataKey, context: BigInt(json.context), project: 7n, device })
  })

  const other: Hex = `0x${'55'.repeat(32)}`
  const cases: [string, string, Chain, Partial<LeasedTask>?][] = [
    ['is not assigned', 'NOT_ASSIGNED_TO_US', { record: { state: 'recalled' } }],
    ['is settled', 'NOT_ASSIGNED_TO_US', { record: { state: 'settled' } }],
    ['is assigned to another prover', 'NOT_ASSIGNED_TO_US', { record: { prover: device } }],
    ['was assigned under other terms', 'OTHER_TERMS', { record: { termsVersion: 2 } }],
    ['is past its deadline', 'DEADLINE_PASSED', { now: 2_001 }],
    ['has no data key on chain', 'NO_DATA_KEY', { key: null }],
    ['is signed by another key', 'BAD_DATA_SIGNATURE', { key: { ...expandSecret(new Uint8Array(32).fill(8)).publicKey, commitment } }],
    ['runs a program that is not known', 'UNKNOWN_PROGRAM', { terms: { programId: other } }],
    ['is of another channel', 'WRONG_CHANNEL', { terms: { channel: 5n } }],
    ['has a context of other terms', 'WRONG_CONTEXT', { termsId: other }],
    ['has a task id of something else', 'WRONG_TASK_ID', {}, { taskId: other }],
    ['has a context of something else', 'WRONG_CONTEXT', {}, { context: '1' }],
    ['carries other readings than its id', 'WRONG_TASK_ID', {}, { window: { ...task.window, lanes: [task.window.lanes[0]!] } }],
    [
      'carries a window that breaks the protocol',
      'BAD_WINDOW',
      {},
      { window: { ...task.window, lanes: [...task.window.lanes].reverse() } },
    ],
  ]
  for (const [title, reason, chain, lease] of cases) {
    it(`refuses a task that ${title}`, async () => {
      expect(await why(chain, { ...task, ...lease })).to.equal(reason)
    })
  }
})

describe('a prover', () => {
  const signal = new AbortController().signal
  const file = () => join(mkdtempSync(join(tmpdir(), 'trellis-prover-')), 'work.sqlite')
  const good = async (from: WindowClaim): Promise<WindowProof> => {
    const { context, readingsRoot: rootSignal, statistics, keyCommitment: key } = windowSignals(from)
    return { proof: [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n], publicSignals: [context, rootSignal, statistics, key] }
  }
  const [first, second] = ['http://first', 'http://second']
  const client = (sent: unknown[], answer: ResultAnswer = { status: 'accepted', reason: null }): CoordinatorClient => ({
    lease: async () => [],
    result: async (...result: unknown[]) => (sent.push(result), answer),
    failure: async (...failure: unknown[]) => (sent.push(failure), answer),
  })
  const failing = (error: Error): CoordinatorClient => ({
    lease: async () => [],
    result: () => Promise.reject(error),
    failure: () => Promise.reject(error),
  })
  const make = (prove: (from: WindowClaim) => Promise<WindowProof>, path = file(), chain: Chain = {}) => {
    const sent: unknown[] = []
    const work = openWork(path)
    const modules: ProverModules = {
      config: proverConfig.parse({ key: { keyFile: 'x' }, maxAttempts: 1 }),
      chainId,
      prover,
      view: view(chain),
      programs: new Set([programId]),
      backend: { programs: [programId], prove, close: async () => undefined },
      coordinators: new Map([[first, client(sent)]]),
      work,
      log: createLog('x', 'silent'),
      metrics: proverMetrics(createMetrics('prover', { defaults: false })),
      running: new Set(),
      places: createPlaces(1),
      wake: { prove: () => undefined, deliver: () => undefined, lease: () => undefined },
      now: () => 1,
    }
    work.take(first, [{ task, json }], 1)
    return { modules, work, sent, path }
  }

  it('keeps a proof on disk until it is acknowledged', async () => {
    const { modules, work, path } = make(good)
    await proveTask(modules, task, signal)
    modules.coordinators = new Map([[first, failing(new Error('gone'))]])
    await deliverPass(modules).catch(() => undefined)
    work.close()
    const again = openWork(path)
    expect(again.counts()).to.deep.equal({ leased: 0, proven: 1, failed: 0 })
    expect(again.held()).to.deep.equal([taskId])
    expect(again.outcomes(5)[0]).to.deep.include({ taskId, state: 'proven', proof: ['1', '2', '3', '4', '5', '6', '7', '8'] })
    again.close()
  })

  it('forgets what was acknowledged, and sends nothing twice', async () => {
    const { modules, work, sent } = make(good)
    await proveTask(modules, task, signal)
    await deliverPass(modules)
    await deliverPass(modules)
    expect(sent).to.have.length(1)
    expect(work.held()).to.deep.equal([])
  })

  it('does not take a lease again that it has proved already', async () => {
    const { modules, work } = make(good)
    await proveTask(modules, task, signal)
    work.take(first, [{ task, json }], 2)
    expect(work.counts()).to.deep.equal({ leased: 0, proven: 1, failed: 0 })
  })

  it('has a proof at hand for a coordinator that asks after another took it, and makes a new one for another context', async () => {
    const { modules, work, sent } = make(good)
    await proveTask(modules, task, signal)
    await deliverPass(modules)
    work.take(second, [{ task, json }], 2)
    expect(work.counts()).to.deep.equal({ leased: 0, proven: 1, failed: 0 })
    modules.coordinators = new Map([[second, client(sent)]])
    await deliverPass(modules)
    expect(sent).to.have.length(2)
    expect(sent[1]).to.deep.equal(sent[0])
    work.take(second, [{ task: { ...task, context: '1' }, json }], 3)
    expect(work.counts()).to.deep.equal({ leased: 1, proven: 0, failed: 0 })
  })

  it('tells another coordinator when the one that leased is away, and takes no ignorance for an answer', async () => {
    const { modules, work, sent } = make(good)
    await proveTask(modules, task, signal)
    const away = failing(coordinatorFailed(first, new Error('refused')))
    modules.coordinators = new Map([
      [first, away],
      [second, client([], { status: 'stale', reason: 'UNKNOWN_TASK' })],
    ])
    const error = await deliverPass(modules).catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'COORDINATOR_UNREACHABLE')
    expect(work.held()).to.deep.equal([taskId])
    modules.coordinators = new Map([
      [first, away],
      [second, client(sent)],
    ])
    await deliverPass(modules)
    expect(sent).to.have.length(1)
    expect(work.held()).to.deep.equal([])
  })

  it('does not hold up other outcomes for one that a coordinator refuses for good', async () => {
    const { modules, work } = make(good)
    await proveTask(modules, task, signal)
    const other: Hex = `0x${'0e'.repeat(32)}`
    work.take(first, [{ task: { ...task, taskId: other }, json: { ...json, taskId: other } }], 5)
    work.failed(other, 'why')
    const told: unknown[] = []
    const refusing: CoordinatorClient = { ...client(told), result: () => Promise.reject(new Error('HTTP 400')) }
    modules.coordinators = new Map([[first, refusing]])
    for (let pass = 0; pass < 2; pass++) await deliverPass(modules).catch(() => undefined)
    expect(told).to.deep.equal([[other, 'why']])
    expect(work.held()).to.deep.equal([taskId])
    modules.now = () => (task.deadline + 3_601) * 1_000
    await deliverPass(modules).catch(() => undefined)
    expect(work.held()).to.deep.equal([])
  })

  it('says that a task failed, with the reason, when it is not ours or cannot be proved', async () => {
    const refused = make(good, file(), { record: { prover: device } })
    await proveTask(refused.modules, task, signal)
    await deliverPass(refused.modules)
    expect(refused.sent).to.deep.equal([[taskId, 'NOT_ASSIGNED_TO_US']])
    const broken = make(async () => Promise.reject(new Error('no witness')))
    await proveTask(broken.modules, task, signal)
    await deliverPass(broken.modules)
    expect(broken.sent).to.deep.equal([[taskId, 'UNEXPECTED: no witness']])
  })

  it('does not send a proof of something else', async () => {
    const whole = await claim()
    const proof = await good(whole)
    expect(provenSignals(whole, proof).proof).to.have.length(8)
    for (const i of [0, 1, 2, 3]) {
      const publicSignals = proof.publicSignals.map((value, at) => (at === i ? value + 1n : value))
      expect(() => provenSignals(whole, { ...proof, publicSignals }))
        .to.throw()
        .with.property('code', 'PROOF_OF_OTHER')
    }
  })
})
