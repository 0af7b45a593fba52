// SPDX-License-Identifier: Apache-2.0
/** The whole job on this machine: build, chain, contracts, onboarding, services, devices. Used by `start` and `demo`. */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Address, createPublicClient, createWalletClient, http, keccak256, type PublicClient, stringToHex } from 'viem'
import { hardhat } from 'viem/chains'
import { artifactFolder } from '../../../deploy/artifacts.ts'
import { Deployer } from '../../../deploy/deployer.ts'
import { readNetwork } from '../../../deploy/network.ts'
import { deploySuite } from '../../../deploy/suite.ts'
import { type Deployment, readDeployment } from '../../kit/deployment.ts'
import { PERMANENT_EXIT } from '../../kit/service.ts'
import { didOf } from '../../protocol/did.ts'
import { canonicalHash, canonicalJson } from '../../protocol/canonical-json.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { channelIdOf, deviceId, programIdOf } from '../../protocol/ids.ts'
import { ClockKind, type Terms } from '../../protocol/terms.ts'
import { DATASET_ORIGIN, DATASET_STEP_SECONDS } from '../../sdk/service.ts'
import type { Printer } from '../print.ts'
import { accountOf, keyFileOf } from './accounts.ts'
import { runOnce } from './child.ts'
import { csvSource, sensorDataset, type Source, spanOf } from './dataset.ts'
import { askForOffer, signRegistration } from './offer.ts'
import { ProjectOwner } from './onboard.ts'
import { end, freePort, isRunning, refOf, requireFree } from './process.ts'
import { DEFAULT_PORTS, type LocalState, type Ports, repository, type RunRecord } from './state.ts'
import { Supervisor, type SupervisorEvents } from './supervisor.ts'

export interface JobOptions {
  data?: string
  device?: string
  time?: string
  value?: string
  all: boolean
  speed?: number
  freePorts: boolean
  build: boolean
}

export interface Job {
  state: LocalState
  record: RunRecord
  supervisor: Supervisor
  deployment: Deployment
  client: PublicClient
  source: Source
  project: bigint
  terms: Terms
  /** Device identifiers in the order of the source's series. */
  devices: Address[]
  gatewayUrl: string
  coordinatorUrl: string
  /** Seconds per stage so far. */
  seconds: Record<string, number>
}

/** Test-token units with 18 decimals. */
const TOKEN = 10n ** 18n
const PRICE_PER_READING = TOKEN / 1000n
const PROVER_FEE = TOKEN / 10n
const SEQUENCER_FEE = TOKEN / 50n
const PROJECT_NAME = 'Trellis sensors'
const FLEET_NAME = 'Trellis provers'
const PROVERS = ['prover-1', 'prover-2'] as const
/** Two provers on two cores make about one proof in this many seconds. */
const SECONDS_PER_WINDOW = 1.25
const SHORTEST_REPLAY_SECONDS = 20

/** Seconds between now and the deadline of a signature of onboarding. */
const SIGNATURE_SECONDS = 3600n

export function readSource(options: JobOptions): Promise<Source> | Source {
  const { data, device, time, value } = options
  if (data !== undefined) return csvSource(data, { ...(device && { device }), ...(time && { time }), ...(value && { value }) })
  const lost = Object.entries({ device, time, value }).filter(([, column]) => column !== undefined)
  if (lost.length > 0) {
    throw new TrellisError({
      code: 'DATA_MISSING',
      message: `${lost.map(([name]) => `--${name}`).join(', ')} names a column of no file.`,
      next: 'add --data FILE',
    })
  }
  return sensorDataset(options.all)
}

/** Project seconds per second so that a replay takes as long as its proofs, and never less than twenty seconds. */
export function speedOf(source: Source, chosen: number | undefined): number {
  if (chosen !== undefined) return chosen
  const { seconds, windows } = spanOf(source)
  return Math.max(1, Math.ceil(seconds / Math.max(SHORTEST_REPLAY_SECONDS, windows * SECONDS_PER_WINDOW)))
}

const CHAIN_AGAIN = 'the chain ended and is being started again'

/** Builds, starts and onboards everything up to running devices; `again` after a chain that ended. On failure, and when `signal` aborts, what was started is stopped again. */
export async function startJob(
  state: LocalState,
  command: string,
  options: JobOptions,
  print: Printer,
  events: SupervisorEvents,
  signal: AbortSignal,
  again = false,
): Promise<Job> {
  const seconds: Record<string, number> = {}
  const stage = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const from = performance.now()
    try {
      return await work()
    } finally {
      seconds[name] = Math.round(performance.now() - from) / 1000
    }
  }
  const source = await readSource(options)
  for (const note of source.notes) print.step(`${options.data ?? 'data'}: ${note}`)
  const before = state.readRun()
  const chainRef = before?.children['chain']
  const alive = chainRef !== undefined && isRunning(chainRef) ? { ref: chainRef, port: before!.ports.chain } : undefined
  // What outlived an earlier supervisor makes room, but for the chain: it holds the state.
  const orphans = Object.entries(before?.children ?? {}).filter(([name, ref]) => name !== 'chain' && isRunning(ref))
  if (orphans.length > 0) {
    print.step(`ending what outlived the last run: ${orphans.map(([name]) => name).join(', ')}`)
    await Promise.all(orphans.map(([, ref]) => end(ref)))
  }
  const ports = await choosePorts(options.freePorts, alive?.port)

  if (options.build) {
    print.step('contracts and circuits')
    await stage('build', async () => {
      const built = await runOnce(['scripts/build.ts'], state.logFile('build'), true, signal)
      if (built.code !== 0)
        throw new TrellisError({
          code: 'BUILD_FAILED',
          message: 'Contracts or circuits do not build.',
          details: { log: state.logFile('build') },
          next: 'npm run build',
        })
    })
  }

  const record: RunRecord = {
    version: 1,
    command,
    startedAt: new Date().toISOString(),
    supervisor: refOf(process.pid),
    ports,
    children: {},
    phase: again ? CHAIN_AGAIN : 'the run is being started',
  }
  const supervisor = new Supervisor(state, record, events)
  state.writeRun(record)
  const onAbort = (): void => void supervisor.stopAll()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    signal.throwIfAborted()
    const rpc = `http://127.0.0.1:${ports.chain}`
    const client: PublicClient = createPublicClient({
      chain: hardhat,
      transport: http(rpc, { retryCount: 1 }),
      pollingInterval: 50,
      cacheTime: 0,
    })
    const chainSpec = {
      name: 'chain',
      args: ['node_modules/hardhat/dist/src/cli.js', 'node', '--hostname', '127.0.0.1', '--port', String(ports.chain)],
      env: { FORCE_COLOR: '0', HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true' },
      ready: async () => (await client.getChainId()) === 31337,
      onExitZero: 'crash' as const,
      restart: false,
      phaseAtEnd: command === 'start' ? CHAIN_AGAIN : 'the chain ended, and the run with it',
    }
    if (alive === undefined) {
      print.step(`chain on ${rpc}`)
      await stage('chain', () => supervisor.start(chainSpec))
    } else {
      print.step(`chain on ${rpc} still runs: going on with it`)
      supervisor.adopt(chainSpec, alive.ref)
    }

    const network = readNetwork('localhost', { rpc })
    const deployed = await stage('deploy', () => deploySuite({ network, stateFolder: state.root }))
    print.step(`contracts ${deployed.sent === 0 ? 'are there' : `deployed in ${deployed.sent} transactions`}`)
    const deployment = readDeployment(state.addressesFile)
    const folder = chainFolder(state, deployment)
    const gatewayUrl = `http://127.0.0.1:${ports.gateway}`
    const coordinatorUrl = `http://127.0.0.1:${ports.coordinator}`
    const chain = { rpcUrl: rpc, addressesFile: state.addressesFile, pollMs: 150 }
    const config = (name: string, content: object): string => {
      const file = join(folder, `${name}.json`)
      writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 })
      return file
    }
    const service = (name: string, kind: string, content: object, port?: number) => ({
      name,
      args: ['agents/cli/main.ts', 'run', kind, '--config', config(name, content)],
      ...(port === undefined ? {} : { ready: () => answers(`http://127.0.0.1:${port}/ready`) }),
      onExitZero: kind === 'device' ? ('done' as const) : ('crash' as const),
      // A device waits for the gateway itself: an end for good is its file, its keys or its terms.
      ...(kind === 'device' ? { permanentCode: PERMANENT_EXIT } : {}),
    })

    await stage('gateway', () =>
      supervisor.start(
        service(
          'gateway',
          'gateway',
          { chain, http: { port: ports.gateway }, mqtt: { port: ports.mqtt }, dataFolder: join(folder, 'gateway') },
          ports.gateway,
        ),
      ),
    )
    print.step(`gateway on ${gatewayUrl}, MQTT on port ${ports.mqtt}`)

    const { project, terms, devices } = await stage('onboard', () => onboard())
    print.step(`project ${project}: ${devices.length} devices with wallets and data keys, ${PROVERS.length} provers, terms and escrow`)

    const key = (role: 'coordinator' | (typeof PROVERS)[number]): { keyFile: string } => ({ keyFile: keyFileOf(state, role) })
    // At once: provers load their keys while the coordinator opens its ledger, and ask again until it answers.
    await stage('services', async () => {
      const coordinator = supervisor.start(
        service(
          'coordinator',
          'coordinator',
          {
            chain,
            http: { port: ports.coordinator },
            key: key('coordinator'),
            gatewayUrl,
            projects: [project.toString()],
            dataFolder: join(folder, 'coordinator'),
            taskSeconds: terms.taskSeconds,
          },
          ports.coordinator,
        ),
      )
      await Promise.all([
        coordinator,
        ...PROVERS.map((name, i) => {
          const port = i === 0 ? ports.prover1 : ports.prover2
          const content = {
            chain,
            http: { port },
            key: key(name),
            coordinatorUrl,
            dataFolder: join(folder, name),
            artifactsFolder: join(repository, 'build', 'circuits'),
          }
          return supervisor.start(service(name, 'prover', content, port))
        }),
      ])
    })
    print.step(`coordinator on ${coordinatorUrl}, two provers`)
    await Promise.all(source.series.map((_, i) => supervisor.start(service(`device-${i + 1}`, 'device', deviceConfig(i, project)))))
    print.step(`${source.series.length} devices replay ${spanOf(source).readings} readings: ${source.title}`)
    return { state, record, supervisor, deployment, client, source, project, terms, devices, gatewayUrl, coordinatorUrl, seconds }

    function deviceConfig(i: number, of: bigint): object {
      const series = source.series[i]!
      const { csv } = source
      const input =
        csv !== undefined
          ? { csv: { ...csv, device: series.name } }
          : { mote: { id: series.mote, from: rowOf(series.readings[0]!.time), to: rowOf(series.readings.at(-1)!.time) } }
      return {
        project: of.toString(),
        keysFile: join(folder, `device-${i + 1}.keys.json`),
        storeFile: join(folder, `device-${i + 1}.sqlite`),
        addressesFile: state.addressesFile,
        gatewayUrl,
        mqttUrl: `mqtt://127.0.0.1:${ports.mqtt}`,
        channel: source.channel,
        ...input,
      }
    }

    async function onboard(): Promise<{ project: bigint; terms: Terms; devices: Address[] }> {
      const wallet = createWalletClient({
        chain: hardhat,
        transport: http(rpc),
        account: accountOf('owner'),
        pollingInterval: 25,
        cacheTime: 0,
      })
      const deployer = new Deployer({ client, wallet, artifacts: artifactFolder(join(repository, 'artifacts')), confirmations: 1 })
      const addresses = Object.fromEntries(Object.entries(deployment.contracts).map(([name, { address }]) => [name, address]))
      const owner = new ProjectOwner(deployer, addresses)
      const deadline = BigInt(Math.floor(Date.now() / 1000)) + SIGNATURE_SECONDS

      const id = await owner.project(PROJECT_NAME)
      const collection = await owner.collection(id, PROJECT_NAME, source.series.length)
      const fleet = await owner.project(FLEET_NAME)
      const fleetCollection = await owner.collection(fleet, FLEET_NAME, PROVERS.length)
      const found = await registerDevices(owner, id, collection, deadline)
      await registerProvers(owner, fleetCollection, deadline)

      const published = await owner.openMarket(id, accountOf('coordinator').address, () => termsOf(owner))
      const { windows } = spanOf(source)
      const hold = PROVER_FEE + SEQUENCER_FEE + 64n * PRICE_PER_READING
      await owner.fund(id, hold * BigInt(windows + 16))

      const wallets = await Promise.all(found.map((device) => owner.walletOf(device)))
      const fleetWallets = await Promise.all(PROVERS.map((name) => owner.walletOf(accountOf(name).address)))
      record.job = {
        project: id.toString(),
        devices: found.map((device, i) => ({ name: source.series[i]!.name, device, wallet: wallets[i]! })),
        provers: PROVERS.map((name, i) => ({ name, prover: accountOf(name).address, wallet: fleetWallets[i]! })),
        expectedReadings: spanOf(source).readings,
        chainFolder: folder,
      }
      delete record.phase
      state.writeRun(record)
      return { project: id, terms: published, devices: found }
    }

    /** Devices make their keys and offer themselves at the same time; the owner submits one after the other. */
    async function registerDevices(owner: ProjectOwner, of: bigint, collection: Address, deadline: bigint): Promise<Address[]> {
      const firstToken = await owner.nextTokenId()
      const ask = (i: number, tokenId: bigint) =>
        askForOffer(
          config(`device-${i + 1}.offer`, {
            ...deviceConfig(i, of),
            logLevel: 'silent',
            registration: {
              owner: owner.address,
              deviceContract: collection,
              tokenId: String(i + 1),
              nonce: '0',
              deadline: deadline.toString(),
            },
            dataKey: { tokenId: tokenId.toString(), fromWindow: 0, deadline: deadline.toString() },
          }),
          state.logFile(`device-${i + 1}`),
        )
      const offers = await inTurns(
        2,
        source.series.map((_, i) => () => ask(i, firstToken + BigInt(i))),
      )
      for (const [i, first] of offers.entries()) {
        const { device, hash, uri } = first
        if (!(await owner.isRegistered(device))) {
          await owner.register({
            device,
            deviceContract: collection,
            tokenId: BigInt(i + 1),
            user: owner.address,
            hash,
            uri,
            deadline,
            signature: first.registration!.typed.signature,
          })
        }
        if (await owner.hasDataKey(device)) continue
        // The binding names the ioID's token id. It was foretold; somebody else's registration in between needs a new signature.
        const tokenId = await owner.tokenIdOf(device)
        const offer = tokenId === firstToken + BigInt(i) ? first : await ask(i, tokenId)
        await owner.bindDataKey(of, device, offer.dataKey!)
      }
      return offers.map(({ device }) => device)
    }

    async function registerProvers(owner: ProjectOwner, collection: Address, deadline: bigint): Promise<void> {
      for (const [i, name] of PROVERS.entries()) {
        const account = accountOf(name)
        if (!(await owner.isRegistered(account.address))) {
          const document = { '@context': 'https://www.w3.org/ns/did/v1', id: didOf(deviceId(account.address)) }
          const posted = await postDocument(gatewayUrl, canonicalJson(document))
          const request = {
            deviceContract: collection,
            tokenId: BigInt(i + 1),
            user: owner.address,
            hash: canonicalHash(document),
            uri: posted,
            nonce: 0n,
            deadline,
          }
          await owner.register(
            await signRegistration(account, { chainId: deployment.chainId, ioIDRegistry: owner.at('IoIDRegistry') }, request),
          )
        }
        const wallet = createWalletClient({ chain: hardhat, transport: http(rpc), account, pollingInterval: 25, cacheTime: 0 })
        const own = new Deployer({ client, wallet, artifacts: artifactFolder(join(repository, 'artifacts')), confirmations: 1 })
        const store = owner.at('ProverStore')
        await own.ensure(
          `${name} is a prover`,
          () => own.read<number>('ProverStore', store, 'statusOf', [account.address]),
          (status: number) => status !== 0,
          async () => {
            const data = registerProverData(account.address)
            await own.send({ to: store, data }, 'register a prover')
          },
        )
      }
    }

    function termsOf(owner: ProjectOwner): Terms {
      const speed = speedOf(source, options.speed)
      return {
        programId: programIdOf('sensing/window', 1),
        channel: channelIdOf(source.channel),
        rangeMin: BigInt(source.rangeMin),
        rangeMax: source.rangeMax,
        threshold: source.threshold,
        decimals: source.decimals,
        pricePerReading: PRICE_PER_READING,
        proverFee: PROVER_FEE,
        sequencerFee: SEQUENCER_FEE,
        token: owner.at('TestToken'),
        receiver: owner.at('TelemetryDapp'),
        dappGas: 1_000_000,
        clock: ClockKind.Replay,
        clockOrigin: spanOf(source).from,
        // Devices start a few seconds after the terms: the clock waits for them.
        clockStart: Math.floor(Date.now() / 1000) + 4,
        clockSpeed: speed,
        taskSeconds: 120,
        maxAge: 0,
        // Two clocks of one machine agree; a second of ours is `speed` seconds of the project.
        maxSkew: Math.max(60, 2 * speed),
      }
    }
  } catch (error) {
    await supervisor.stopAll()
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/** ProverStore.register(address): the overload without arguments shares its name. */
function registerProverData(device: Address): `0x${string}` {
  return `${keccak256(stringToHex('register(address)')).slice(0, 10)}${device.slice(2).toLowerCase().padStart(64, '0')}` as `0x${string}`
}

async function postDocument(gatewayUrl: string, body: string): Promise<string> {
  const response = await fetch(`${gatewayUrl}/v1/documents`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  if (!response.ok)
    throw new TrellisError({
      code: 'DOCUMENT_REFUSED',
      message: 'The gateway does not take a DID document.',
      details: { status: response.status, body: await response.text() },
    })
  return ((await response.json()) as { uri: string }).uri
}

const answers = async (url: string): Promise<boolean> => (await fetch(url, { signal: AbortSignal.timeout(2000) })).ok

async function inTurns<T>(width: number, tasks: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = []
  for (let i = 0; i < tasks.length; i += width) results.push(...(await Promise.all(tasks.slice(i, i + width).map((task) => task()))))
  return results
}

async function choosePorts(free: boolean, chainPort: number | undefined): Promise<Ports> {
  const ports: Ports = { ...DEFAULT_PORTS }
  if (free) for (const name of Object.keys(ports) as (keyof Ports)[]) ports[name] = await freePort()
  if (chainPort !== undefined) ports.chain = chainPort
  const { chain, ...others } = ports
  await requireFree(chainPort === undefined ? { chain, ...others } : others)
  return ports
}

/** Stores of this chain and deployment. Those of chains that are gone go too: an in-memory chain never comes back. */
function chainFolder(state: LocalState, deployment: Deployment): string {
  const own = `${deployment.genesisHash.slice(2, 14)}-${deployment.contracts['Router']!.address.slice(2, 10).toLowerCase()}`
  const all = state.folder('chains')
  for (const name of readdirSync(all)) if (name !== own) rmSync(join(all, name), { recursive: true, force: true })
  return state.folder('chains', own)
}

/** Row of the data set that a time belongs to. */
const rowOf = (time: number): number => (time - DATASET_ORIGIN) / DATASET_STEP_SECONDS + 1

/** The record of a run that its supervisor still keeps, or undefined. */
export function livingRun(state: LocalState): RunRecord | undefined {
  const record = state.readRun()
  return record !== undefined && isRunning(record.supervisor) ? record : undefined
}
