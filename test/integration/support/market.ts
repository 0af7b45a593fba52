// SPDX-License-Identifier: Apache-2.0
/** The real proof market on a local chain, over doubles of identity and verifier, with windows that real data keys signed. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  createPublicClient,
  createWalletClient,
  defineChain,
  encodeFunctionData,
  getContract,
  http,
  keccak256,
  stringToBytes,
  zeroAddress,
  type Abi,
  type Hex,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { bytesToHex } from 'viem/utils'
import { expandSecret, signPoseidon } from '../../../agents/crypto/eddsa.ts'
import { channelIdOf, deviceId, programIdOf, projectId, taskIdOf, type TaskId } from '../../../agents/protocol/ids.ts'
import type { WindowItemJson } from '../../../agents/protocol/lease.ts'
import {
  encodeDataSignature,
  keyCommitment,
  lanesToHex,
  packWindow,
  readingsRoot,
  rootToHex,
  windowMessage,
} from '../../../agents/protocol/window.ts'
import { projectStoreAbi, proverStoreAbi, taskEscrowAbi, taskManagerAbi } from '../../../agents/protocol/generated/abi.ts'

const root = join(import.meta.dirname, '../../..')
const mnemonic = 'test test test test test test test test test test test junk'
export const keyId = keccak256(stringToBytes('key'))
export const project = projectId(7)
export const channel = 'humidity'

export const account = (index: number) => mnemonicToAccount(mnemonic, { addressIndex: index })

interface Artifact {
  abi: Abi
  bytecode: Hex
}

function artifact(path: string): Artifact {
  return JSON.parse(readFileSync(join(root, 'artifacts', path), 'utf8')) as Artifact
}

export interface Market {
  folder: string
  addressesFile: string
  chainId: number
  addresses: Record<string, Hex>
  /** Writes a key file of a development account. */
  keyFile(index: number): string
  addProver(index: number): Promise<Hex>
  /** Says on chain that a prover lives which no process speaks for. */
  beat(index: number): Promise<void>
  /** The next window of a device, as the store would serve it. */
  window(device: number, options?: { count?: number; value?: number }): WindowItemJson
  taskId(item: WindowItemJson): TaskId
  client: ReturnType<typeof createPublicClient>
  stateOf(item: WindowItemJson): Promise<number>
  /** TaskSettled events by task id: how often each was settled. */
  settlements(): Promise<Map<string, number>>
  assignments(): Promise<{ taskId: string; prover: string }[]>
}

/** Deploys with account 0 as governance and project owner; accounts 1 and 2 coordinate. `taskSeconds` is the terms' longest deadline. */
export async function deployMarket(rpcUrl: string, folder: string, { taskSeconds = 600 }: { taskSeconds?: number } = {}): Promise<Market> {
  const chain = defineChain({
    id: 31337,
    name: 'local',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })
  const client = createPublicClient({ chain, transport: http(rpcUrl), pollingInterval: 20, cacheTime: 0 })
  const wallet = createWalletClient({ chain, transport: http(rpcUrl), account: account(0) })
  const done = async (hash: Hex) => client.waitForTransactionReceipt({ hash, pollingInterval: 20 })
  const deploy = async (path: string, args: unknown[] = []): Promise<Hex> => {
    const { abi, bytecode } = artifact(path)
    const receipt = await done(await wallet.deployContract({ abi, bytecode, args }))
    return receipt.contractAddress!
  }
  const contracts = (name: string): string => `contracts/${name}.sol/${name.split('/').at(-1)!}.json`
  const proxied = async (name: string, args: unknown[], init: unknown[]): Promise<Hex> => {
    const logic = await deploy(contracts(name), args)
    const data = encodeFunctionData({ abi: artifact(contracts(name)).abi, functionName: 'initialize', args: init })
    return deploy('@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol/ERC1967Proxy.json', [logic, data])
  }
  const call = async (name: string, address: Hex, functionName: string, args: unknown[], from = 0) => {
    const { abi } = artifact(contracts(name))
    const receipt = await done(await wallet.writeContract({ account: account(from), address, abi, functionName, args }))
    if (receipt.status !== 'success') throw new Error(`${name}.${functionName} reverted`)
  }

  const authority = await deploy('@openzeppelin/contracts/access/manager/AccessManager.sol/AccessManager.json', [account(0).address])
  const identity = await deploy(contracts('mocks/IdentityDouble'), ['0x0000000000000000000000000000000000001111'])
  const verifier = await deploy(contracts('mocks/VerifierDouble'))
  const token = await deploy(contracts('mocks/TestToken'))
  const programs = await deploy(contracts('verifiers/ProgramRegistry'), [authority, true])
  const projects = await proxied('w3bstream/ProjectStore', [identity, programs], [authority, true])
  const provers = await proxied('w3bstream/ProverStore', [identity], [authority])
  const manager = await proxied('w3bstream/TaskManager', [projects, provers, identity, identity, identity, identity], [authority])
  const escrow = await deploy(contracts('w3bstream/TaskEscrow'), [manager, identity])
  const router = await proxied('w3bstream/Router', [manager, provers, projects, programs, identity], [authority])
  await call('w3bstream/TaskManager', manager, 'setEscrow', [escrow])
  await call('w3bstream/TaskManager', manager, 'setRouter', [router])
  await call('w3bstream/ProverStore', provers, 'setTaskManager', [manager])
  await call('w3bstream/ProjectStore', projects, 'setRouter', [router])
  // Short, so that a stopped prover is Offline soon.
  await call('w3bstream/ProverStore', provers, 'setHeartbeatTtl', [12])
  const programId = programIdOf('sensing/window', 1)
  await call('verifiers/ProgramRegistry', programs, 'register', [programId, verifier, keyId, keccak256('0x01'), true])

  await call('mocks/IdentityDouble', identity, 'setProject', [project, account(0).address])
  await call('w3bstream/ProjectStore', projects, 'bind', [project])
  for (const coordinator of [1, 2]) {
    await call('w3bstream/TaskManager', manager, 'addOperator', [account(coordinator).address])
    await call('w3bstream/ProjectStore', projects, 'setCoordinator', [project, account(coordinator).address, true])
  }
  const terms = {
    programId,
    channel: channelIdOf(channel),
    rangeMin: 0n,
    rangeMax: 10_000,
    threshold: 5_000,
    decimals: 2,
    pricePerReading: 3n,
    proverFee: 100n,
    sequencerFee: 10n,
    token,
    receiver: zeroAddress,
    dappGas: 0,
    clock: 0,
    clockOrigin: 0,
    clockStart: 0,
    clockSpeed: 0,
    taskSeconds,
    maxAge: 0,
    maxSkew: 60,
  }
  const store = getContract({ address: projects, abi: projectStoreAbi, client: { public: client, wallet } })
  await done(await store.write.publishTerms([project, terms]))
  await call('mocks/TestToken', token, 'mint', [account(0).address, 1_000_000n])
  await call('mocks/TestToken', token, 'approve', [escrow, 1_000_000n])
  const purse = getContract({ address: escrow, abi: taskEscrowAbi, client: { public: client, wallet } })
  await done(await purse.write.deposit([project, token, 1_000_000n]))

  // Four devices, each with a data key of its own.
  const devices = [1, 2, 3, 4].map((n) => {
    const secret = new Uint8Array(32).fill(n)
    return { id: deviceId(`0x${'d'.repeat(39)}${n}`), secret, key: expandSecret(secret).publicKey, next: 0, sequence: 0 }
  })
  for (const [i, { id, key }] of devices.entries()) {
    await call('mocks/IdentityDouble', identity, 'addDevice', [project, id, id])
    const commitment = keyCommitment({ chainId: 31337, dataKeyRegistry: identity, project, device: id, key })
    await call('mocks/IdentityDouble', identity, 'setKey', [project, BigInt(i + 1), commitment])
    await call('mocks/IdentityDouble', identity, 'setPoint', [id, key.x, key.y])
  }

  const genesis = await client.getBlock({ blockNumber: 0n })
  const addresses: Record<string, Hex> = {
    TaskManager: manager,
    Router: router,
    ProjectStore: projects,
    ProverStore: provers,
    TaskEscrow: escrow,
    DataKeyRegistry: identity,
    Memberships: identity,
    CredentialRegistry: identity,
    ProgramRegistry: programs,
    TestToken: token,
    IoIDRegistry: identity,
    IoID: identity,
  }
  mkdirSync(folder, { recursive: true })
  const addressesFile = join(folder, 'addresses.json')
  writeFileSync(
    addressesFile,
    JSON.stringify({
      chainId: 31337,
      genesisHash: genesis.hash,
      kind: 'local',
      contracts: Object.fromEntries(
        Object.entries(addresses).map(([name, address]) => [name, { address, block: 0, codeHash: keccak256('0x01') }]),
      ),
    }),
  )
  const taskIdFor = (item: WindowItemJson): TaskId =>
    taskIdOf({ chainId: 31337, taskManager: manager, project, device: item.device as Hex, window: item.index, root: item.root as Hex })
  const start = Math.floor(Date.now() / 1000) - 100_000

  return {
    folder,
    addressesFile,
    chainId: 31337,
    addresses,
    client,
    keyFile(index) {
      const file = join(folder, `key-${index}`)
      const key = account(index).getHdKey().privateKey
      writeFileSync(file, bytesToHex(key!), { mode: 0o600 })
      return file
    },
    async addProver(index) {
      const { address } = account(index)
      await call('mocks/IdentityDouble', identity, 'addDevice', [1n, `0x${'e'.repeat(38)}${String(index).padStart(2, '0')}`, address])
      const prover = getContract({ address: provers, abi: proverStoreAbi, client: { public: client, wallet } })
      await done(await prover.write.register([`0x${'e'.repeat(38)}${String(index).padStart(2, '0')}`], { account: account(index) }))
      return address.toLowerCase() as Hex
    },
    async beat(index) {
      const prover = getContract({ address: provers, abi: proverStoreAbi, client: { public: client, wallet } })
      await done(await prover.write.heartbeat({ account: account(index) }))
    },
    window(which, { count = 64, value = 4_593 } = {}) {
      const device = devices[which]!
      const { next: index, sequence: firstSequence } = device
      const firstTime = start + firstSequence * 5
      const readings = Array.from({ length: count }, (_, i) => ({ time: firstTime + i * 5, laneValue: value + i }))
      const content = packWindow(channelIdOf(channel), firstSequence, readings)
      const readings_ = readingsRoot(content)
      const message = windowMessage({
        chainId: 31337,
        dataKeyRegistry: identity,
        project,
        device: device.id,
        windowIndex: index,
        firstSequence,
        count,
        root: readings_,
      })
      device.next += 1
      device.sequence += count
      return {
        cursor: 1,
        receivedAt: Date.now(),
        root: rootToHex(readings_),
        project: project.toString(),
        device: device.id,
        index,
        firstSequence: String(firstSequence),
        count,
        firstTime: String(firstTime),
        channel,
        lanes: lanesToHex(content.lanes),
        dataSignature: encodeDataSignature(signPoseidon(device.secret, message)),
        signature: `0x${'00'.repeat(64)}`,
      }
    },
    taskId: taskIdFor,
    async stateOf(item) {
      return client.readContract({ address: manager, abi: taskManagerAbi, functionName: 'stateOf', args: [taskIdFor(item)] })
    },
    async settlements() {
      const logs = await client.getContractEvents({
        address: manager,
        abi: taskManagerAbi,
        eventName: 'TaskSettled',
        fromBlock: 0n,
        strict: true,
      })
      const found = new Map<string, number>()
      for (const { args } of logs) found.set(args.taskId, (found.get(args.taskId) ?? 0) + 1)
      return found
    },
    async assignments() {
      const logs = await client.getContractEvents({
        address: manager,
        abi: taskManagerAbi,
        eventName: 'TaskAssigned',
        fromBlock: 0n,
        strict: true,
      })
      return logs.map(({ args }) => ({ taskId: args.taskId, prover: args.prover.toLowerCase() }))
    },
  }
}
