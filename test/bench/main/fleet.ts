// SPDX-License-Identifier: Apache-2.0
/** A fleet on a real chain: hardhat node, the whole suite, one project, and devices onboarded with the CLI's own steps. */
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createPublicClient, createWalletClient, http, keccak256, type PublicClient, toBytes } from 'viem'
import { hardhat } from 'viem/chains'
import { mnemonicToAccount } from 'viem/accounts'
import { ProjectOwner } from '../../../agents/cli/local/project-owner.ts'
import { freePort } from '../../../agents/cli/local/process.ts'
import { addressOf, type Deployment, readDeployment } from '../../../agents/kit/deployment.ts'
import { DEVELOPMENT_MNEMONIC } from '../../../agents/kit/keys.ts'
import { type Address, channelIdOf, programIdOf, type ProjectId, projectId } from '../../../agents/protocol/ids.ts'
import { ClockKind } from '../../../agents/protocol/terms.ts'
import type { DeviceKeys } from '../../../agents/sdk/keys.ts'
import { createDeviceSigner, type DeviceSigner } from '../../../agents/sdk/signer.ts'
import { artifactFolder } from '../../../deploy/artifacts.ts'
import { Deployer } from '../../../deploy/deployer.ts'
import { readNetwork } from '../../../deploy/network.ts'
import { deploySuite } from '../../../deploy/suite.ts'
import { at } from '../../../scripts/shell.ts'
import { type Running, startProcess } from './processes.ts'

export const channel = 'humidity'
export const decimals = 2
export const rangeMin = 0n

export interface FleetDevice {
  keys: DeviceKeys
  signer: DeviceSigner
}

export interface Fleet {
  project: ProjectId
  /** Where signatures of this fleet belong. */
  places: { chainId: number; ioIDRegistry: Address; dataKeyRegistry: Address }
  devices: readonly FleetDevice[]
  /** A gateway in a process of its own, the CLI's, over an empty store. */
  gateway(name: string): Promise<BenchGateway>
  stop(): Promise<void>
}

export interface BenchGateway extends Running {
  url: string
  mqttUrl: string
  dataFolder: string
}

/** Keys that every run derives from the same words. */
function keysOf(at: number): DeviceKeys {
  const secret = (use: string): Uint8Array => createHash('sha256').update(`trellis bench ${use} ${at}`).digest()
  return { identity: secret('identity'), data: secret('data') }
}

/** Starts the chain and onboards `count` devices. Takes some 25 seconds for 40. */
export async function startFleet(folder: string, count: number): Promise<Fleet> {
  const port = await freePort()
  const rpc = `http://127.0.0.1:${port}`
  const client: PublicClient = createPublicClient({ chain: hardhat, transport: http(rpc), pollingInterval: 25, cacheTime: 0 })
  const chain = await startProcess(
    ['node_modules/hardhat/dist/src/cli.js', 'node', '--hostname', '127.0.0.1', '--port', String(port)],
    join(folder, 'chain.log'),
    async () => (await client.getChainId()) === hardhat.id,
  )
  try {
    const { file } = await deploySuite({ network: readNetwork('localhost', { rpc }), stateFolder: folder })
    const deployment = readDeployment(file)
    const onboarded = await onboard(client, rpc, deployment, count)
    return { ...onboarded, gateway: (name) => startGateway(folder, name, rpc, file), stop: () => chain.stop() }
  } catch (error) {
    await chain.stop()
    throw error
  }
}

async function onboard(
  client: PublicClient,
  rpc: string,
  deployment: Deployment,
  count: number,
): Promise<Pick<Fleet, 'project' | 'places' | 'devices'>> {
  const account = mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: 1 })
  const wallet = createWalletClient({ chain: hardhat, transport: http(rpc), account, pollingInterval: 25, cacheTime: 0 })
  const deployer = new Deployer({ client, wallet, artifacts: artifactFolder(at('artifacts')), confirmations: 1 })
  const addresses = Object.fromEntries(Object.entries(deployment.contracts).map(([name, { address }]) => [name, address]))
  const owner = new ProjectOwner(deployer, addresses)
  const project = projectId(await owner.project('Bench'))
  const collection = await owner.collection(project, 'Bench', count)
  const places = {
    chainId: deployment.chainId,
    ioIDRegistry: addressOf(deployment, 'IoIDRegistry'),
    dataKeyRegistry: addressOf(deployment, 'DataKeyRegistry'),
  }
  const deadline = BigInt(Math.floor(Date.now() / 1000) + 3600)
  const devices: FleetDevice[] = []
  for (let i = 0; i < count; i++) {
    const keys = keysOf(i)
    const signer = createDeviceSigner({ keys, project, ...places })
    const { device } = signer.publicKeys
    const document = { hash: keccak256(toBytes(device)), uri: `bench:${device}` }
    const item = { deviceContract: collection, tokenId: BigInt(i + 1), ...document, deadline }
    const { typed } = await signer.registration({ owner: owner.address as Address, nonce: 0n, ...item })
    await owner.register({ ...item, device, user: owner.address, signature: typed.signature })
    await owner.bindDataKey(project, device, await signer.dataKey({ tokenId: await owner.tokenIdOf(device), fromWindow: 0, deadline }))
    devices.push({ keys, signer })
  }
  const zero: Address = `0x${'0'.repeat(40)}`
  await owner.openMarket(project, owner.address, () => ({
    ...{
      programId: programIdOf('sensing/window', 1),
      channel: channelIdOf(channel),
      rangeMin,
      rangeMax: 10_000,
      threshold: 6_000,
      decimals,
    },
    ...{ pricePerReading: 1n, proverFee: 1n, sequencerFee: 1n, token: owner.at('TestToken') as Address, receiver: zero, dappGas: 0 },
    ...{ clock: ClockKind.Wall, clockOrigin: 0, clockStart: 0, clockSpeed: 0, taskSeconds: 120, maxAge: 0, maxSkew: 60 },
  }))
  return { project, places, devices }
}

async function startGateway(folder: string, name: string, rpc: string, addressesFile: string): Promise<BenchGateway> {
  const [httpPort, mqttPort] = [await freePort(), await freePort()]
  const dataFolder = join(folder, name)
  const file = join(folder, `${name}.json`)
  const chain = { rpcUrl: rpc, addressesFile, pollMs: 150 }
  const config = { chain, http: { port: httpPort }, mqtt: { port: mqttPort }, dataFolder, logLevel: 'warn' }
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 })
  const url = `http://127.0.0.1:${httpPort}`
  // Measuring where the time goes: TRELLIS_BENCH_PROFILE=FOLDER keeps a CPU profile of each gateway there.
  const profiles = process.env['TRELLIS_BENCH_PROFILE']
  const flags = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}.cpuprofile`]
  const args = [...flags, 'agents/cli/main.ts', 'run', 'gateway', '--config', file]
  const running = await startProcess(args, join(folder, `${name}.log`), async () => (await fetch(`${url}/ready`)).ok)
  return { ...running, url, mqttUrl: `mqtt://127.0.0.1:${mqttPort}`, dataFolder }
}
