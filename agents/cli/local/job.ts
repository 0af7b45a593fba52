// SPDX-License-Identifier: Apache-2.0
/** The whole job on this machine: what is started, and in which order. Used by `start` and `demo`. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Address, createPublicClient, http, type PublicClient } from 'viem'
import { hardhat } from 'viem/chains'
import { readNetwork } from '../../../deploy/network.ts'
import { deploySuite } from '../../../deploy/suite.ts'
import { type Deployment, readDeployment } from '../../kit/deployment.ts'
import { PERMANENT_EXIT } from '../../kit/service.ts'
import type { Terms } from '../../protocol/terms.ts'
import type { Printer } from '../print.ts'
import { keyFileOf } from './accounts.ts'
import { readSource, rowOf, type Source, sourceId, type SourceOptions, spanOf } from './dataset.ts'
import { choosePorts, forgetOtherChains, jobFolder, makeRoom } from './earlier-run.ts'
import { onboard, PROVERS } from './onboard.ts'
import { refOf } from './process.ts'
import { build, hardhatProgram, readProjectFile } from './project-file.ts'
import { home, type LocalState, PROGRAM, repository, type RunRecord, type SourceName } from './state.ts'
import { Supervisor, type SupervisorEvents } from './supervisor.ts'

export interface JobOptions extends SourceOptions {
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
  /** Starts the indexer, which nothing waits for; false where Ponder is not installed. */
  startIndexer: () => Promise<boolean>
  /** Seconds per stage so far. */
  seconds: Record<string, number>
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
  const own = readProjectFile()
  const source = await readSource(own === undefined || options.data !== undefined ? options : { ...options, ...own.data })
  for (const note of source.notes) print.step(`${options.data ?? 'data'}: ${note}`)
  // A demo has stores of its own, and none of an earlier one: it starts from nothing.
  const isDemo = command === 'demo'
  const name: SourceName = { id: `${sourceId(source)}${isDemo ? '-demo' : ''}`, title: isDemo ? `demo: ${source.title}` : source.title }
  const alive = await makeRoom(state, name, print)
  const ports = await choosePorts(options.freePorts, alive, again ? state.readRun()?.ports : undefined)

  if (options.build) {
    print.step('contracts and circuits')
    await stage('build', async () => {
      await build(state.logFile('build'), signal)
    })
  }

  const record: RunRecord = {
    version: 1,
    command,
    startedAt: new Date().toISOString(),
    supervisor: refOf(process.pid),
    ports,
    children: {},
    source: name,
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
      cwd: home,
      args: [hardhatProgram(), 'node', '--hostname', '127.0.0.1', '--port', String(ports.chain)],
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
    const deployed = await stage('deploy', () => deploySuite({ network, stateFolder: state.root, circuits: join(home, 'circuits') }))
    print.step(`contracts ${deployed.sent === 0 ? 'are there' : `deployed in ${deployed.sent} transactions`}`)
    const deployment = readDeployment(state.addressesFile)
    const folder = jobFolder(state, deployment, name, isDemo)
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
      args: [PROGRAM, 'run', kind, '--config', config(name, content)],
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
    forgetOtherChains(folder, deployment)
    print.step(`gateway on ${gatewayUrl}, MQTT on port ${ports.mqtt}`)

    const { project, terms, devices, job } = await stage('onboard', () =>
      onboard({ own, state, deployment, client, rpc, gatewayUrl, source, speed: options.speed, folder, deviceConfig, writeConfig: config }),
    )
    record.job = { ...job, folder }
    delete record.phase
    state.writeRun(record)
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
            gatewayUrls: [gatewayUrl],
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
            coordinatorUrls: [coordinatorUrl],
            dataFolder: join(folder, name),
            artifactsFolder: join(home, 'build', 'circuits'),
          }
          return supervisor.start(service(name, 'prover', content, port))
        }),
      ])
    })
    print.step(`coordinator on ${coordinatorUrl}, two provers`)
    const webFolder = join(repository, 'build', 'portal')
    if (!isDemo && existsSync(webFolder)) {
      const content = {
        ...{ chain, http: { port: ports.portal }, projects: [project.toString()], webFolder, gatewayUrl, coordinatorUrl },
        indexerUrl: `http://127.0.0.1:${ports.indexer}`,
      }
      await stage('portal', () => supervisor.start(service('portal', 'portal', content, ports.portal)))
      print.step(`page on http://127.0.0.1:${ports.portal}`)
    }
    await Promise.all(source.series.map((_, i) => supervisor.start(service(`device-${i + 1}`, 'device', deviceConfig(i, project)))))
    print.step(`${source.series.length} devices replay ${spanOf(source).readings} readings: ${source.title}`)
    const startIndexer = async (): Promise<boolean> => {
      if (!existsSync(join(repository, 'node_modules', 'ponder'))) return false
      const content = { chain: { ...chain, pollMs: 500 }, http: { port: ports.indexer }, dataFolder: join(folder, 'indexer') }
      await supervisor.start(service('indexer', 'indexer', content))
      return true
    }
    const urls = { gatewayUrl, coordinatorUrl }
    return { state, record, supervisor, deployment, client, source, project, terms, devices, ...urls, startIndexer, seconds }

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
  } catch (error) {
    await supervisor.stopAll()
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

const answers = async (url: string): Promise<boolean> => (await fetch(url, { signal: AbortSignal.timeout(2000) })).ok
