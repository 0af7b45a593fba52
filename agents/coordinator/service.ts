// SPDX-License-Identifier: Apache-2.0
/** The coordinator: messages → tasks → assignment → settlement. */
import { parseAbiItem } from 'viem'
import { createScanner } from '../kit/cursor.ts'
import { addressOf, connectDeployment } from '../kit/deployment.ts'
import { startHttp } from '../kit/http.ts'
import { openKey } from '../kit/keys.ts'
import { createStack } from '../kit/lifecycle.ts'
import { errorsOf } from '../kit/reverts.ts'
import { createSender } from '../kit/sender.ts'
import { defineService } from '../kit/service.ts'
import { ledgerFolder } from '../kit/store.ts'
import { routerAbi, taskEscrowAbi, taskManagerAbi } from '../protocol/generated/abi.ts'
import type { Hex } from '../protocol/ids.ts'
import { createChainView } from './chain-view.ts'
import { coordinatorConfig } from './config.ts'
import { routes } from './door.ts'
import { createLeases } from './leases.ts'
import { openLedger } from './ledger.ts'
import { startLoops } from './loop.ts'
import { coordinatorMetrics } from './metrics.ts'
import type { Modules } from './modules.ts'
import { reconcilePass } from './reconcile.ts'

const proverRegistered = parseAbiItem('event ProverRegistered(address indexed prover, address indexed device, uint256 indexed tokenId)')

export const service = defineService({
  name: 'coordinator',
  config: coordinatorConfig,

  /** @throws TrellisError CHAIN_RESET | RPC_FAILED | KEY_… | FOLDER_IN_USE | PORT_BUSY */
  async start(config, { log, metrics, signal, fail, onReload }) {
    const stack = createStack(log)
    try {
      const { deployment, chain, local } = await connectDeployment(config.chain)
      const key = await openKey(config.key, { local })
      stack.add('key', () => key.close())
      onReload?.(async (fresh) => {
        if (await key.reload(fresh.key)) log.info({ coordinator: key.account.address }, 'the key changed')
      })
      const folder = ledgerFolder(config.dataFolder, deployment.genesisHash, addressOf(deployment, 'Router'))
      const ledger = await openLedger({ folder, leaseSeconds: config.leaseSeconds, log })
      stack.add('ledger', () => ledger.close())
      const sender = createSender({ chain, key, errors: errorsOf(routerAbi, taskManagerAbi, taskEscrowAbi), log })
      stack.add('sender', () => sender.close())

      const scan = 'provers'
      const roster = createScanner({
        name: scan,
        chain,
        addresses: [addressOf(deployment, 'ProverStore')],
        events: [proverRegistered],
        fromBlock: BigInt(deployment.contracts['ProverStore']?.block ?? 0),
        load: () => ledger.scanned(scan),
        apply: ({ logs, rollbackTo, position }) => {
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
        metrics: coordinatorMetrics(metrics),
        busy: new Set(),
        seen: new Map(),
        wake: { assign: () => undefined, settle: () => undefined, lease: (provers) => leases.wake(provers) },
        now: Date.now,
      }
      // Before anything acts on the ledger it agrees with the chain.
      await reconcilePass(modules, chain.policy.reorgDepth)

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
        routes: routes(modules, leases),
      })
      stack.add('http', () => http.close())
      return { url: http.url, stop: () => stack.close() }
    } catch (error) {
      await stack.close()
      throw error
    }
  },
})
