// SPDX-License-Identifier: Apache-2.0
/** A coordinator and provers as processes on a real chain and the real market contracts: whoever is silent or lies, every window settles once. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { encodeAbiParameters, keccak256 } from 'viem'
import type { TrellisError } from '../../agents/kit/errors.ts'
import { PERMANENT_EXIT } from '../../agents/kit/service.ts'
import { authorizeRequest, type LeasedTask } from '../../agents/protocol/lease.ts'
import { openWindow, packStatistics, statisticsOf } from '../../agents/protocol/window.ts'
import { createCoordinatorClient } from '../../agents/prover/coordinator-client.ts'
import { coordinatorA, coordinators } from './support/coordinators.ts'
import { kill } from './support/chain.ts'
import { account, keyId } from './support/market.ts'
import { startProxy } from './support/rpc-proxy.ts'

const root = join(import.meta.dirname, '../..')

/** Runs the CLI to its end. */
async function trellisCli(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [join(root, 'agents/cli/main.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (chunk: Buffer) => (said[name] += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...said }
}

describe('coordinator and prover processes', function () {
  this.timeout(300_000)
  const run = coordinators()
  const { coordinator, prover, until, ready, allSettled, windows, expectEachOnce, accounting } = run

  it('settles every window once, over two provers, and counts them', async () => {
    const [one, two] = [await run.market.addProver(3), await run.market.addProver(4)]
    const c = await coordinator(coordinatorA)
    await ready(c)
    const provers = [await prover(3, c.url, 'slow:150'), await prover(4, c.url, 'slow:150')]
    const items = windows(12)
    run.store.add(...items)
    await until('settled', () => allSettled(items), [c, ...provers])
    await until('accounted', async () => (await accounting(c)).pending === 0, [c])
    await expectEachOnce(items)
    const { states } = await accounting(c)
    expect(states['settled']).to.deep.equal({ tasks: 12, readings: items.reduce((sum, item) => sum + item.count, 0) })
    const used = new Set((await run.market.assignments()).map((assignment) => assignment.prover))
    expect([...used].sort()).to.deep.equal([one, two].sort())
  })

  it('gives the task of a silent prover to the other after its deadline', async () => {
    await run.market.addProver(3)
    const c = await coordinator(coordinatorA, { taskSeconds: 60 })
    await ready(c)
    const silent = await prover(3, c.url, 'silent')
    const items = windows(2)
    run.store.add(...items)
    await until('assigned', async () => (await run.market.assignments()).length === 2, [c, silent])
    // It registers after the jump of the clock, so it lives when the task is taken back.
    await run.chain.travel(61)
    const good = await run.market.addProver(4)
    const p = await prover(4, c.url)
    await until('settled', () => allSettled(items), [c, p])
    await expectEachOnce(items)
    const last = new Map((await run.market.assignments()).map(({ taskId, prover: who }) => [taskId, who]))
    expect(new Set(last.values())).to.deep.equal(new Set([good]))
  })

  it('refuses wrong proofs before they cost gas, and another prover settles', async () => {
    await run.market.addProver(3)
    const c = await coordinator(coordinatorA, { taskSeconds: 60 })
    await ready(c)
    const wrong = await prover(3, c.url, 'wrong')
    const items = windows(1)
    run.store.add(...items)
    await until('refused', async () => ((await accounting(c)).refused['BAD_PROOF'] ?? 0) >= 2, [c, wrong])
    expect(await run.market.settlements()).to.have.property('size', 0)
    await run.chain.travel(61)
    await run.market.addProver(4)
    const p = await prover(4, c.url)
    await until('settled', () => allSettled(items), [c, p])
    await expectEachOnce(items)
  })

  it('puts a task aside after too many bad proofs, and tries it again when its operator says so', async () => {
    await run.market.addProver(3)
    const c = await coordinator(coordinatorA, { maxAttempts: 2, taskSeconds: 5 })
    const bad = await prover(3, c.url, 'wrong')
    await ready(c)
    const [item] = windows(1)
    run.store.add(item!)
    const config = join(run.folder, `coordinator-${new URL(c.url).port}.json`)
    const trellis = (...args: string[]) => trellisCli('tasks', ...args, '--config', config)
    await until('put aside', async () => (await accounting(c)).states['dead']?.tasks === 1, [c, bad])
    await kill(bad.child)
    const id = run.market.taskId(item!)
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
    const address = await run.market.addProver(3)
    const rpc = await startProxy(run.chain.rpcUrl)
    const chain = { rpcUrl: rpc.url, addressesFile: run.market.addressesFile, pollMs: 50 }
    const c = await coordinator(coordinatorA, { chain, longPollMs: 2_000, settleWaitMs: 60_000, settleBatch: 2 })
    await ready(c)
    const items = windows(2)
    run.store.add(...items)
    const client = createCoordinatorClient(c.url, account(3))
    const tasks: LeasedTask[] = []
    await until(
      'leased',
      async () => {
        const held = tasks.map((task) => task.taskId)
        await run.market.beat(3)
        // An answer that was lost is given again.
        for (const { task } of await client.lease(2, held)) if (!held.includes(task.taskId)) tasks.push(task)
        return tasks.length === 2
      },
      [c],
    )
    const [second, first] = tasks.map((task) => ({ task, ...proofOf(task) })) as [Proven, Proven]

    expect(await client.result(second.task.taskId, first.proof, first.signals)).to.deep.include({
      status: 'refused',
      reason: 'WRONG_CONTEXT',
    })
    // Its lease is given again while the chain checks the proof: the proof counts all the same.
    rpc.delayMs = 300
    const taken = client.result(first.task.taskId, first.proof, first.signals)
    await new Promise((resolve) => setTimeout(resolve, 100))
    await client.lease(1, [])
    rpc.delayMs = 0
    expect(await taken).to.deep.include({ status: 'accepted' })
    expect(await client.result(first.task.taskId, first.proof, first.signals)).to.deep.include({ status: 'duplicate' })

    await run.market.addProver(4)
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

  it('keeps a window that is not what its root says out of the chain', async () => {
    await run.market.addProver(3)
    const c = await coordinator(coordinatorA)
    const p = await prover(3, c.url)
    const [bad, good] = [run.market.window(0), run.market.window(1)]
    run.store.add({ ...bad, lanes: bad.lanes.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')) }, good)
    await until('settled', () => allSettled([good]), [c, p])
    expect((await accounting(c)).refused['BAD_WINDOW']).to.equal(1)
    await expectEachOnce([good])
  })

  it('stops with CHAIN_RESET when block 0 is another', async () => {
    const file = JSON.parse(readFileSync(run.market.addressesFile, 'utf8')) as object
    writeFileSync(run.market.addressesFile, JSON.stringify({ ...file, genesisHash: `0x${'11'.repeat(32)}` }))
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
