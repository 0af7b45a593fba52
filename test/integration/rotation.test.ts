// SPDX-License-Identifier: Apache-2.0
/** The keys of a coordinator and a prover change while they work: the same processes go on with the new ones, and no window is lost or paid twice. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { bytesToHex, createWalletClient, http, parseAbi, parseAbiItem, type Abi, type Hex } from 'viem'
import { hardhat } from 'viem/chains'
import { projectStoreAbi, proverStoreAbi, taskManagerAbi } from '../../agents/protocol/generated/abi.ts'
import type { WindowItemJson } from '../../agents/protocol/lease.ts'
import { freePort, kill, startChain, type LocalChain } from './support/chain.ts'
import { account, deployMarket, type Market } from './support/market.ts'
import { startStore } from './support/store.ts'

const runner = join(import.meta.dirname, 'support/run.ts')
const settled = 2
const identityAbi = parseAbi(['function rotate(address device, address newSigner)'])
const taskAssigned = parseAbiItem(
  'event TaskAssigned(uint256 indexed projectId, bytes32 indexed taskId, address indexed prover, uint256 deadline)',
)
const taskSettled = parseAbiItem('event TaskSettled(uint256 indexed projectId, bytes32 indexed taskId, address prover)')

interface Running {
  child: ChildProcess
  url: string
  output: () => string
}

describe('rotation of keys', function () {
  this.timeout(120_000)
  let chain: LocalChain
  let market: Market
  let folder: string
  let store: Awaited<ReturnType<typeof startStore>>
  const children: ChildProcess[] = []

  before(async () => {
    chain = await startChain()
    folder = mkdtempSync(join(tmpdir(), 'trellis-rotation-'))
    market = await deployMarket(chain.rpcUrl, folder)
    store = await startStore()
  })
  after(async () => {
    await Promise.all(children.map((child) => kill(child)))
    await store.stop()
    await chain.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const secret = (index: number): Hex => bytesToHex(account(index).getHdKey().privateKey!)
  /** As an operator swaps a key file: whole, by a rename. */
  const swap = (file: string, index: number): void => {
    writeFileSync(`${file}.new`, secret(index), { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }
  const configure = (file: string, config: object): void => writeFileSync(file, JSON.stringify(config))
  const launch = async (name: string, config: object, ...mode: string[]): Promise<Running & { file: string; config: object }> => {
    const port = await freePort()
    const file = join(folder, `${name}.json`)
    const { rpcUrl } = chain
    const whole = { http: { port }, chain: { rpcUrl, addressesFile: market.addressesFile, pollMs: 50 }, logLevel: 'debug', ...config }
    configure(file, whole)
    const child = spawn(process.execPath, [runner, name, file, ...mode], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    return { child, url: `http://127.0.0.1:${port}`, output: () => output, file, config: whole }
  }
  const until = async (what: string, done: () => boolean | Promise<boolean>, ...running: Running[]): Promise<void> => {
    const limit = Date.now() + 60_000
    while (!(await done())) {
      if (Date.now() > limit) throw new Error(`${what}: not in time\n${running.map((one) => one.output().slice(-5_000)).join('\n---\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const write = async (abi: Abi, address: Hex, functionName: string, args: unknown[]): Promise<void> => {
    const wallet = createWalletClient({ chain: hardhat, transport: http(chain.rpcUrl), account: account(0) })
    const hash = await wallet.writeContract({ abi, address, functionName, args })
    expect((await market.client.waitForTransactionReceipt({ hash, pollingInterval: 20 })).status).to.equal('success')
  }
  const allow = async (index: number, allowed: boolean): Promise<void> => {
    const { address } = account(index)
    await write(taskManagerAbi as Abi, market.addresses['TaskManager']!, allowed ? 'addOperator' : 'removeOperator', [address])
    await write(projectStoreAbi as Abi, market.addresses['ProjectStore']!, 'setCoordinator', [7n, address, allowed])
  }
  const windows = (count: number): WindowItemJson[] => {
    const items = Array.from({ length: count }, (_, i) => market.window(i % 4, { count: 1 + ((i * 7) % 64) }))
    store.add(...items)
    return items
  }
  const allSettled = async (items: WindowItemJson[]): Promise<boolean> =>
    (await Promise.all(items.map((item) => market.stateOf(item)))).every((state) => state === settled)
  /** Who sent the assignment of each task. */
  const assigners = async (items: WindowItemJson[]): Promise<Set<Hex>> => {
    const ids = new Set<string>(items.map((item) => market.taskId(item)))
    const logs = await market.client.getLogs({ address: market.addresses['TaskManager']!, event: taskAssigned, fromBlock: 0n })
    const found = logs.filter((log) => ids.has(log.args.taskId ?? ''))
    const transactions = await Promise.all(found.map((log) => market.client.getTransaction({ hash: log.transactionHash })))
    return new Set(transactions.map((transaction) => transaction.from))
  }
  const at = (index: number): Hex => account(index).address.toLowerCase() as Hex

  it('of a coordinator, from file to file and from file to remote signer, and of a prover, lose nothing and pay nothing twice', async () => {
    await market.addProver(3)
    const [coordinatorKey, proverKey] = [join(folder, 'coordinator key'), join(folder, 'prover key')]
    swap(coordinatorKey, 1)
    swap(proverKey, 3)
    const c = await launch('coordinator', {
      dataFolder: join(folder, 'coordinator'),
      key: { keyFile: coordinatorKey },
      gatewayUrls: [store.url],
      projects: ['7'],
      pullMs: 50,
      settleWaitMs: 100,
      reconcileSeconds: 1,
    })
    const p = await launch(
      'prover',
      { dataFolder: join(folder, 'prover'), key: { keyFile: proverKey }, coordinatorUrls: [c.url] },
      'slow:100',
    )
    await until(
      'ready',
      () =>
        fetch(`${c.url}/ready`).then(
          ({ ok }) => ok,
          () => false,
        ),
      c,
    )
    const first = windows(8)
    await until('some settled', async () => (await market.settlements()).size > 0, c, p)

    // 1. The chain learns of the new key, the file is swapped, the process is told; then the chain forgets the old key.
    await allow(5, true)
    swap(coordinatorKey, 5)
    c.child.kill('SIGHUP')
    await until('the new key', () => c.output().includes('the key changed'), c)
    await allow(1, false)
    const second = windows(6)
    await until('settled with the new key', () => allSettled([...first, ...second]), c, p)
    expect(await assigners(second)).to.deep.equal(new Set([at(5)]))

    // 2. To a key in another process, before the chain knows it: that is said, and work goes on once the chain does.
    const port = await freePort()
    configure(join(folder, 'signer.json'), { port, keys: [secret(6)] })
    const signer = spawn(process.execPath, [join(import.meta.dirname, 'support/remote-signer.ts'), join(folder, 'signer.json')])
    children.push(signer)
    await new Promise((resolve) => signer.stdout.once('data', resolve))
    configure(c.file, { ...c.config, key: { remoteSigner: { url: `http://127.0.0.1:${port}`, address: at(6) } } })
    c.child.kill('SIGHUP')
    await until('the remote key', () => c.output().includes(account(6).address) || c.output().includes(at(6)), c)
    const third = windows(6)
    await until('the refusal', () => c.output().includes('KEY_NOT_AUTHORISED') && c.output().includes('setCoordinator'), c)
    await allow(6, true)
    await until('settled with the remote key', () => allSettled(third), c, p)
    expect(await assigners(third)).to.deep.equal(new Set([at(6)]))

    // 3. The prover: told of the new key first, it says what is missing and finishes what the old key holds; the owner then rotates the ioID's key.
    const fourth = windows(6)
    await until(
      'leased',
      () =>
        market.client
          .readContract({ abi: proverStoreAbi, address: market.addresses['ProverStore']!, functionName: 'inflight', args: [at(3)] })
          .then((n) => n > 0),
      c,
      p,
    )
    swap(proverKey, 8)
    p.child.kill('SIGHUP')
    await until('the refusal', () => p.output().includes('KEY_NOT_AUTHORISED') && p.output().includes('IoIDRegistry.rotate'), p)
    await write(identityAbi as Abi, market.addresses['IoIDRegistry']!, 'rotate', [`0x${'e'.repeat(38)}03`, account(8).address])
    const fifth = windows(6)
    const all = [...first, ...second, ...third, ...fourth, ...fifth]
    await until('settled with both prover keys', () => allSettled(all), c, p)
    await until('the old key is put away', () => p.output().includes('the old key has nothing left to do'), p)

    const logs = await market.client.getLogs({ address: market.addresses['TaskManager']!, event: taskSettled, fromBlock: 0n })
    expect(logs.map((log) => log.args.taskId).sort()).to.deep.equal(all.map((item) => market.taskId(item)).sort())
    const provers = new Set(logs.map((log) => log.args.prover?.toLowerCase()))
    expect(provers).to.deep.equal(new Set([at(3), at(8)]))
    expect([c.child.exitCode, p.child.exitCode]).to.deep.equal([null, null])
    // Nothing had to be recalled: each was assigned once.
    expect((await market.assignments()).length).to.equal(all.length)
  })

  it('keeps the key in use when the new one cannot be read', async () => {
    await market.addProver(4)
    const file = join(folder, 'torn key')
    swap(file, 4)
    const p = await launch('prover', {
      dataFolder: join(folder, 'prover 4'),
      key: { keyFile: file },
      coordinatorUrls: ['http://127.0.0.1:9'],
    })
    await until('started', () => p.output().includes('"started"'), p)
    writeFileSync(file, 'torn')
    p.child.kill('SIGHUP')
    await until('the refusal', () => p.output().includes('not reloaded') && p.output().includes('KEY_UNREADABLE'), p)
    p.child.kill('SIGTERM')
    await until('a clean end', () => p.child.exitCode !== null, p)
    expect(p.child.exitCode).to.equal(0)
  })
})
