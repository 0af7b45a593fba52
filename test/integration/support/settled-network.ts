// SPDX-License-Identifier: Apache-2.0
/** The whole suite on a chain, with devices, a prover and a market whose proofs a double makes: everything that can happen to a task, in milliseconds. */
import { createHash } from 'node:crypto'
import {
  createPublicClient,
  createWalletClient,
  encodeAbiParameters,
  encodeFunctionData,
  http,
  keccak256,
  parseAbi,
  stringToBytes,
  toBytes,
  type PublicClient,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { hardhat } from 'viem/chains'
import { signRegistration } from '../../../agents/cli/local/offer.ts'
import { ProjectOwner } from '../../../agents/cli/local/project-owner.ts'
import { type Deployment, readDeployment } from '../../../agents/kit/deployment.ts'
import { DEVELOPMENT_MNEMONIC } from '../../../agents/kit/keys.ts'
import { channelIdOf, contextOf, projectId, taskIdOf, word, type Address, type Hex } from '../../../agents/protocol/ids.ts'
import { routeItemsType } from '../../../agents/protocol/task-record.ts'
import { ClockKind } from '../../../agents/protocol/terms.ts'
import { packStatistics } from '../../../agents/protocol/window.ts'
import { createDeviceSigner, type DeviceSigner } from '../../../agents/sdk/signer.ts'
import { artifactFolder } from '../../../deploy/artifacts.ts'
import { Deployer } from '../../../deploy/deployer.ts'
import { readNetwork } from '../../../deploy/network.ts'
import { deploySuite } from '../../../deploy/suite.ts'
import { at } from '../../../scripts/shell.ts'

export const accountOf = (index: number) => mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: index })
/** Places on the mnemonic; 2 is the operator of deploy/networks/localhost.json. */
const [GOVERNANCE, OWNER, COORDINATOR, PROVER] = [0, 1, 2, 3] as const
const keyId = keccak256(stringToBytes('key'))
const programId = keccak256(stringToBytes('double'))
const [PRICE, PROVER_FEE, SEQUENCER_FEE] = [3n, 100n, 10n]
const COUNT = 64

export interface Task {
  id: Hex
  device: Address
  window: number
  root: Hex
}

export interface SettledNetwork {
  client: PublicClient
  deployment: Deployment
  addressesFile: string
  project: bigint
  prover: Address
  owner: Address
  devices: DeviceSigner[]
  /** The next window of a device; nothing is sent. */
  task(device: number): Task
  assign(...tasks: readonly Task[]): Promise<void>
  /** One transaction. `bad` ones carry a proof that is none. */
  settle(tasks: readonly Task[], bad?: readonly Task[]): Promise<void>
  recall(task: Task): Promise<void>
  transfer(device: number, to: Address): Promise<void>
  remove(device: number): Promise<void>
}

/** Onboards `devices` devices on a fresh chain. */
export async function startSettledNetwork(rpcUrl: string, folder: string, devices: number): Promise<SettledNetwork> {
  const client: PublicClient = createPublicClient({ chain: hardhat, transport: http(rpcUrl), pollingInterval: 20, cacheTime: 0 })
  const { file: addressesFile } = await deploySuite({ network: readNetwork('localhost', { rpc: rpcUrl }), stateFolder: folder })
  const deployment = readDeployment(addressesFile)
  const addresses = Object.fromEntries(Object.entries(deployment.contracts).map(([name, { address }]) => [name, address]))
  const as = (index: number) => {
    const wallet = createWalletClient({
      chain: hardhat,
      transport: http(rpcUrl),
      account: accountOf(index),
      pollingInterval: 20,
      cacheTime: 0,
    })
    const deployer = new Deployer({ client, wallet, artifacts: artifactFolder(at('artifacts')), confirmations: 1 })
    return { deployer, owner: new ProjectOwner(deployer, addresses) }
  }
  const [governance, { owner }, coordinator, prover] = [as(GOVERNANCE), as(OWNER), as(COORDINATOR), as(PROVER)]
  const double = await governance.deployer.create('VerifierDouble', 'VerifierDouble', [])
  await governance.owner.write('ProgramRegistry', 'register', [programId, double.address, keyId, keccak256('0x01'), true])

  const chainId = deployment.chainId
  const ioIDRegistry = owner.at('IoIDRegistry') as Address
  const places = { chainId, ioIDRegistry, dataKeyRegistry: owner.at('DataKeyRegistry') as Address }
  const project = projectId(await owner.project('Air'))
  const collection = await owner.collection(project, 'Air', devices + 1)
  const deadline = (await client.getBlock()).timestamp + 86_400n
  const signers: DeviceSigner[] = []
  for (let i = 0; i < devices; i++) {
    const secret = (use: string): Uint8Array => createHash('sha256').update(`settled ${use} ${i}`).digest()
    const signer = createDeviceSigner({ keys: { identity: secret('identity'), data: secret('data') }, project, ...places })
    const { device } = signer.publicKeys
    const item = { deviceContract: collection, tokenId: BigInt(i + 1), hash: keccak256(toBytes(device)), uri: `test:${device}`, deadline }
    const { typed } = await signer.registration({ owner: owner.address as Address, nonce: 0n, ...item })
    await owner.register({ ...item, device, user: owner.address, signature: typed.signature })
    await owner.bindDataKey(project, device, await signer.dataKey({ tokenId: await owner.tokenIdOf(device), fromWindow: 0, deadline }))
    signers.push(signer)
  }
  const seat = {
    deviceContract: collection,
    tokenId: BigInt(devices + 1),
    user: owner.address,
    hash: keccak256('0x02'),
    uri: 'test:prover',
  }
  await owner.register(await signRegistration(accountOf(PROVER), places, { ...seat, nonce: 0n, deadline }))
  await prover.owner.write('ProverStore', 'register', [accountOf(PROVER).address])
  await prover.owner.write('ProverStore', 'setCapacity', [32])
  await owner.openMarket(project, accountOf(COORDINATOR).address, () => ({
    ...{ programId, channel: channelIdOf('humidity'), rangeMin: 0n, rangeMax: 10_000, threshold: 5_000, decimals: 2 },
    ...{ pricePerReading: PRICE, proverFee: PROVER_FEE, sequencerFee: SEQUENCER_FEE, token: owner.at('TestToken'), dappGas: 0 },
    ...{ receiver: `0x${'0'.repeat(40)}` as const, clock: ClockKind.Wall, clockOrigin: 0, clockStart: 0, clockSpeed: 0 },
    ...{ taskSeconds: 600, maxAge: 0, maxSkew: 60 },
  }))
  await owner.fund(project, 1_000_000n)

  const next = signers.map(() => 0)
  const firstTime = Number((await client.getBlock()).timestamp) - 100_000
  const version = await owner.read<number>('ProjectStore', 'termsVersion', [project])
  const termsId = await owner.read<Hex>('ProjectStore', 'termsIdOf', [project, version])
  const statisticsOf = ({ window }: Task): bigint =>
    packStatistics({
      ...{ sum: COUNT * 5_100, min: 5_000, max: 5_200, count: COUNT, above: 32, windowIndex: window, firstSequence: window * COUNT },
      ...{ firstTime: firstTime + window * 320, threshold: 5_000, rangeMax: 10_000 },
    })
  const proofOf = async ({ id, device, window, root }: Task): Promise<bigint> => {
    const [, commitment] = await owner.read<readonly [unknown, bigint]>('DataKeyRegistry', 'keyAt', [project, device, window])
    const subject = { chainId, router: owner.at('Router') as Address, project, device, taskIds: [id], prover: accountOf(PROVER).address }
    const context = contextOf({ ...subject, window, programId, termsId })
    const signals = [context, BigInt(root), statisticsOf({ id, device, window, root }), commitment]
    return BigInt(keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'uint256[]' }], [keyId, signals])))
  }
  const consent = async (device: number) => ({
    deadline: (await client.getBlock()).timestamp + 3_600n,
    nonce: await owner.read<bigint>('IoIDRegistry', 'nonces', [signers[device]!.publicKeys.device]),
  })

  return {
    ...{ client, deployment, addressesFile, project, devices: signers, owner: owner.address as Address },
    prover: accountOf(PROVER).address.toLowerCase() as Address,
    task(at) {
      const { device } = signers[at]!.publicKeys
      const window = next[at]!++
      const root = word(BigInt(window) * 1_000n + BigInt(at) + 1n)
      return {
        id: taskIdOf({ chainId, taskManager: owner.at('TaskManager') as Address, project, device, window, root }),
        device,
        window,
        root,
      }
    },
    async assign(...tasks) {
      // The chain's clock may have been moved past its last word.
      await prover.owner.write('ProverStore', 'heartbeat')
      const items = tasks.map(({ id, device, window, root }) => ({
        ...{ projectId: project, taskId: id, hash: root, prover: accountOf(PROVER).address },
        signature: `${device}${window.toString(16).padStart(8, '0')}` as const,
      }))
      const { timestamp } = await client.getBlock()
      await coordinator.owner.write('TaskManager', 'assign', [items, accountOf(COORDINATOR).address, timestamp + 300n])
    },
    async settle(tasks, bad = []) {
      const all = [...bad, ...tasks]
      const items = await Promise.all(
        all.map(async (task) => {
          const good = (await proofOf(task)) ^ (bad.includes(task) ? 1n : 0n)
          const proof = [good, 0n, 0n, 0n, 0n, 0n, 0n, 0n] as const
          return { device: task.device, window: task.window, root: task.root, statistics: statisticsOf(task), proof }
        }),
      )
      const data = encodeAbiParameters(routeItemsType, [items])
      await coordinator.owner.write('Router', 'route', [accountOf(PROVER).address, project, all.map(({ id }) => id), data])
    },
    recall: ({ id }) => coordinator.owner.write('TaskManager', 'recall', [project, id]),
    async transfer(at, to) {
      const id = await owner.tokenIdOf(signers[at]!.publicKeys.device)
      await owner.write('IoID', 'transferFrom', [owner.address, to, id])
    },
    async remove(at) {
      const asked = await consent(at)
      const signature = await signers[at]!.removal(asked)
      // Of two overloads with four arguments.
      const abi = parseAbi(['function remove(address device, uint256 deadline, bytes deviceSignature, bytes ownerSignature)'])
      const args = [signers[at]!.publicKeys.device, asked.deadline, signature, '0x'] as const
      await as(OWNER).deployer.send({ to: ioIDRegistry, data: encodeFunctionData({ abi, args }) }, 'remove a device')
    },
  }
}
