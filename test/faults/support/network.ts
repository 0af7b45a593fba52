// SPDX-License-Identifier: Apache-2.0
/**
 * The whole network as processes on this machine, with a fault to be made at every joint: anvil behind a proxy, the suite deployed by deploy/, a project
 * with devices and provers registered by the CLI's own steps, gateway behind an MQTT proxy, coordinator (on PostgreSQL where it is installed), provers.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, createPublicClient, createWalletClient, encodeFunctionData, http, keccak256, type PublicClient, toBytes } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { hardhat } from 'viem/chains'
import { signRegistration } from '../../../agents/cli/local/offer.ts'
import { freePort } from '../../../agents/cli/local/process.ts'
import { ProjectOwner } from '../../../agents/cli/local/project-owner.ts'
import { addressOf, type Deployment, readDeployment } from '../../../agents/kit/deployment.ts'
import { DEVELOPMENT_MNEMONIC } from '../../../agents/kit/keys.ts'
import { proverStoreAbi, taskManagerAbi } from '../../../agents/protocol/generated/abi.ts'
import { type Address, channelIdOf, programIdOf, type ProjectId, projectId } from '../../../agents/protocol/ids.ts'
import { ClockKind } from '../../../agents/protocol/terms.ts'
import type { DeviceKeys } from '../../../agents/sdk/keys.ts'
import { createDeviceSigner, type DeviceSigner } from '../../../agents/sdk/signer.ts'
import { artifactFolder } from '../../../deploy/artifacts.ts'
import { Deployer } from '../../../deploy/deployer.ts'
import { readNetwork } from '../../../deploy/network.ts'
import { deploySuite } from '../../../deploy/suite.ts'
import { engine } from '../../integration/support/engines.ts'
import { type PostgresServer, startPostgres } from '../../integration/support/postgres.ts'
import { Agent } from './agent.ts'
import { registerInBulk } from './bulk.ts'
import { type Proxy, startProxy } from './proxy.ts'

export const CHANNEL = 'humidity'
export const DECIMALS = 2
const TOKEN = 10n ** 18n
/** Blocks on top of onboarding, so that no reorganisation of the tests reaches it. */
const SETTLED_BLOCKS = 60

export interface NetworkOptions {
  /** Registered devices, each with keys of its own. */
  devices: number
  provers?: number
  /** On one PostgreSQL when there are more than one. */
  coordinators?: number
  postgres?: boolean
  /** Repository whose agents run; the suite is deployed from there too. */
  root?: string
  /** Windows that the escrow holds funds for. */
  windows?: number
  taskSeconds?: number
  /** MQTT connections that the gateway takes, all of them from this one address. */
  connections?: number
}

export interface FaultDevice {
  keys: DeviceKeys
  signer: DeviceSigner
  id: Address
}

/** Places on the mnemonic: 0 deploys, 1 owns the project, 2 is the operator that the network file names. */
export const account = (place: number) => mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: place })
const PLACE = { owner: 1, coordinator: 2, prover: 10 } as const

export type Network = Awaited<ReturnType<typeof startNetwork>>

export async function startNetwork(options: NetworkOptions) {
  const { provers: proverCount = 2, coordinators: coordinatorCount = 1, taskSeconds = 60, connections } = options
  const root = options.root ?? join(import.meta.dirname, '../../..')
  const folder = mkdtempSync(join(tmpdir(), 'trellis-faults-'))
  const endings: (() => Promise<unknown>)[] = [async () => rmSync(folder, { recursive: true, force: true })]
  const end = async (): Promise<void> => {
    for (let ending = endings.pop(); ending !== undefined; ending = endings.pop()) await ending()
  }
  try {
    const anvil = await startAnvil()
    endings.push(() => stop(anvil.child))
    const chainProxy = await startProxy(() => anvil.port)
    endings.push(() => chainProxy.close())
    const database = (options.postgres ?? coordinatorCount > 1) ? await startPostgres() : undefined
    if (database !== undefined) {
      await database.start()
      endings.push(() => database.remove())
    }

    const { client } = anvil
    const { file } = await deploySuite({ network: readNetwork('localhost', { rpc: anvil.rpcUrl }), stateFolder: folder })
    const deployment = readDeployment(file)
    const market = await openMarket(anvil, deployment, { ...options, provers: proverCount, coordinators: coordinatorCount, taskSeconds })
    await anvil.rpc('anvil_mine', [`0x${SETTLED_BLOCKS.toString(16)}`])

    const chain = { rpcUrl: `http://127.0.0.1:${chainProxy.port}`, addressesFile: file, pollMs: 100 }
    const config = (name: string, content: object): string => {
      const path = join(folder, `${name}.json`)
      writeFileSync(path, JSON.stringify(content), { mode: 0o600 })
      return path
    }
    const key = (place: number): { keyFile: string } => {
      const path = join(folder, `${place}.key`)
      writeFileSync(path, bytesToHex(account(place).getHdKey().privateKey!), { mode: 0o600 })
      return { keyFile: path }
    }
    const agents: Agent[] = []
    const service = (name: string, kind: string, content: object, port?: number): Agent => {
      const agent = new Agent({
        name,
        cwd: root,
        args: ['agents/cli/main.ts', 'run', kind, '--config', config(name, content)],
        ends: kind === 'device',
        ...(port === undefined
          ? {}
          : { ready: async () => (await fetch(`http://127.0.0.1:${port}/ready`, { signal: AbortSignal.timeout(2_000) })).ok }),
      })
      agents.push(agent)
      return agent
    }
    endings.push(() => Promise.all(agents.map((agent) => agent.end())))

    const [gatewayPort, mqttPort] = [await freePort(), await freePort()]
    const gatewayUrl = `http://127.0.0.1:${gatewayPort}`
    const broker = await startProxy(() => mqttPort, { mqtt: true })
    endings.push(() => broker.close())
    const gateway = service(
      'gateway',
      'gateway',
      {
        ...{ chain, http: { port: gatewayPort }, dataFolder: join(folder, 'gateway'), logLevel: 'info' },
        mqtt: { port: mqttPort, ...(connections === undefined ? {} : { maxConnections: connections, maxPerAddress: connections }) },
      },
      gatewayPort,
    )
    const coordinatorPorts = await Promise.all(Array.from({ length: coordinatorCount }, () => freePort()))
    const coordinatorOf = (name: string, place: number, port: number, databaseUrl: string | undefined): Agent =>
      service(
        name,
        'coordinator',
        {
          ...{ chain, http: { port }, key: key(place), gatewayUrls: [gatewayUrl], projects: [market.project.toString()], pullMs: 150 },
          ...{ dataFolder: join(folder, name), taskSeconds, settleWaitMs: 600, reconcileSeconds: 2, leaseSeconds: 20 },
          ...(databaseUrl === undefined ? {} : { databaseUrl }),
        },
        port,
      )
    const coordinators = coordinatorPorts.map((port, i) =>
      coordinatorOf(`coordinator-${i + 1}`, PLACE.coordinator + i, port, database?.url),
    )
    const coordinatorUrls = coordinatorPorts.map((port) => `http://127.0.0.1:${port}`)
    const provers: Agent[] = []
    for (let i = 0; i < proverCount; i += 1) {
      const port = await freePort()
      const name = `prover-${i + 1}`
      const own = { coordinatorUrls, artifactsFolder: join(root, 'build', 'circuits') }
      provers.push(
        service(name, 'prover', { chain, http: { port }, key: key(PLACE.prover + i), dataFolder: join(folder, name), ...own }, port),
      )
    }
    for (const agent of agents) agent.start()
    await Promise.all(agents.map((agent) => agent.ready()))

    const contracts = { chainId: deployment.chainId, addressesFile: file }
    return {
      ...{ folder, root, anvil, client, deployment, chainProxy, broker, database, gateway, coordinators, provers, end, agents },
      ...{ gatewayUrl, coordinatorUrls, mqttPort, project: market.project, devices: market.devices, contracts },
      /** A device of the SDK that replays `rows` from a file, as a process with the given registered keys. */
      device(name: string, { keys }: FaultDevice, rows: readonly { time: number; value: string }[]): Agent {
        const csv = join(folder, `${name}.csv`)
        writeFileSync(csv, `time,value\n${rows.map(({ time, value }) => `${time},${value}`).join('\n')}\n`)
        const keysFile = join(folder, `${name}.keys.json`)
        writeFileSync(keysFile, JSON.stringify({ identity: bytesToHex(keys.identity), data: bytesToHex(keys.data) }), { mode: 0o600 })
        const device = service(name, 'device', {
          ...{ project: market.project.toString(), keysFile, storeFile: join(folder, `${name}.sqlite`), addressesFile: file, gatewayUrl },
          ...{ mqttUrl: `mqtt://127.0.0.1:${broker.port}`, channel: CHANNEL, maxGap: 1, retryMs: 400, retryCapMs: 1_500, refusalLimit: 20 },
          csv: { file: csv, timeColumn: 'time', valueColumn: 'value' },
        })
        device.start()
        return device
      },
      /** One more coordinator on the same project with a key and a ledger of its own: it knows nothing of what the others do. */
      async stranger(): Promise<Agent> {
        const agent = coordinatorOf('coordinator-stranger', PLACE.coordinator + coordinatorCount, await freePort(), undefined)
        agent.start()
        await agent.ready()
        return agent
      },
    }
  } catch (error) {
    await end()
    throw error
  }
}

export interface Anvil {
  child: ChildProcess
  port: number
  rpcUrl: string
  client: PublicClient
  rpc<T>(method: string, params?: unknown[]): Promise<T>
}

async function startAnvil(): Promise<Anvil> {
  const program = engine('anvil')
  if (program === undefined) throw new Error('anvil is not installed')
  const port = await freePort()
  const args = ['--host', '127.0.0.1', '--port', String(port), '--chain-id', '31337', '--accounts', '30', '--silent', '--order', 'fifo']
  const child = spawn(program, [...args, '--mnemonic', DEVELOPMENT_MNEMONIC], { stdio: 'ignore' })
  const rpcUrl = `http://127.0.0.1:${port}`
  const client: PublicClient = createPublicClient({
    chain: hardhat,
    transport: http(rpcUrl, { retryCount: 1 }),
    pollingInterval: 20,
    cacheTime: 0,
  })
  for (const until = Date.now() + 20_000; ; await new Promise((wake) => setTimeout(wake, 50))) {
    if (await client.getChainId().catch(() => undefined)) break
    if (child.exitCode !== null || Date.now() > until) throw new Error('anvil did not start')
  }
  const rpc = <T>(method: string, params: unknown[] = []): Promise<T> =>
    client.request({ method: method as 'eth_chainId', params: params as never })
  return { child, port, rpcUrl, client, rpc }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

interface MarketOptions extends NetworkOptions {
  provers: number
  coordinators: number
  taskSeconds: number
}

/** The project, its devices and provers, terms and escrow, with the CLI's own steps. */
async function openMarket({ client, rpcUrl }: Anvil, deployment: Deployment, options: MarketOptions) {
  const { devices: count, provers, coordinators, taskSeconds, windows = 2_000 } = options
  const deployerOf = (place: number): Deployer => {
    const wallet = createWalletClient({
      chain: hardhat,
      transport: http(rpcUrl),
      account: account(place),
      pollingInterval: 20,
      cacheTime: 0,
    })
    return new Deployer({ client, wallet, artifacts: artifactFolder(join(import.meta.dirname, '../../../artifacts')), confirmations: 1 })
  }
  const addresses = Object.fromEntries(Object.entries(deployment.contracts).map(([name, { address }]) => [name, address]))
  const owner = new ProjectOwner(deployerOf(PLACE.owner), addresses)
  const project: ProjectId = projectId(await owner.project('Faults'))
  const collection = await owner.collection(project, 'Faults', 0)
  const places = {
    chainId: deployment.chainId,
    ioIDRegistry: addressOf(deployment, 'IoIDRegistry'),
    dataKeyRegistry: addressOf(deployment, 'DataKeyRegistry'),
  }
  const deadline = BigInt(Math.floor(Date.now() / 1000) + 36_000)
  const devices = Array.from({ length: count }, (_, i): FaultDevice => {
    const secret = (use: string): Uint8Array => createHash('sha256').update(`trellis faults ${use} ${i}`).digest()
    const keys = { identity: secret('identity'), data: secret('data') }
    const signer = createDeviceSigner({ keys, project, ...places })
    return { keys, signer, id: signer.publicKeys.device }
  })
  await registerInBulk(
    client,
    owner,
    { project, collection, deadline },
    devices.map(({ signer }) => signer),
  )

  const fleet = await owner.project('Fault provers')
  const fleetCollection = await owner.collection(fleet, 'Fault provers', provers)
  for (let i = 0; i < provers; i += 1) {
    const prover = account(PLACE.prover + i)
    const item = {
      deviceContract: fleetCollection,
      tokenId: BigInt(i + 1),
      user: owner.address,
      hash: keccak256(toBytes(prover.address)),
      uri: 'faults:prover',
    }
    await owner.register(await signRegistration(prover, places, { ...item, nonce: 0n, deadline }))
    const data = encodeFunctionData({ abi: proverStoreAbi, functionName: 'register', args: [prover.address] })
    await deployerOf(PLACE.prover + i).send({ to: owner.at('ProverStore'), data }, 'register a prover')
  }

  const prices = { pricePerReading: TOKEN / 1000n, proverFee: TOKEN / 10n, sequencerFee: TOKEN / 50n }
  const terms = {
    ...{ programId: programIdOf('sensing/window', 1), channel: channelIdOf(CHANNEL), rangeMin: 0n, rangeMax: 10_000, threshold: 6_000 },
    ...{
      decimals: DECIMALS,
      ...prices,
      token: owner.at('TestToken') as Address,
      receiver: owner.at('TelemetryDapp') as Address,
      dappGas: 1_000_000,
    },
    ...{ clock: ClockKind.Wall, clockOrigin: 0, clockStart: 0, clockSpeed: 0, taskSeconds, maxAge: 0, maxSkew: 600 },
  }
  await owner.openMarket(project, account(PLACE.coordinator).address, () => terms)
  // The further coordinators: those on the same ledger, and one stranger.
  const governor = deployerOf(0)
  for (let i = 1; i <= coordinators; i += 1) {
    const { address } = account(PLACE.coordinator + i)
    await owner.write('ProjectStore', 'setCoordinator', [project, address, true])
    const data = encodeFunctionData({ abi: taskManagerAbi, functionName: 'addOperator', args: [address] })
    await governor.send({ to: owner.at('TaskManager'), data }, 'add an operator')
  }
  await owner.fund(project, (prices.proverFee + prices.sequencerFee + 64n * prices.pricePerReading) * BigInt(windows))
  return { project, devices }
}

export type { PostgresServer, Proxy }
