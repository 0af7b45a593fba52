// SPDX-License-Identifier: Apache-2.0
/** The coordinator: messages → tasks → assignment → settlement. */
import { basename } from 'node:path'
import { parseAbiItem } from 'viem'
import { createScanner } from '../kit/cursor.ts'
import { createEventHub } from '../kit/events.ts'
import { addressOf, connectDeployment, readDeployment, type Deployment } from '../kit/deployment.ts'
import { startHttp } from '../kit/http.ts'
import { keyFiles, openKey } from '../kit/keys.ts'
import { createStack, patiently } from '../kit/lifecycle.ts'
import { createLog, type Logger } from '../kit/log.ts'
import { backOutQueue, type QueuePlace } from '../kit/queue.ts'
import { errorsOf } from '../kit/reverts.ts'
import { createSender } from '../kit/sender.ts'
import { defineService } from '../kit/service.ts'
import { ledgerFolder } from '../kit/store.ts'
import { watchChain, watchDisk } from '../kit/watch.ts'
import { routerAbi, taskEscrowAbi, taskManagerAbi } from '../protocol/generated/abi.ts'
import type { Hex } from '../protocol/ids.ts'
import { createChainView } from './chain-view.ts'
import { coordinatorConfig, type CoordinatorConfig } from './config.ts'
import { routes } from './door.ts'
import { createTaskEvents } from './events.ts'
import { createLeases } from './leases.ts'
import { openLedger } from './ledger.ts'
import { startLoops } from './loop.ts'
import { coordinatorMetrics } from './metrics.ts'
import type { Modules } from './modules.ts'
import { reconcilePass } from './reconcile.ts'
import { migrations } from './schema.ts'

const proverRegistered = parseAbiItem('event ProverRegistered(address indexed prover, address indexed device, uint256 indexed tokenId)')

/** Where the ledger is: one database may hold those of many deployments, each in a schema of its own. */
function placeOf({ dataFolder, databaseUrl }: CoordinatorConfig, deployment: Deployment, log: Logger): QueuePlace {
  const folder = ledgerFolder(dataFolder, deployment.genesisHash, addressOf(deployment, 'Router'))
  return { folder, databaseUrl, schema: `coordinator_${basename(folder).replaceAll('-', '_')}`, log, service: 'coordinator' }
}

/** The ledger of the deployment in a database; without one, of every deployment below the data folder. */
function ledgerPlace(config: CoordinatorConfig): Omit<QueuePlace, 'log'> {
  if (config.databaseUrl === undefined) return { folder: config.dataFolder, schema: 'coordinator', service: 'coordinator' }
  const { log: _log, ...place } = placeOf(config, readDeployment(config.chain.addressesFile), createLog('coordinator', 'silent'))
  return place
}

/**
 * A restored ledger is behind the chain, which is asked first: what the ledger believed to be assigned is looked up there, and becomes a job or what
 * happened since. Proofs that are here stay, and are checked against the chain before one is sent.
 */
const REVIVE = `update tasks set state = 'received', prover = null, deadline = null, terms_version = null, rev = rev + 1
    where state in ('assigned', 'leased') and not final;
  update tasks set job = null, claimed_by = null, claimed_until = null;
  update pulled set claimed_by = null, claimed_until = null`

export const service = defineService({
  name: 'coordinator',
  config: coordinatorConfig,

  /** @throws TrellisError CHAIN_RESET | RPC_FAILED | KEY_… | FOLDER_IN_USE | DATABASE_FAILED | PORT_BUSY */
  async start(config, { log, metrics, signal, fail, onReload }) {
    const stack = createStack(log)
    try {
      const { deployment, chain, local } = await connectDeployment(config.chain, { log, signal, metrics })
      const key = await openKey(config.key, { local })
      stack.add('key', () => key.close())
      onReload?.(async (fresh) => {
        if (await key.reload(fresh.key)) log.info({ coordinator: key.account.address }, 'the key changed')
      })
      const hub = createEventHub({ metrics, subject: chain.genesisHash })
      const ledger = await openLedger({
        ...placeOf(config, deployment, log),
        leaseSeconds: config.leaseSeconds,
        onChange: (id) => events.changed(id),
      })
      const events = createTaskEvents(hub, (ids) => ledger.some(ids), log)
      stack.add('ledger', () => ledger.close())
      const sender = createSender({ chain, key, errors: errorsOf(routerAbi, taskManagerAbi, taskEscrowAbi), log })
      stack.add('sender', () => sender.close())

      watchChain(metrics, chain, () => key.account.address)
      if (config.databaseUrl === undefined) watchDisk(metrics, config.dataFolder)
      const counted = coordinatorMetrics(metrics)
      const scan = 'provers'
      const roster = createScanner({
        name: scan,
        chain,
        addresses: [addressOf(deployment, 'ProverStore')],
        events: [proverRegistered],
        fromBlock: BigInt(deployment.contracts['ProverStore']?.block ?? 0),
        load: () => ledger.scanned(scan),
        apply: ({ logs, rollbackTo, position }) => {
          if (rollbackTo !== null) counted.reorgs.inc()
          const found = logs.map((event) => ({ address: event.args.prover.toLowerCase() as Hex, block: event.blockNumber }))
          return ledger.rostered(scan, found, rollbackTo, position)
        },
      })
      const leases = createLeases()
      const modules: Modules = {
        config,
        chainId: chain.chainId,
        ledger,
        view: createChainView(chain, deployment),
        sender,
        roster,
        log,
        metrics: counted,
        busy: new Set(),
        seen: new Map(),
        stores: new Map(),
        wake: { assign: () => undefined, settle: () => undefined, lease: (provers) => leases.wake(provers) },
        now: Date.now,
      }
      // Before anything acts on the ledger it agrees with the chain.
      await patiently(() => reconcilePass(modules, chain.policy.reorgDepth), { what: 'the chain', log, signal })

      const stop = new AbortController()
      const loops = startLoops(modules, chain, AbortSignal.any([signal, stop.signal]))
      modules.wake.assign = () => loops.assign.wake()
      modules.wake.settle = () => loops.settle.wake()
      loops.done.catch(fail)
      stack.add('loops', async () => {
        stop.abort()
        await loops.done.catch(() => undefined)
      })

      const http = await startHttp({
        ...config.http,
        log,
        metrics,
        ready: () =>
          chain.check().then(
            () => null,
            (error: unknown) => (error instanceof Error ? error.message : 'the chain does not answer'),
          ),
        bodyLimitBytes: 64 * 1024,
        routes: routes(modules, leases, hub),
      })
      stack.add('http', () => http.close())
      stack.add('events', () => {
        events.close()
        hub.close()
      })
      return { url: http.url, stop: () => stack.close() }
    } catch (error) {
      await stack.close()
      throw error
    }
  },

  stores: (config) => [
    {
      kind: 'tables',
      place: ledgerPlace(config),
      ...(config.databaseUrl === undefined && { pattern: '*' }),
      migrations,
      after: REVIVE,
    },
    ...keyFiles(config.key),
  ],

  async backOut(config, to = migrations.length) {
    return [await backOutQueue(placeOf(config, readDeployment(config.chain.addressesFile), createLog('coordinator', 'warn')), to)]
  },
})
