// SPDX-License-Identifier: Apache-2.0
/** Coordinators and provers as processes on a real chain and the real market contracts: whatever is killed or lies, every window settles once. */
import { PERMANENT_EXIT } from '../../agents/kit/service.ts'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { encodeAbiParameters, keccak256 } from 'viem'
import type { TrellisError } from '../../agents/kit/errors.ts'
import { authorizeRequest, type LeasedTask, type WindowItemJson } from '../../agents/protocol/lease.ts'
import { openWindow, packStatistics, statisticsOf } from '../../agents/protocol/window.ts'
import { createCoordinatorClient } from '../../agents/prover/coordinator-client.ts'
import { freePort, kill, startChain, type LocalChain } from './support/chain.ts'
import { account, deployMarket, keyId, type Market } from './support/market.ts'
import { needs } from './support/engines.ts'
import { startPostgres } from './support/postgres.ts'
import { startStore } from './support/store.ts'

const root = join(import.meta.dirname, '../..')
const runner = join(import.meta.dirname, 'support/run.ts')
/** Accounts by role. */
const coordinatorA = 1
const coordinatorB = 2
const settled = 2

/** Runs the CLI to its end. */
async function trellisCli(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [join(root, 'agents/cli/main.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => (said[name] += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...said }
}

interface Running {
  child: ChildProcess
  url: string
  output: () => string
}

describe('coordinator and prover processes', function () {
  this.timeout(300_000)
  let chain: LocalChain
  let market: Market
  let folder: string
  let store: Awaited<ReturnType<typeof startStore>>
  let children: ChildProcess[] = []

  before(async () => {
    chain = await startChain()
  })
  after(() => chain.stop())

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trellis-coordinator-'))
    market = await deployMarket(chain.rpcUrl, folder)
    store = await startStore()
  })
  afterEach(async function () {
    await Promise.all(children.map((child) => kill(child)))
    children = []
    await store.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const start = async (
    name: string,
    config: { http?: { port: number }; [field: string]: unknown },
    ...mode: string[]
  ): Promise<Running> => {
    const port = config.http?.port ?? (await freePort())
    const file = join(folder, `${name}-${port}.json`)
    const common = { http: { port }, chain: { rpcUrl: chain.rpcUrl, addressesFile: market.addressesFile, pollMs: 50 }, logLevel: 'debug' }
    writeFileSync(file, JSON.stringify({ ...common, ...config }))
    const child = spawn(process.execPath, [runner, name, file, ...mode], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    return { child, url: `http://127.0.0.1:${port}`, output: () => output }
  }
  const coordinator = (key: number, more: object = {}) =>
    start('coordinator', {
      dataFolder: join(folder, `coordinator-${key}`),
      key: { keyFile: market.keyFile(key) },
      gatewayUrls: [store.url],
      projects: ['7'],
      pullMs: 100,
      settleWaitMs: 100,
      reconcileSeconds: 1,
      ...more,
    })
  const prover = (key: number, urls: string | string[], mode = 'good') =>
    start('prover', { dataFolder: join(folder, 'prover'), key: { keyFile: market.keyFile(key) }, coordinatorUrls: [urls].flat() }, mode)

  /** Waits until `done`, with the services' output when it takes too long. */
  const until = async (what: string, done: () => Promise<boolean>, running: Running[], limitMs = 60_000): Promise<void> => {
    const limit = Date.now() + limitMs
    while (!(await done().catch(() => false))) {
      if (Date.now() > limit) throw new Error(`${what}: not in time\n${running.map((one) => one.output().slice(-4_000)).join('\n---\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  const ready = (one: Running) => until('ready', async () => (await fetch(`${one.url}/ready`)).ok, [one])
  const allSettled = async (items: WindowItemJson[]): Promise<boolean> =>
    (await Promise.all(items.map((item) => market.stateOf(item)))).every((state) => state === settled)
  const windows = (count: number): WindowItemJson[] =>
    Array.from({ length: count }, (_, i) => market.window(i % 4, { count: 1 + ((i * 7) % 64) }))
  const expectEachOnce = async (items: WindowItemJson[]): Promise<void> => {
    const found = await market.settlements()
    expect(Object.fromEntries(found)).to.deep.equal(Object.fromEntries(items.map((item) => [market.taskId(item), 1])))
  }
  const accounting = async (one: Running) =>
    (await (await fetch(`${one.url}/v1/accounting`)).json()) as {
      pending: number
      states: Record<string, { tasks: number; readings: number }>
      refused: Record<string, number>
    }

  it('settles every window once, over two provers, and counts them', async () => {
    const [one, two] = [await market.addProver(3), await market.addProver(4)]
    const c = await coordinator(coordinatorA)
    await ready(c)
    const provers = [await prover(3, c.url, 'slow:150'), await prover(4, c.url, 'slow:150')]
    const items = windows(12)
    store.add(...items)
    await until('settled', () => allSettled(items), [c, ...provers])
    await until('accounted', async () => (await accounting(c)).pending === 0, [c])
    await expectEachOnce(items)
    const { states } = await accounting(c)
    expect(states['settled']).to.deep.equal({ tasks: 12, readings: items.reduce((sum, item) => sum + item.count, 0) })
    const used = new Set((await market.assignments()).map((assignment) => assignment.prover))
    expect([...used].sort()).to.deep.equal([one, two].sort())
  })

  it('loses nothing and settles nothing twice when coordinator and prover are killed again and again', async () => {
    await market.addProver(3)
    await market.addProver(4)
    let c = await coordinator(coordinatorA)
    const port = Number(new URL(c.url).port)
    let p = await prover(3, c.url, 'slow:200')
    const q = await prover(4, c.url, 'slow:300')
    const items = windows(24)
    store.add(...items.slice(0, 8))
    await ready(c)
    for (let round = 0; round < 4; round++) {
      await new Promise((resolve) => setTimeout(resolve, 700 + 450 * round))
      store.add(...items.slice(8 + round * 4, 12 + round * 4))
      await kill(c.child)
      await kill(p.child)
      c = await coordinator(coordinatorA, { http: { port } })
      p = await prover(3, c.url, 'slow:200')
      await ready(c)
    }
    await until('settled', () => allSettled(items), [c, p, q], 90_000)
    await expectEachOnce(items)
  })

  it('gives the task of a silent prover to the other after its deadline', async () => {
    await market.addProver(3)
    const c = await coordinator(coordinatorA, { taskSeconds: 60 })
    await ready(c)
    const silent = await prover(3, c.url, 'silent')
    const items = windows(2)
    store.add(...items)
    await until('assigned', async () => (await market.assignments()).length === 2, [c, silent])
    // It registers after the jump of the clock, so it lives when the task is taken back.
    await chain.travel(61)
    const good = await market.addProver(4)
    const p = await prover(4, c.url)
    await until('settled', () => allSettled(items), [c, p])
    await expectEachOnce(items)
    const last = new Map((await market.assignments()).map(({ taskId, prover: who }) => [taskId, who]))
    expect(new Set(last.values())).to.deep.equal(new Set([good]))
  })

  it('refuses wrong proofs before they cost gas, and another prover settles', async () => {
    await market.addProver(3)
    const c = await coordinator(coordinatorA, { taskSeconds: 60 })
    await ready(c)
    const wrong = await prover(3, c.url, 'wrong')
    const items = windows(1)
    store.add(...items)
    await until('refused', async () => ((await accounting(c)).refused['BAD_PROOF'] ?? 0) >= 2, [c, wrong])
    expect(await market.settlements()).to.have.property('size', 0)
    await chain.travel(61)
    await market.addProver(4)
    const p = await prover(4, c.url)
    await until('settled', () => allSettled(items), [c, p])
    await expectEachOnce(items)
  })

  it('puts a task aside after too many bad proofs, and tries it again when its operator says so', async () => {
    await market.addProver(3)
    const c = await coordinator(coordinatorA, { maxAttempts: 2, taskSeconds: 5 })
    const bad = await prover(3, c.url, 'wrong')
    await ready(c)
    const [item] = windows(1)
    store.add(item!)
    const config = join(folder, `coordinator-${new URL(c.url).port}.json`)
    const trellis = (...args: string[]) => trellisCli('tasks', ...args, '--config', config)
    await until('put aside', async () => (await accounting(c)).states['dead']?.tasks === 1, [c, bad])
    await kill(bad.child)
    const id = market.taskId(item!)
    const listed = await trellis('list', '--dead', '--json')
    expect(JSON.parse(listed.stdout)).to.have.length(1)
    expect(JSON.parse(listed.stdout)[0]).to.include({ id, state: 'dead', reason: 'TOO_MANY_ATTEMPTS', attempts: 2 })
    expect((await trellis('list', '--dead')).stdout).to.include('TOO_MANY_ATTEMPTS')

    const stranger = {
      method: 'POST',
      host: new URL(c.url).host,
      path: '/v1/tasks/retry',
      body: JSON.stringify({ taskIds: [id] }),
      unixMs: Date.now(),
    }
    const authorization = await authorizeRequest(account(3), stranger)
    const refused = await fetch(`${c.url}/v1/tasks/retry`, { method: 'POST', body: stranger.body, headers: { authorization } })
    expect([refused.status, (await refused.json()) as unknown]).to.deep.include(403)

    const other = await trellis('retry', `0x${'12'.repeat(32)}`)
    expect([other.code, other.stdout]).to.deep.equal([1, `UNKNOWN_TASK  0x${'12'.repeat(32)}\n0 of 1 tasks are tried again.\n`])
    expect((await trellis('retry', 'x')).stderr).to.include('TASK_MALFORMED')
    const good = await prover(3, c.url)
    const again = await trellis('retry', '--all')
    expect([again.code, again.stdout], again.stderr).to.deep.equal([0, `tried again  ${id}\n1 of 1 tasks are tried again.\n`])
    await until('settled', () => allSettled([item!]), [c, good])
    await expectEachOnce([item!])
  })

  it('takes a proof once, and only for its own task, from its own prover', async () => {
    const address = await market.addProver(3)
    const c = await coordinator(coordinatorA, { longPollMs: 2_000, settleWaitMs: 60_000, settleBatch: 2 })
    await ready(c)
    const items = windows(2)
    store.add(...items)
    const client = createCoordinatorClient(c.url, account(3))
    const tasks: LeasedTask[] = []
    await until(
      'leased',
      async () => {
        const held = tasks.map((task) => task.taskId)
        await market.beat(3)
        // An answer that was lost is given again.
        for (const { task } of await client.lease(2, held)) if (!held.includes(task.taskId)) tasks.push(task)
        return tasks.length === 2
      },
      [c],
    )
    const [first, second] = tasks.map((task) => ({ task, ...proofOf(task) })) as [Proven, Proven]

    expect(await client.result(first.task.taskId, second.proof, second.signals)).to.deep.include({
      status: 'refused',
      reason: 'WRONG_CONTEXT',
    })
    expect(await client.result(first.task.taskId, first.proof, first.signals)).to.deep.include({ status: 'accepted' })
    expect(await client.result(first.task.taskId, first.proof, first.signals)).to.deep.include({ status: 'duplicate' })

    await market.addProver(4)
    const thief = createCoordinatorClient(c.url, account(4))
    expect(await thief.result(second.task.taskId, second.proof, second.signals)).to.deep.include({
      status: 'stale',
      reason: 'OTHER_PROVER',
    })
    expect(await codeOf(createCoordinatorClient(c.url, account(5)).lease(1, []))).to.equal('FORBIDDEN')

    const body = JSON.stringify({ prover: address, max: 1 })
    const post = async (path: string, authorization: string, text = body): Promise<number> =>
      (await fetch(`${c.url}${path}`, { method: 'POST', body: text, headers: { authorization } })).status
    const sign = (unixMs: number, by = 3, host = new URL(c.url).host) =>
      authorizeRequest(account(by), { method: 'POST', host, path: '/v1/failures', body, unixMs })
    const once_ = await sign(Date.now())
    expect(await post('/v1/failures', once_)).to.equal(400)
    expect(await post('/v1/failures', once_)).to.equal(401)
    expect(await post('/v1/failures', await sign(Date.now() - 61_000))).to.equal(401)
    expect(await post('/v1/failures', (await sign(Date.now() + 5, 4)).replace(account(4).address.toLowerCase(), address))).to.equal(401)
    expect(await post('/v1/results', await sign(Date.now() + 6))).to.equal(401)
    expect(await post('/v1/failures', await sign(Date.now() + 7), `${body} `)).to.equal(401)
    expect(await post('/v1/failures', await sign(Date.now() + 8, 3, 'coordinator.example'))).to.equal(401)
    expect(await post('/v1/failures', '')).to.equal(401)

    expect(await client.result(second.task.taskId, second.proof, second.signals)).to.deep.include({ status: 'accepted' })
    await until('settled', () => allSettled(items), [c])
    await expectEachOnce(items)
  })

  it('lets two coordinators meet the same windows without assigning or settling any twice', async () => {
    await market.addProver(3)
    await market.addProver(4)
    const [a, b] = [await coordinator(coordinatorA), await coordinator(coordinatorB)]
    await Promise.all([ready(a), ready(b)])
    const provers = [await prover(3, a.url), await prover(4, b.url)]
    const items = windows(10)
    store.add(...items)
    await until('settled', () => allSettled(items), [a, b, ...provers])
    await expectEachOnce(items)
    const assigned = (await market.assignments()).map((assignment) => assignment.taskId)
    expect(assigned).to.have.length(new Set(assigned).size)
    for (const each of [a, b]) await until('both know', async () => (await accounting(each)).states['settled']?.tasks === 10, [each])
  })

  it('lets two coordinators share one ledger on PostgreSQL, through the death of one and of the database', async function () {
    needs(this, 'initdb')
    const database = await startPostgres()
    try {
      await market.addProver(3)
      await market.addProver(4)
      const shared = { databaseUrl: database.url }
      const [a, b] = await Promise.all([coordinator(coordinatorA, shared), coordinator(coordinatorB, shared)])
      await Promise.all([ready(a), ready(b)])
      const provers = [await prover(3, [a.url, b.url], 'slow:200'), await prover(4, [a.url, b.url], 'slow:300')]
      const running = [a, b, ...provers]
      const items = windows(20)
      const counts = async () => (await accounting(b)).states
      store.add(...items.slice(0, 8))
      await until('some settled', async () => ((await counts())['settled']?.tasks ?? 0) > 1, running)
      store.add(...items.slice(8, 14))
      await kill(a.child)
      await until('settled by the other', () => allSettled(items.slice(0, 14)), running)
      await database.stop('SIGKILL')
      store.add(...items.slice(14))
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      await database.start()
      await until('settled after the database came back', () => allSettled(items), running)
      await expectEachOnce(items)
      await until('the ledger knows', async () => (await counts())['settled']?.tasks === items.length, running)
      const assigned = (await market.assignments()).map((assignment) => assignment.taskId)
      expect(assigned, 'assignments').to.have.length(new Set(assigned).size)
      // Work done twice: what the chain left out of an assignment, or refused to settle again.
      for (const each of [a, b]) expect(each.output()).to.not.match(/ALREADY_ASSIGNED|WINDOW_SETTLED|Router_NotAssigned/)
      for (const each of running) expect(each.output()).to.not.include(database.password)
    } finally {
      await database.remove()
    }
  })

  it('keeps a window that is not what its root says out of the chain', async () => {
    await market.addProver(3)
    const c = await coordinator(coordinatorA)
    const p = await prover(3, c.url)
    const [bad, good] = [market.window(0), market.window(1)]
    store.add({ ...bad, lanes: bad.lanes.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')) }, good)
    await until('settled', () => allSettled([good]), [c, p])
    expect((await accounting(c)).refused['BAD_WINDOW']).to.equal(1)
    await expectEachOnce([good])
  })

  it('stops with CHAIN_RESET when block 0 is another', async () => {
    const file = JSON.parse(readFileSync(market.addressesFile, 'utf8')) as object
    writeFileSync(market.addressesFile, JSON.stringify({ ...file, genesisHash: `0x${'11'.repeat(32)}` }))
    const c = await coordinator(coordinatorA)
    const [code] = (await once(c.child, 'exit')) as [number]
    expect(code).to.equal(PERMANENT_EXIT)
    expect(c.output()).to.contain('CHAIN_RESET')
  })
})

type Proven = { task: LeasedTask; proof: string[]; signals: string[] }

/** What `VerifierDouble` takes for a task. */
function proofOf(task: LeasedTask): { proof: string[]; signals: string[] } {
  const { lanes, firstSequence, firstTime, index } = task.window
  const content = { lanes, firstSequence, firstTime, channel: BigInt(task.terms.channel) }
  expect(openWindow(content)).to.have.property('ok', true)
  const statistics = packStatistics(statisticsOf(content, index, task.terms.threshold, task.terms.rangeMax))
  const signals = [task.context, BigInt(task.window.root).toString(), statistics.toString(), task.dataKey.commitment]
  const word = BigInt(keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256[]' }], [keyId, signals.map(BigInt)])))
  return { proof: [word.toString(), ...Array.from({ length: 7 }, () => '0')], signals }
}

async function codeOf(failing: Promise<unknown>): Promise<string> {
  try {
    await failing
    return 'nothing'
  } catch (error) {
    return (error as TrellisError).code
  }
}
