// SPDX-License-Identifier: Apache-2.0
/** The door for devices: MQTT and HTTP in, verified and ordered messages into the data availability store. */
import { addressOf, connectDeployment, readDeployment } from '../kit/deployment.ts'
import { chainFaults } from '../kit/errors.ts'
import { createEventHub } from '../kit/events.ts'
import { startHttp } from '../kit/http.ts'
import { createStack, patiently, startLoop } from '../kit/lifecycle.ts'
import { createLog } from '../kit/log.ts'
import { backOutQueue } from '../kit/queue.ts'
import { defineService, type RunningService, type ServiceContext } from '../kit/service.ts'
import { backOutStore } from '../kit/store.ts'
import { watchChain, watchDisk } from '../kit/watch.ts'
import type { Address, Hex } from '../protocol/ids.ts'
import { adoptLedger, MARK, NEW_NAME } from './adopt.ts'
import { openAckSigner } from './ack-signer.ts'
import { createBacklog } from './backlog.ts'
import { type BrokerDoor, openBroker } from './broker.ts'
import { type ChainView, createChainView } from './chain-view.ts'
import { gatewayConfig, type GatewayConfig } from './config.ts'
import { createGatewayEvents } from './events.ts'
import { gatewayRoutes } from './http.ts'
import { createIntake } from './intake.ts'
import { migrations, openLedger, storeFile } from './ledger.ts'
import { createRateLimits } from './limits.ts'
import { NEW_SHARED_NAME, openSharedLedger, sharedMigrations, sharedPlace } from './ledger-postgres.ts'
import { followPass } from './loop.ts'
import { gatewayMetrics } from './metrics.ts'
import { type MqttDoor, startMqtt } from './mqtt.ts'
import { shareOf } from './senders.ts'
import { createSignatureVerifier } from './signatures.ts'

/** The chain that a gateway serves: its name, and the view of it. */
export interface GatewayChain {
  chainId: number
  genesisHash: Hex
  contracts: { ioIDRegistry: Address; dataKeyRegistry: Address; projectStore: Address }
  view: ChainView
  /** Why the chain cannot be trusted now, or null. */
  ready: () => string | null
  /** Ends what follows the chain. */
  follow?: () => Promise<void>
}

export interface RunningGateway extends RunningService {
  url: string
  mqttUrl: string
}

/** Seconds without sight of the chain after which the gateway says that it is not ready. */
const BLIND_MS = 30_000

export const service = defineService({
  name: 'gateway',
  config: gatewayConfig,
  async start(config, context) {
    const { deployment, chain, local } = await connectDeployment(config.chain, context)
    const [ioIDRegistry, ioID] = [addressOf(deployment, 'IoIDRegistry'), addressOf(deployment, 'IoID')]
    const memberships = addressOf(deployment, 'Memberships')
    const [dataKeyRegistry, projectStore] = [addressOf(deployment, 'DataKeyRegistry'), addressOf(deployment, 'ProjectStore')]
    const credentialRegistry = addressOf(deployment, 'CredentialRegistry')
    if (local && config.databaseUrl === undefined) {
      const { dataFolder } = config
      const from = adoptLedger({ dataFolder, chainId: chain.chainId, genesisHash: chain.genesisHash, deployment: ioIDRegistry })
      if (from !== undefined) context.log.warn({ from }, 'the local chain is a new one: its ledger begins as a copy of the last')
    }
    watchChain(context.metrics, chain)
    if (config.databaseUrl === undefined) watchDisk(context.metrics, config.dataFolder)
    const view = createChainView(chain, { ioIDRegistry, ioID, memberships, dataKeyRegistry, projectStore, credentialRegistry })
    const sight = { seenAt: 0 }
    await patiently(() => followPass(view, sight), { what: 'the chain', ...context })
    const ending = new AbortController()
    const loop = startLoop({
      name: 'follow',
      pass: () => followPass(view, sight),
      idleMs: config.chain.pollMs,
      signal: AbortSignal.any([context.signal, ending.signal]),
      log: context.log,
      fatal: chainFaults,
    })
    loop.done.catch(context.fail)
    const follow = async (): Promise<void> => {
      ending.abort()
      await loop.done.catch(() => undefined)
    }
    return startGateway(config, context, {
      follow,
      chainId: chain.chainId,
      genesisHash: chain.genesisHash,
      contracts: { ioIDRegistry, dataKeyRegistry, projectStore },
      view,
      ready: () => (Date.now() - sight.seenAt > BLIND_MS ? 'the chain was not seen for 30 seconds' : null),
    })
  },
  stores: ({ dataFolder, chain, databaseUrl }) => {
    if (databaseUrl === undefined)
      return [
        { kind: 'sqlite', folder: dataFolder, pattern: '*/gateway.sqlite', version: migrations.length, after: NEW_NAME },
        { kind: 'files', folder: dataFolder, pattern: `*/${MARK}` },
      ]
    const deployment = readDeployment(chain.addressesFile)
    const registry = addressOf(deployment, 'IoIDRegistry')
    const { log: _log, ...place } = sharedPlace(databaseUrl, deployment.genesisHash, registry, createLog('gateway', 'silent'))
    return [{ kind: 'tables', place, migrations: sharedMigrations, after: NEW_SHARED_NAME }]
  },
  async backOut({ dataFolder, chain, databaseUrl, logLevel }, to) {
    const deployment = readDeployment(chain.addressesFile)
    const registry = addressOf(deployment, 'IoIDRegistry')
    if (databaseUrl !== undefined) {
      const log = createLog('gateway', logLevel)
      return [await backOutQueue(sharedPlace(databaseUrl, deployment.genesisHash, registry, log), to ?? sharedMigrations.length)]
    }
    const file = storeFile(dataFolder, deployment.genesisHash, registry)
    return [backOutStore({ file, to: to ?? migrations.length, service: 'gateway' })]
  },
})

/** Opens the store and both doors over a chain that is known already. */
export async function startGateway(
  config: Omit<GatewayConfig, 'chain'>,
  { log, metrics: registry, signal = new AbortController().signal }: Pick<ServiceContext, 'log' | 'metrics'> & { signal?: AbortSignal },
  chain: GatewayChain,
): Promise<RunningGateway> {
  const { chainId, genesisHash, contracts, view } = chain
  const { dataFolder, refusalsKept, documentsKept, maxWaiting } = config
  const metrics = gatewayMetrics(registry)
  const stack = createStack(log)
  if (chain.follow !== undefined) stack.add('follow', chain.follow)
  try {
    const place = { dataFolder, genesisHash, deployment: contracts.ioIDRegistry, refusalsKept, documentsKept }
    const { databaseUrl } = config
    const ledger =
      databaseUrl === undefined
        ? openLedger(place)
        : await patiently(
            () => openSharedLedger({ ...sharedPlace(databaseUrl, genesisHash, contracts.ioIDRegistry, log), refusalsKept, documentsKept }),
            { what: 'the database', log, signal },
          )
    stack.add('store', () => ledger.close())
    const signatures = createSignatureVerifier({ isRetired: (key) => view.isRetired(key) })
    const domain = { chainId, ...contracts }
    const limits = createRateLimits(config.limits)
    const backlog = createBacklog(ledger, config)
    const hub = createEventHub({ metrics: registry, subject: genesisHash })
    const events = createGatewayEvents(hub)
    const intake = createIntake({ view, ledger, signatures, limits, backlog, metrics, events, log }, { ...domain, maxWaiting })
    metrics.waiting(() => intake.waiting)
    const share = shareOf(maxWaiting)
    const signer = config.broker === undefined ? undefined : await openAckSigner(ledger)
    let base = config.publicUrl ?? ''
    let mqtt: (BrokerDoor | MqttDoor) | undefined = undefined
    const http = await startHttp({
      ...config.http,
      log,
      metrics: registry,
      ready: () => chain.ready() ?? mqtt?.ready() ?? null,
      bodyLimitBytes: 4 << 20,
      routes: gatewayRoutes(
        { intake, ledger, view, backlog, metrics, hub },
        { ...domain, ackKeys: signer === undefined ? [] : [signer.key], documentsKept, share, publicUrl: () => base.replace(/\/$/, '') },
      ),
    })
    stack.add('http', () => http.close())
    stack.add('events', () => {
      events.close()
      hub.close()
    })
    base ||= http.url
    const { broker } = config
    const door =
      broker === undefined || signer === undefined
        ? await startMqtt(intake, { ...config.mqtt, share }, metrics, log)
        : await openBroker(intake, signer, { ...domain, broker, share }, log)
    mqtt = door
    // The doors close first, then what they had begun to judge is answered and stored.
    stack.add('intake', () => drained(() => intake.waiting + ledger.waiting))
    stack.add('mqtt', () => door.close())
    log.info({ http: http.url, mqtt: door.url }, 'doors open')
    return { url: http.url, mqttUrl: door.url, stop: () => stack.close() }
  } catch (error) {
    await stack.close()
    throw error
  }
}

async function drained(waiting: () => number): Promise<void> {
  for (let tries = 0; tries < 200 && waiting() > 0; tries++) await new Promise((resolve) => setTimeout(resolve, 10))
}
