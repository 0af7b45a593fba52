// SPDX-License-Identifier: Apache-2.0
/** Agents as processes on the real market while its chain forks, dies, or becomes another one: each window settles once on the chain that stays. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Hex } from 'viem'
import { PERMANENT_EXIT } from '../../agents/kit/service.ts'
import type { WindowItemJson } from '../../agents/protocol/lease.ts'
import { startAnvil, type Anvil } from './support/anvil.ts'
import { freePort, kill } from './support/chain.ts'
import { account, deployMarket, type Market } from './support/market.ts'
import { startStore } from './support/store.ts'

const main = join(import.meta.dirname, '../../agents/cli/main.ts')
const runner = join(import.meta.dirname, 'support/run.ts')
const settled = 2

interface Running {
  child: ChildProcess
  url: string
  output: () => string
}

describe('agents under faults of the chain', function () {
  this.timeout(120_000)
  let anvil: Anvil
  let market: Market
  let folder: string
  let store: Awaited<ReturnType<typeof startStore>>
  let running: Running[] = []

  const open = async (context: Mocha.Context): Promise<void> => {
    folder = mkdtempSync(join(tmpdir(), 'trellis-faults-'))
    anvil = await startAnvil(context)
    market = await deployMarket(anvil.rpcUrl, folder)
    store = await startStore()
  }
  const close = async (): Promise<void> => {
    await Promise.all(running.map(({ child }) => kill(child)))
    running = []
    await store?.stop()
    await anvil?.stop()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }

  const start = async (program: string[], name: string, config: object): Promise<Running> => {
    const port = (config as { http?: { port: number } }).http?.port ?? (await freePort())
    const file = join(folder, `${name}-${port}.json`)
    const chain = { rpcUrl: anvil.rpcUrl, addressesFile: market.addressesFile, pollMs: 50, ...(config as { chain?: object }).chain }
    writeFileSync(file, JSON.stringify({ http: { port }, logLevel: 'debug', ...config, chain }))
    const args = program[0] === runner ? [runner, name, file] : [main, 'run', name, '--config', file]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const one = { child, url: `http://127.0.0.1:${port}`, output: () => output }
    running.push(one)
    return one
  }
  const coordinator = (more: { chain?: object; http?: { port: number } } = {}) =>
    start([main], 'coordinator', {
      dataFolder: join(folder, 'coordinator'),
      key: { keyFile: market.keyFile(1) },
      gatewayUrls: [store.url],
      projects: ['7'],
      pullMs: 100,
      settleWaitMs: 50,
      reconcileSeconds: 1,
      ...more,
    })
  const prover = (url: string) =>
    start([runner], 'prover', { dataFolder: join(folder, 'prover'), key: { keyFile: market.keyFile(3) }, coordinatorUrls: [url] })
  const gateway = () => start([main], 'gateway', { dataFolder: join(folder, 'gateway'), mqtt: { port: 0 } })

  const until = async (what: string, so: () => Promise<boolean>, limitMs = 45_000): Promise<void> => {
    const limit = Date.now() + limitMs
    while (!(await so().catch(() => false))) {
      if (Date.now() > limit) throw new Error(`${what}: not in time\n${running.map((one) => one.output().slice(-4_000)).join('\n---\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const ready = (one: Running) => until('ready', async () => (await fetch(`${one.url}/ready`)).ok)
  const exitOf = async ({ child }: Running): Promise<number | null> => {
    if (child.exitCode === null) await once(child, 'exit')
    return child.exitCode
  }
  const isSettled = (item: WindowItemJson) => async () => (await market.stateOf(item)) === settled
  const settledBy = async (item: WindowItemJson): Promise<{ block: number; tx: Hex }> => {
    const logs = await market.client.getLogs({ address: market.addresses['TaskManager']!, fromBlock: 0n })
    const last = logs.findLast(({ topics }) => (topics as readonly Hex[]).includes(market.taskId(item)))!
    return { block: Number(last.blockNumber), tx: last.transactionHash }
  }
  const expectOnce = async (...items: WindowItemJson[]): Promise<void> => {
    const found = await market.settlements()
    for (const item of items) expect(found.get(market.taskId(item)), 'settlements').to.equal(1)
  }

  describe('a fork', () => {
    let c: Running
    before(async function () {
      await open(this)
      await market.addProver(3)
      // A reorganisation has blocks to take that hold nothing else.
      await anvil.mine(20)
      c = await coordinator()
      await ready(c)
      await prover(c.url)
    })
    after(close)

    it('that takes a settlement back: it is settled again, once', async () => {
      const item = market.window(0)
      store.add(item)
      await until('settled', isSettled(item))
      const { block } = await settledBy(item)
      await anvil.automine(false)
      await anvil.reorg((await anvil.blockNumber()) - block + 1)
      await anvil.rpc('anvil_dropAllTransactions')
      expect(await market.stateOf(item)).to.not.equal(settled)
      await anvil.automine(true)
      await until('settled again', isSettled(item))
      await expectOnce(item)
      await until('known', async () => (await states(c))['settled']?.tasks === 1)
    })

    it('that takes an assignment back: it is assigned again, and settled once', async () => {
      const item = market.window(1)
      await anvil.automine(false)
      store.add(item)
      // Heartbeats of provers are there, too.
      const ofCoordinator = async (hash: Hex): Promise<boolean> =>
        (await market.client.getTransaction({ hash })).from === account(1).address.toLowerCase()
      await until('assignment in the pool', async () => (await Promise.all((await anvil.pool()).map(ofCoordinator))).includes(true))
      const before = await anvil.blockNumber()
      await anvil.mine()
      await until('known', async () => {
        const { assigned, leased, proven, submitted } = await states(c)
        return [assigned, leased, proven, submitted].some((state) => (state?.tasks ?? 0) > 0)
      })
      await anvil.reorg((await anvil.blockNumber()) - before)
      await anvil.rpc('anvil_dropAllTransactions')
      expect(await market.stateOf(item)).to.equal(0)
      await anvil.automine(true)
      await until('settled', isSettled(item))
      await expectOnce(item)
    })

    it('whose transactions come back through the pool: nothing is done twice', async () => {
      const items = [market.window(2), market.window(3)]
      store.add(...items)
      for (const item of items) await until('settled', isSettled(item))
      const [a, b] = await Promise.all(items.map(settledBy))
      const first = Math.min(a!.block, b!.block)
      const raws = await Promise.all([...new Set([a!.tx, b!.tx])].map((tx) => anvil.rpc<Hex>('eth_getRawTransactionByHash', [tx])))
      await anvil.automine(false)
      await anvil.reorg((await anvil.blockNumber()) - first + 1)
      // The coordinator sends anew as well: whichever comes first, the other is refused.
      for (const raw of raws) await anvil.rpc('eth_sendRawTransaction', [raw]).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 1_200))
      await anvil.automine(true)
      await anvil.mine()
      for (const item of items) await until('settled', isSettled(item))
      await new Promise((resolve) => setTimeout(resolve, 500))
      await expectOnce(...items)
    })

    it('or a kill between send and receipt: what is in the pool counts, and is not sent again', async () => {
      const item = market.window(0)
      await anvil.automine(false)
      store.add(item)
      await until('assignment in the pool', async () => (await anvil.pool()).length > 0)
      await kill(c.child)
      c = await coordinator({ http: { port: Number(new URL(c.url).port) } })
      await until('waits for what was sent', async () => (await fetch(`${c.url}/ready`)).ok)
      const sent = await anvil.pool()
      await anvil.automine(true)
      await anvil.mine()
      await until('settled', isSettled(item))
      await expectOnce(item)
      const assigned = (await market.assignments()).filter(({ taskId }) => taskId === market.taskId(item))
      expect(assigned).to.have.length(1)
      const receipts = await Promise.all(sent.map((hash) => market.client.getTransactionReceipt({ hash })))
      const own = receipts.filter(({ from }) => from === account(1).address.toLowerCase())
      expect(own.map(({ status }) => status)).to.deep.equal(['success'])
    })

    it('deeper than the policy: the coordinator stops and says so', async () => {
      await kill(c.child)
      const strict = await coordinator({ chain: { reorgDepth: 4 } })
      await ready(strict)
      await anvil.mine(8)
      const passes = async () =>
        Number(/pass_seconds_count\{[^}]*pass="upkeep"[^}]*\} (\d+)/.exec(await (await fetch(`${strict.url}/metrics`)).text())?.[1] ?? 0)
      const before = await passes()
      await until('seen', async () => (await passes()) >= before + 2)
      await anvil.reorg(7)
      expect(await exitOf(strict)).to.equal(PERMANENT_EXIT)
      expect(strict.output()).to.contain('REORG_TOO_DEEP').and.to.contain('reorgDepth')
    })
  })

  describe('another chain', () => {
    beforeEach(async function () {
      await open(this)
    })
    afterEach(close)

    it('after a dead one: every agent waits for the old chain, and stops with CHAIN_RESET at the new one', async function () {
      await market.addProver(3)
      const c = await coordinator()
      const agents = [c, await gateway(), await prover(c.url)]
      await Promise.all(agents.slice(0, 2).map(ready))
      await until('prover started', async () => agents[2]!.output().includes('"started"'))
      await anvil.stop()
      // One that starts now waits as well.
      const late = await gateway()
      await until('all have noticed', async () => agents.every((agent) => agent.output().includes('RPC_FAILED')))
      await until('waits', async () => late.output().includes('waiting for the chain'))
      expect([...agents, late].map(({ child }) => child.exitCode)).to.deep.equal([null, null, null, null])
      anvil = await startAnvil(this, { port: anvil.port, timestamp: 1_000_000 })
      for (const agent of [...agents, late]) {
        expect(await exitOf(agent), agent.output().slice(-2_000)).to.equal(PERMANENT_EXIT)
        expect(agent.output()).to.contain('CHAIN_RESET').and.to.contain('deploy again')
      }
    })

    it('by its id: every agent stops with WRONG_CHAIN at its start', async function () {
      const { port } = anvil
      await anvil.stop()
      anvil = await startAnvil(this, { port, chainId: 4242 })
      for (const agent of await Promise.all([coordinator(), gateway(), prover('http://127.0.0.1:9')])) {
        expect(await exitOf(agent)).to.equal(PERMANENT_EXIT)
        expect(agent.output()).to.contain('WRONG_CHAIN').and.to.contain('chain.rpcUrl')
      }
    })

    it('with the right genesis and no contracts: every agent stops with DEPLOYMENT_MISSING', async () => {
      await anvil.rpc('anvil_setCode', [market.addresses['TaskManager'], '0x'])
      const agent = await coordinator()
      expect(await exitOf(agent)).to.equal(PERMANENT_EXIT)
      expect(agent.output()).to.contain('DEPLOYMENT_MISSING')
    })
  })

  async function states(one: Running): Promise<Record<string, { tasks: number }>> {
    return ((await (await fetch(`${one.url}/v1/accounting`)).json()) as { states: Record<string, { tasks: number }> }).states
  }
})
