// SPDX-License-Identifier: Apache-2.0
/** The indexer as a process over a real chain: what it tells is what the chain's own logs say, also after kill -9, reorganisations and a reset. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { encodeAbiParameters, type GetContractEventsReturnType, keccak256, stringToBytes } from 'viem'
import { addressOf } from '../../agents/kit/deployment.ts'
import { dataKeyRegistryAbi, ioIDAbi, routerAbi, taskEscrowAbi, taskManagerAbi } from '../../agents/protocol/generated/abi.ts'
import type {
  HistoryPage,
  IndexDevice,
  IndexDeviceHistory,
  IndexPayment,
  IndexProof,
  IndexProver,
  IndexProverHistory,
  IndexRefusal,
  IndexStatus,
  IndexTask,
  IndexTotals,
} from '../../agents/protocol/history.ts'
import type { Address, Hex } from '../../agents/protocol/ids.ts'
import { type Anvil, startAnvil } from './support/anvil.ts'
import { freePort, kill } from './support/chain.ts'
import { needs } from './support/engines.ts'
import { startPostgres } from './support/postgres.ts'
import { type SettledNetwork, startSettledNetwork, type Task } from './support/settled-network.ts'

const main = join(import.meta.dirname, '../../agents/cli/main.ts')
const stranger: Address = `0x${'0'.repeat(38)}aa`

class Indexer {
  readonly url: string
  readonly #file: string
  readonly #log: string
  #child!: ChildProcess
  constructor(folder: string, port: number, config: object) {
    this.url = `http://127.0.0.1:${port}`
    this.#file = join(folder, 'indexer.json')
    this.#log = join(folder, 'indexer.log')
    writeFileSync(this.#file, JSON.stringify({ dataFolder: join(folder, 'indexer'), http: { port }, logLevel: 'debug', ...config }))
  }

  start(): void {
    this.#child = spawn(process.execPath, [main, 'run', 'indexer', '--config', this.#file], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (chunk: Buffer) => writeFileSync(this.#log, chunk, { flag: 'a' }))
  }

  stop = (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => kill(this.#child, signal)

  /** Where Ponder itself listens, as the log says. */
  ponder(): string {
    const ports = [...readFileSync(this.#log, 'utf8').matchAll(/"port":(\d+).*"msg":"Created HTTP server"/g)]
    return `http://127.0.0.1:${ports.at(-1)![1]!}`
  }

  get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`${this.url}${path}`)
    const body = await response.text()
    if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`)
    return JSON.parse(body) as T
  }

  status = (): Promise<IndexStatus | undefined> => this.get<IndexStatus>('/v1/status').catch(() => undefined)

  /** All pages. */
  async all<T>(path: string, limit = 2): Promise<T[]> {
    const found: T[] = []
    for (let after: string | null = ''; after !== null;) {
      const cursor: string = after === '' ? '' : `&after=${after}`
      const page: HistoryPage<T> = await this.get(`${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor}`)
      expect(page.items.length).to.be.at.most(limit)
      found.push(...page.items)
      after = page.next
    }
    return found
  }

  async until<T>(what: string, look: () => Promise<T | undefined | false>, seconds = 200): Promise<T> {
    for (const end = Date.now() + seconds * 1_000; Date.now() < end;) {
      const found = await look().catch(() => undefined)
      if (found !== undefined && found !== false) return found
      await new Promise((wake) => setTimeout(wake, 100))
    }
    throw new Error(`${what}\n${JSON.stringify(await this.status())}\n${readFileSync(this.#log, 'utf8').slice(-3_000)}`)
  }

  /** Until it has come to the newest block of this chain. */
  reached({ client }: SettledNetwork): Promise<IndexStatus> {
    return this.until('the index did not come to the head', async () => {
      const [status, { number, hash: _ }, genesis] = await Promise.all([
        this.status(),
        client.getBlock(),
        client.getBlock({ blockNumber: 0n }),
      ])
      return status?.ready === true && status.genesisHash === genesis.hash && status.block === Number(number) && status
    })
  }
}

describe('indexer', function () {
  this.timeout(240_000)
  let folder: string
  let anvil: Anvil
  let network: SettledNetwork
  let indexer: Indexer
  let tasks: Task[]

  before(async function () {
    folder = mkdtempSync(join(tmpdir(), 'trellis-indexer-'))
    anvil = await startAnvil(this, { timestamp: Math.floor(Date.now() / 1000) - 5_000 })
    network = await startSettledNetwork(anvil.rpcUrl, folder, 3)
    const chain = { rpcUrl: anvil.rpcUrl, addressesFile: network.addressesFile, pollMs: 100 }
    indexer = new Indexer(folder, await freePort(), { chain })
    indexer.start()
    // While it starts.
    tasks = [network.task(0), network.task(1), network.task(0), network.task(2)]
    await network.assign(...tasks)
    await network.settle([tasks[0]!, tasks[3]!], [tasks[1]!])
    await anvil.travel(400)
    await network.recall(tasks[1]!)
    await network.assign(tasks[1]!, tasks[0]!)
    await indexer.reached(network)
  })
  after(async () => {
    await indexer?.stop()
    await anvil?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const sum = (values: readonly bigint[]): bigint => values.reduce((total, value) => total + value, 0n)

  /** Every list of the index against the logs of the chain. */
  async function expectChain(): Promise<void> {
    const { client, deployment } = network
    const read = { fromBlock: 0n, strict: true } as const
    const of = (name: string) => ({ address: addressOf(deployment, name), ...read })
    const [assigned, settled, recalled, skipped] = await Promise.all(
      (['TaskAssigned', 'TaskSettled', 'TaskRecalled', 'TaskSkipped'] as const).map((eventName) =>
        client.getContractEvents({ ...of('TaskManager'), abi: taskManagerAbi, eventName }),
      ),
    )
    const [paid, refused, moved, bound] = await Promise.all([
      client.getContractEvents({ ...of('TaskEscrow'), abi: taskEscrowAbi, eventName: 'TaskPaid' }),
      client.getContractEvents({ ...of('Router'), abi: routerAbi, eventName: 'ItemRefused' }),
      client.getContractEvents({ ...of('IoID'), abi: ioIDAbi, eventName: 'Transfer' }),
      client.getContractEvents({ ...of('DataKeyRegistry'), abi: dataKeyRegistryAbi, eventName: 'DataKeyBound' }),
    ])

    const shown = await indexer.all<IndexTask>('/v1/tasks')
    type Logs = GetContractEventsReturnType<typeof taskManagerAbi, 'TaskAssigned' | 'TaskSettled' | 'TaskRecalled' | 'TaskSkipped', true>
    const idsOf = (logs: Logs | undefined): Hex[] => logs!.map(({ args }) => args.taskId)
    expect(shown.map(({ id }) => id)).to.have.members([...new Set(idsOf(assigned))])
    for (const task of shown) {
      const own = assigned!.filter(({ args }) => args.taskId === task.id)
      const state = idsOf(settled).includes(task.id)
        ? 'settled'
        : own.length > idsOf(recalled).filter((id) => id === task.id).length
          ? 'assigned'
          : 'recalled'
      const [last, pay] = [own.at(-1)!, paid.find(({ args }) => args.taskId === task.id)]
      expect(task).to.include({ state, assignments: own.length, assignedTx: last.transactionHash, prover: network.prover })
      expect([task.pay, task.wallet]).to.deep.equal([pay?.args.devicePay.toString() ?? null, pay?.args.wallet.toLowerCase() ?? null])
      expect(
        tasks.some(
          ({ id, device, window, root }) => id === task.id && device === task.device && window === task.window && root === task.root,
        ),
      ).to.be.true
    }
    expect((await indexer.all<IndexTask>('/v1/tasks?state=settled', 1)).map(({ id }) => id)).to.have.members(idsOf(settled))
    expect(await indexer.all<IndexTask>(`/v1/tasks?prover=${network.prover}`)).to.deep.equal(shown)

    const payments = await indexer.all<IndexPayment>('/v1/payments')
    expect(payments.map(({ taskId, amount, tx }) => [taskId, amount, tx])).to.have.deep.members(
      paid.map(({ args, transactionHash }) => [args.taskId, args.devicePay.toString(), transactionHash]),
    )
    const refusals = await indexer.all<IndexRefusal>('/v1/refusals')
    expect(refusals.map(({ taskId, of: what }) => [taskId, what])).to.have.deep.members([
      ...refused.map(({ args }) => [args.taskId, 'proof']),
      ...idsOf(skipped).map((id) => [id, 'assignment']),
    ])

    const devices = await indexer.all<IndexDevice>('/v1/devices')
    const minted = moved.filter(({ args }) => BigInt(args.from) === 0n)
    expect(devices.map(({ tokenId }) => tokenId)).to.deep.equal(minted.map(({ args }) => args.tokenId.toString()))
    for (const { device, tokenId, owner, status, wallet, projectId } of devices) {
      const history = await indexer.get<IndexDeviceHistory>(`/v1/devices/${device}`)
      const steps = moved.filter(({ args }) => args.tokenId.toString() === tokenId)
      expect(history.transfers.map(({ tx, to }) => [tx, to]).reverse()).to.deep.equal(
        steps.map(({ transactionHash, args }) => [transactionHash, args.to.toLowerCase()]),
      )
      const gone = BigInt(steps.at(-1)!.args.to) === 0n
      expect({ status, owner }).to.deep.equal(
        gone
          ? { status: 'removed', owner: steps.at(-1)!.args.from.toLowerCase() }
          : { status: 'live', owner: steps.at(-1)!.args.to.toLowerCase() },
      )
      expect(wallet).to.equal(
        (await client.readContract({ ...of('IoID'), abi: ioIDAbi, functionName: 'walletOf', args: [BigInt(tokenId)] })).toLowerCase(),
      )
      if (!gone)
        expect(projectId).to.equal(
          (await client.readContract({ ...of('IoID'), abi: ioIDAbi, functionName: 'deviceProject', args: [device] })).toString(),
        )
      expect(history.dataKeys.map(({ commitment }) => commitment)).to.have.members(
        bound.flatMap(({ args }) => (args.tokenId.toString() === tokenId ? [args.commitment.toString()] : [])),
      )
      const own = paid.filter(({ args }) => args.wallet.toLowerCase() === wallet)
      expect(sum(Object.values(history.paid).map(BigInt))).to.equal(sum(own.map(({ args }) => args.devicePay)))
    }

    const totals = await indexer.get<IndexTotals>('/v1/totals')
    const count = (state: string): number => shown.filter((task) => task.state === state).length
    expect(totals.tasks).to.deep.equal({ assigned: count('assigned'), settled: count('settled'), recalled: count('recalled') })
    expect(totals).to.include({ devices: devices.filter(({ status }) => status === 'live').length, registered: devices.length })
    expect(totals).to.include({ recalls: recalled!.length, readings: settled!.length * 64 })
    expect(sum(Object.values(totals.paid).map(BigInt))).to.equal(sum(paid.map(({ args }) => args.devicePay)))
    const gasOf = async (logs: readonly { transactionHash: Hex }[]): Promise<string> => {
      const hashes = [...new Set(logs.map(({ transactionHash }) => transactionHash))]
      return sum((await Promise.all(hashes.map((hash) => client.getTransactionReceipt({ hash })))).map(({ gasUsed }) => gasUsed)).toString()
    }
    expect(totals.gas).to.deep.equal({ assign: await gasOf(assigned!), settle: await gasOf(settled!) })
    const [prover] = await indexer.all<IndexProver>('/v1/provers')
    expect(prover).to.include({ assigned: assigned!.length, settled: settled!.length, recalled: recalled!.length, capacity: 32 })
    expect(Object.values(prover!.earned).map(Number)).to.deep.equal(settled!.length === 0 ? [] : [settled!.length * 100])
  }

  it('says what the logs of the chain say, and what the calls said that the logs leave out', async () => {
    await expectChain()
    const { reason, of } = (await indexer.all<IndexRefusal>('/v1/refusals')).at(-1)!
    expect({ reason, of }).to.deep.equal({ reason: 'BadProof', of: 'proof' })
    expect((await indexer.get<IndexTotals>('/v1/totals')).refused).to.deep.equal({ BadProof: 1, AlreadyAssigned: 1 })
    const changes = (await indexer.get<IndexProverHistory>(`/v1/provers/${network.prover}`)).changes
    expect(changes.map(({ change }) => change)).to.deep.equal(['capacity', 'capacity', 'beneficiary', 'registered'])

    // The verifier took exactly these signals with exactly this proof.
    const proof = await indexer.get<IndexProof>(`/v1/proofs/${tasks[3]!.id}`)
    const signed = encodeAbiParameters(
      [{ type: 'bytes32' }, { type: 'uint256[]' }],
      [keccak256(stringToBytes('key')), proof.signals!.map(BigInt)],
    )
    expect(proof.points[0]).to.equal(BigInt(keccak256(signed)).toString())
    expect(proof.statistics).to.include({ count: 64, above: 32, max: 5_200 })
    expect(proof).to.include({ items: 3 })
  })

  it('follows transfers and removals', async () => {
    await network.transfer(2, stranger)
    await network.remove(1)
    await indexer.reached(network)
    await expectChain()
    expect(await indexer.all<IndexDevice>(`/v1/devices?owner=${stranger}`)).to.have.length(1)
  })

  it('answers what is asked for and nothing else, at its own door only', async () => {
    const refused = async (path: string): Promise<string> => {
      const response = await fetch(`${indexer.url}${path}`)
      const { error } = (await response.json()) as { error: { code: string; message: string } }
      return `${response.status} ${error.code}`
    }
    for (const query of ['limit=0', 'limit=201', 'limit=x', 'after=x', 'state=open', 'device=0x12', 'limt=3'])
      expect(await refused(`/v1/tasks?${query}`), query).to.equal('400 BAD_REQUEST')
    expect(await refused(`/v1/devices/${stranger}`)).to.equal('404 NOT_FOUND')
    expect(await refused('/v1/proofs/0x12')).to.equal('400 BAD_REQUEST')
    expect((await fetch(`${indexer.ponder()}/v1/totals`)).status).to.equal(403)
    expect((await fetch(`${indexer.ponder()}/graphql`)).status).to.equal(403)
    const asHost = await new Promise<number>((resolve, reject) => {
      const asked = request(`${indexer.url}/v1/totals`, { headers: { host: 'evil.example' } }, ({ statusCode = 0 }) => resolve(statusCode))
      asked.on('error', reject).end()
    })
    expect(asHost).to.equal(421)
    const body = JSON.stringify({ query: '{ tasks(where: { state: "settled" }) { items { id } } }' })
    const answer = await fetch(`${indexer.url}/graphql`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const { data } = (await answer.json()) as { data: { tasks: { items: unknown[] } } }
    expect(data.tasks.items).to.have.length(2)
  })

  it('takes back what a reorganisation took back', async () => {
    const [kept, lost] = [network.task(0), network.task(2)]
    tasks.push(kept, lost)
    await network.assign(kept, lost)
    await network.settle([kept])
    await network.settle([lost])
    await indexer.reached(network)
    expect((await indexer.get<IndexTotals>('/v1/totals')).tasks.settled).to.equal(4)
    await anvil.reorg(1)
    await anvil.mine(2)
    await indexer.until('the reorganisation was not seen', async () => (await indexer.get<IndexTotals>('/v1/totals')).tasks.settled === 3)
    await indexer.reached(network)
    await expectChain()
  })

  it('goes on after kill -9, and its Ponder does not outlive it', async () => {
    const before = indexer.ponder()
    await indexer.stop('SIGKILL')
    await indexer.until(
      'Ponder outlived its service',
      () =>
        fetch(`${before}/health`).then(
          () => false as const,
          () => true,
        ),
      10,
    )
    const more = network.task(0)
    tasks.push(more)
    await network.assign(more)
    await network.settle([more])
    indexer.start()
    const { generation } = await indexer.reached(network)
    expect(generation).to.equal(0)
    await expectChain()
  })

  // Another start of Ponder, and 70 blocks.
  if (process.env['TRELLIS_DEEP'] === '1')
    it('begins anew after a reorganisation deeper than it can take back', async () => {
      await anvil.mine(35)
      await indexer.reached(network)
      await anvil.reorg(34)
      await anvil.mine(3)
      await indexer.until('the deep reorganisation was not seen', async () => (await indexer.status())?.generation === 1)
      await indexer.reached(network)
      await expectChain()
    })

  it('empties itself at a reset, also one to the same height, waits for the new deployment, and takes nothing of the old for it', async function () {
    // In PostgreSQL, where Ponder keeps what it read by chain id, for all that read chains of that id.
    for (const program of ['initdb', 'postgres'] as const) needs(this, program)
    const postgres = await startPostgres()
    await indexer.stop()
    const second = join(folder, 'second')
    mkdirSync(second)
    const chain = { rpcUrl: anvil.rpcUrl, addressesFile: network.addressesFile, pollMs: 100 }
    indexer = new Indexer(second, await freePort(), { chain, databaseUrl: postgres.url })
    try {
      indexer.start()
      const { genesisHash } = await indexer.reached(network)
      await expectChain()
      const [height, { port }] = [await anvil.blockNumber(), anvil]
      await anvil.stop()
      anvil = await startAnvil(this, { port, timestamp: Math.floor(Date.now() / 1000) - 4_000 })
      await anvil.mine(height)
      const waiting = await indexer.until('the reset was not seen', async () => {
        const status = await indexer.status()
        return status !== undefined && status.genesisHash !== genesisHash && !status.ready && status
      })
      expect(waiting).to.include({ block: null, reason: 'the chain is not the one of the deployment' })
      expect((await fetch(`${indexer.url}/v1/totals`)).status).to.equal(503)
      rmSync(join(folder, 'addresses'), { recursive: true })
      network = await startSettledNetwork(anvil.rpcUrl, folder, 1)
      tasks = [network.task(0)]
      await network.assign(...tasks)
      await indexer.reached(network)
      await expectChain()
    } finally {
      await indexer.stop()
      await postgres.remove()
    }
  })
})
