// SPDX-License-Identifier: Apache-2.0
/** New logic on a network that runs: with the waits of a public network, killed at every step, nothing of the state changed, and the way back. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  createPublicClient,
  createWalletClient,
  encodeDeployData,
  encodeFunctionData,
  http,
  parseAbi,
  type Abi,
  type Address,
  type Hex,
} from 'viem'
import { hardhat } from 'viem/chains'
import { ProjectOwner } from '../../agents/cli/local/project-owner.ts'
import { signRegistration } from '../../agents/cli/local/offer.ts'
import { proverStoreAbi } from '../../agents/protocol/generated/abi.ts'
import { artifactFolder, type ArtifactSource } from '../../deploy/artifacts.ts'
import { Deployer } from '../../deploy/deployer.ts'
import { type Network, readNetwork } from '../../deploy/network.ts'
import { GOVERNED_PROXIES, ROLES } from '../../deploy/roles.ts'
import { deploySuite, type SuiteResult } from '../../deploy/suite.ts'
import { freePort, kill, startChain, type LocalChain } from './support/chain.ts'
import { account, deployMarket } from './support/market.ts'
import { startStore } from './support/store.ts'

class Killed extends Error {}

const root = join(import.meta.dirname, '../..')
const present = artifactFolder(join(root, 'artifacts'))
/** The next version of this source. */
const next: ArtifactSource = { read: (name) => present.read(name === 'ProverStore' ? 'ProverStoreNext' : name) }
const days = 86_400
const [deployer, administrator, guardian, prover, stranger] = [account(0), account(7), account(8), account(9), account(11)]
const upgradeAbi = parseAbi(['function upgradeToAndCall(address newImplementation, bytes data) payable'])

describe('upgrade of a running network', function () {
  this.timeout(120_000)
  let chain: LocalChain
  let folder: string
  let network: Network
  let first: SuiteResult
  let owner: ProjectOwner
  let hand: Deployer

  before(async () => {
    chain = await startChain()
    folder = mkdtempSync(join(tmpdir(), 'trellis-upgrade-'))
    // The roles of a public network, on the local chain.
    const waits = { administratorDelaySeconds: 3 * days, upgradeDelaySeconds: 2 * days }
    const holders = { administrator: administrator.address, upgrader: deployer.address, guardian: guardian.address }
    network = { ...readNetwork('localhost', { rpc: chain.rpcUrl }), ...waits, ...holders }
    first = await deploy()
    await populate()
  })
  after(async () => {
    await chain.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const deploy = (more: Partial<Parameters<typeof deploySuite>[0]> = {}): Promise<SuiteResult> =>
    deploySuite({ network, stateFolder: folder, ...more })
  const at = (name: string): Address => first.contracts.get(name)!.address
  const file = (): { former?: Record<string, Address[]>; contracts: Record<string, { address: Address }> } =>
    JSON.parse(readFileSync(first.file, 'utf8')) as never
  const wallet = (from: typeof deployer) =>
    createWalletClient({ chain: hardhat, transport: http(chain.rpcUrl), account: from, pollingInterval: 25, cacheTime: 0 })
  const manage = async (from: typeof deployer, functionName: string, args: readonly unknown[]): Promise<void> => {
    const abi = present.read('AccessManager').abi
    const call = { abi, address: at('AccessManager'), functionName, args, account: from } as const
    await hand.client.simulateContract(call)
    await hand.client.waitForTransactionReceipt({ hash: await wallet(from).writeContract(call) })
  }
  const refused = async (work: Promise<unknown>, reason: string): Promise<void> => {
    const text = await work.then(
      () => 'it was let through',
      (error: unknown) => `${(error as Error).message} ${(error as { code?: string }).code ?? ''}`,
    )
    expect(text).to.contain(reason)
  }
  const upgradeCall = (to: Address): Hex => encodeFunctionData({ abi: upgradeAbi, functionName: 'upgradeToAndCall', args: [to, '0x'] })

  /** A project with a registered device that is also a prover, terms-less, and money in escrow. */
  async function populate(): Promise<void> {
    const client = new Deployer({
      client: createPublicClient({ chain: hardhat, transport: http(chain.rpcUrl), pollingInterval: 25, cacheTime: 0 }),
      wallet: wallet(deployer),
      artifacts: present,
      confirmations: 1,
    })
    hand = client
    owner = new ProjectOwner(client, Object.fromEntries([...first.contracts].map(([name, { address }]) => [name, address])))
    const project = await owner.project('upgraded')
    const deviceContract = await owner.collection(project, 'Devices', 1)
    const deadline = BigInt(Math.floor(Date.now() / 1000) + 30 * days)
    const request = {
      deviceContract,
      tokenId: 1n,
      user: owner.address,
      hash: `0x${'12'.repeat(32)}`,
      uri: 'u',
      nonce: 0n,
      deadline,
    } as const
    const place = { chainId: 31337, ioIDRegistry: owner.at('IoIDRegistry') }
    await owner.register(await signRegistration(prover, place, request))
    await owner.write('ProjectStore', 'bind', [project])
    const store = { abi: proverStoreAbi, address: at('ProverStore') } as const
    for (const call of [
      { ...store, functionName: 'register', args: [prover.address] },
      { ...store, functionName: 'setCapacity', args: [5] },
      { ...store, functionName: 'addVMType', args: [7n] },
    ] as const) {
      await client.client.waitForTransactionReceipt({ hash: await wallet(prover).writeContract(call as never) })
    }
    await owner.write('TestToken', 'mint', [owner.address, 1_000n])
    await owner.write('TestToken', 'approve', [at('TaskEscrow'), 1_000n])
    await owner.write('TaskEscrow', 'deposit', [project, at('TestToken'), 1_000n])
  }

  /** What the contracts say of device, prover, project and money. */
  const state = async (): Promise<unknown[]> => {
    const reads: [string, string, readonly unknown[]][] = [
      ['IoIDRegistry', 'signerOf', [prover.address]],
      ['IoIDRegistry', 'deviceOfSigner', [prover.address]],
      ['IoIDRegistry', 'deviceTokenId', [prover.address]],
      ['IoIDRegistry', 'documentHash', [prover.address]],
      ['IoID', 'ownerOf', [1n]],
      ['IoID', 'wallet', [1n]],
      ['Project', 'ownerOf', [1n]],
      ['ProjectStore', 'isValidProject', [1n]],
      ['ProverStore', 'beneficiary', [prover.address]],
      ['ProverStore', 'capacityOf', [prover.address]],
      ['ProverStore', 'lastHeartbeat', [prover.address]],
      ['ProverStore', 'deviceOf', [prover.address]],
      ['ProverStore', 'isVMTypeSupported', [prover.address, 7n]],
      ['ProverStore', 'taskManager', []],
      ['ProverStore', 'heartbeatTtl', []],
      ['TaskManager', 'router', []],
      ['TaskEscrow', 'balanceOf', [at('TestToken'), 1n]],
    ]
    return Promise.all(reads.map(([contract, name, args]) => owner.read(contract, name, args)))
  }

  it('gives nobody a moment in which upgrades do not wait', async () => {
    const logic = at('ProverStoreImplementation')
    const direct = (from: typeof deployer): Promise<unknown> =>
      hand.client.call({ account: from.address, to: at('ProverStore'), data: upgradeCall(logic) })
    for (const from of [deployer, administrator, guardian, stranger]) await refused(direct(from), 'AccessManage')
    await refused(manage(administrator, 'grantRole', [ROLES.UPGRADER, administrator.address, 0]), 'AccessManager')
    await refused(manage(administrator, 'setTargetFunctionRole', [at('ProverStore'), ['0x4f1ef286'], ROLES.ADMINISTRATOR]), 'AccessManager')
    await refused(manage(administrator, 'updateAuthority', [at('ProverStore'), administrator.address]), 'AccessManager')
    await refused(manage(deployer, 'grantRole', [ROLES.UPGRADER, stranger.address, 0]), 'AccessManager')

    // The administrator's own way takes as long as it is said to, and is seen coming.
    const id = await chain.rpc<string>('evm_snapshot')
    const grant = encodeFunctionData({
      abi: present.read('AccessManager').abi,
      functionName: 'grantRole',
      args: [ROLES.UPGRADER, administrator.address, 0],
    })
    await manage(administrator, 'schedule', [at('AccessManager'), grant, 0])
    await chain.travel(2 * days)
    await refused(manage(administrator, 'execute', [at('AccessManager'), grant]), 'AccessManagerNotReady')
    await chain.travel(days)
    await manage(administrator, 'execute', [at('AccessManager'), grant])
    await direct(administrator)
    await chain.rpc('evm_revert', [id])

    // The guardian ends a scheduled upgrade.
    const again = await chain.rpc<string>('evm_snapshot')
    await manage(deployer, 'schedule', [at('ProverStore'), upgradeCall(logic), 0])
    await refused(manage(stranger, 'cancel', [deployer.address, at('ProverStore'), upgradeCall(logic)]), 'AccessManagerUnauthorizedCancel')
    await manage(guardian, 'cancel', [deployer.address, at('ProverStore'), upgradeCall(logic)])
    await chain.travel(3 * days)
    await refused(manage(deployer, 'execute', [at('ProverStore'), upgradeCall(logic)]), 'AccessManagerNotScheduled')
    await chain.rpc('evm_revert', [again])
  })

  it('is refused when the roles on the chain are others than the file’s', async () => {
    await refused(deploy({ network: { ...network, administratorDelaySeconds: 4 * days } }), 'ROLES_DIFFER')
    await refused(deploy({ network: { ...network, guardian: stranger.address } }), 'AccessManager')
    expect((await deploy()).sent).to.equal(0)
  })

  it('schedules, waits and runs over kills at every step, changes no state, and goes back', async () => {
    const before = await state()
    const old = at('ProverStoreImplementation')
    /** Runs that are killed after each transaction, until one has nothing to send. */
    const insist = async (options: Parameters<typeof deploy>[0]): Promise<SuiteResult> => {
      for (let run = 0; run < 10; run += 1) {
        try {
          return await deploy({
            ...options,
            onStep: ({ sent }) => {
              if (sent) throw new Killed()
            },
          })
        } catch (error) {
          if (!(error instanceof Killed)) throw error
        }
      }
      throw new Error('it never ends')
    }
    await refused(deploy({ backOut: true }), 'NOTHING_TO_BACK_OUT')
    const waiting = await insist({ artifacts: next })
    expect(waiting.upgrades.map(({ name, state: is }) => [name, is])).to.deep.equal([['ProverStore', 'waiting']])
    const now = Number((await hand.client.getBlock()).timestamp)
    expect(waiting.upgrades[0]!.due).to.be.greaterThan(now + 2 * days - 60)
    expect(await hand.implementationOf(at('ProverStore'))).to.equal(old)
    expect(file().contracts['ProverStoreImplementation']!.address).to.equal(old)
    expect(await state()).to.deep.equal(before)

    await chain.travel(2 * days)
    const done = await insist({ artifacts: next })
    // The run that was killed after the transaction had done it; this one writes it down.
    expect(done.upgrades).to.deep.equal([])
    const to = await hand.implementationOf(at('ProverStore'))
    expect(to).to.equal(file().contracts['ProverStoreImplementation']!.address).and.not.to.equal(old)
    expect(file().former).to.deep.equal({ ProverStore: [old] })
    expect(await state()).to.deep.equal(before)
    const released = parseAbi(['function releasedBy(address) view returns (uint256)'])
    const counted = { abi: released, address: at('ProverStore'), functionName: 'releasedBy', args: [prover.address] } as const
    expect(await hand.client.readContract(counted)).to.equal(0n)
    for (const name of GOVERNED_PROXIES) expect(file().contracts[name]!.address).to.equal(at(name))

    // The older source would lose the new field: it is refused before anything is sent. The way back is said, not guessed.
    await refused(deploy(), 'LAYOUT_INCOMPATIBLE')
    expect((await insist({ artifacts: next, backOut: true })).upgrades[0]).to.include({ state: 'waiting', from: to, to: old })
    await chain.travel(2 * days)
    const back = await deploy({ artifacts: next, backOut: true })
    expect(back.upgrades[0]).to.include({ state: 'done', to: old })
    expect(await hand.implementationOf(at('ProverStore'))).to.equal(old)
    expect(file().contracts['ProverStoreImplementation']!.address).to.equal(old)
    expect(file().former).to.equal(undefined)
    expect(await state()).to.deep.equal(before)
  })

  it('leaves open tasks to settle under the new logic', async () => {
    const own = join(folder, 'market')
    const market = await deployMarket(chain.rpcUrl, own)
    const store = await startStore()
    const children: ChildProcess[] = []
    try {
      await market.addProver(3)
      const url = `http://127.0.0.1:${await freePort()}`
      const start = async (name: string, config: object, ...mode: string[]): Promise<void> => {
        const common = { chain: { rpcUrl: chain.rpcUrl, addressesFile: market.addressesFile, pollMs: 50 }, logLevel: 'warn' }
        writeFileSync(join(own, `${name}.json`), JSON.stringify({ ...common, ...config }))
        const runner = join(import.meta.dirname, 'support/run.ts')
        children.push(spawn(process.execPath, [runner, name, join(own, `${name}.json`), ...mode], { stdio: 'ignore' }))
      }
      const loops = { pullMs: 50, settleWaitMs: 50, reconcileSeconds: 1 }
      await start('coordinator', {
        ...{ ...loops, dataFolder: join(own, 'c'), http: { port: Number(new URL(url).port) }, projects: ['7'] },
        ...{ key: { keyFile: market.keyFile(1) }, gatewayUrls: [store.url] },
      })
      const held = {
        dataFolder: join(own, 'p'),
        http: { port: await freePort() },
        key: { keyFile: market.keyFile(3) },
        coordinatorUrls: [url],
      }
      await start('prover', held, 'slow:300')
      const items = Array.from({ length: 8 }, (_, i) => market.window(i % 4))
      store.add(...items)
      const provers = { abi: proverStoreAbi, address: market.addresses['ProverStore']! } as const
      const until = async (what: string, done: () => Promise<boolean>): Promise<void> => {
        for (const limit = Date.now() + 60_000; !(await done()); await new Promise((resolve) => setTimeout(resolve, 20)))
          if (Date.now() > limit) throw new Error(`${what}: not in time`)
      }
      const inflight = () => market.client.readContract({ ...provers, functionName: 'inflight', args: [account(3).address] })
      await until('open tasks', async () => (await inflight()) > 3)

      const { abi, bytecode } = next.read('ProverStore')
      const data = encodeDeployData({ abi, bytecode, args: [market.addresses['IoIDRegistry']] })
      const created = await hand.client.waitForTransactionReceipt({ hash: await wallet(deployer).sendTransaction({ data }) })
      const call = { to: provers.address, data: upgradeCall(created.contractAddress!) }
      const open = await inflight()
      const upgraded = await hand.client.waitForTransactionReceipt({ hash: await wallet(deployer).sendTransaction(call) })
      expect([upgraded.status, open > 0]).to.deep.equal(['success', true])

      await until('settled', async () => (await Promise.all(items.map((item) => market.stateOf(item)))).every((is) => is === 2))
      expect([...(await market.settlements()).values()]).to.deep.equal(items.map(() => 1))
      expect(await inflight()).to.equal(0)
      const released = { abi: abi as Abi, address: provers.address, functionName: 'releasedBy', args: [account(3).address] }
      expect(Number(await market.client.readContract(released))).to.be.within(1, items.length)
    } finally {
      await Promise.all(children.map((child) => kill(child)))
      await store.stop()
    }
  })
})
