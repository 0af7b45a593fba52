// SPDX-License-Identifier: GPL-3.0-or-later
/** The prover: leases tasks, proves them, delivers the proofs. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { addressOf, connectDeployment, readDeployment } from '../kit/deployment.ts'
import { startHttp } from '../kit/http.ts'
import { openKey } from '../kit/keys.ts'
import { createStack, startLoop, type Next } from '../kit/lifecycle.ts'
import { lockFolder } from '../kit/lock.ts'
import { createMarketView } from '../kit/market.ts'
import { errorsOf } from '../kit/reverts.ts'
import { createSender } from '../kit/sender.ts'
import { defineService } from '../kit/service.ts'
import { backOutStore, ledgerFolder } from '../kit/store.ts'
import { proverStoreAbi } from '../protocol/generated/abi.ts'
import type { Hex } from '../protocol/ids.ts'
import type { ProverBackend } from './backend.ts'
import { openBackend } from './backends.ts'
import { proverConfig, type ProverConfig } from './config.ts'
import { createCoordinatorClient } from './coordinator-client.ts'
import { createHeartbeat } from './heartbeat.ts'
import { createPlaces, deliverPass, leasePass, provePass, type ProverModules } from './loop.ts'
import { proverMetrics } from './metrics.ts'
import { migrations, openWork } from './work.ts'

/** What no retry cures: another chain is behind the RPC. */
const fatal = ['CHAIN_RESET', 'WRONG_CHAIN']

/** The service over a backend of the caller's choice; `service` has the one that the configuration names. */
export const createProverService = (openBackend: (config: ProverConfig) => Promise<ProverBackend>) =>
  defineService({
    name: 'prover',
    config: proverConfig,

    /** @throws TrellisError CHAIN_RESET | RPC_FAILED | KEY_… | FOLDER_IN_USE | PORT_BUSY, and what the backend throws */
    async start(config, { log, metrics: registry, signal, fail }) {
      const stack = createStack(log)
      try {
        // First, for its process loads the keys while this one connects.
        const backend = await openBackend(config)
        stack.add('backend', () => backend.close())
        const { deployment, chain, local } = await connectDeployment(config.chain)
        const key = await openKey(config.key, { local })
        stack.add('key', () => key.close())
        const prover = key.account.address.toLowerCase() as Hex
        const folder = join(ledgerFolder(config.dataFolder, deployment.genesisHash, addressOf(deployment, 'Router')), prover)
        const lock = lockFolder(folder)
        stack.add('lock', () => lock.release())
        const work = openWork(join(folder, 'work.sqlite'))
        stack.add('work', () => work.close())
        const sender = createSender({ chain, key, errors: errorsOf(proverStoreAbi), log })
        stack.add('sender', () => sender.close())

        const metrics = proverMetrics(registry)
        const stop = new AbortController()
        const ending = AbortSignal.any([signal, stop.signal])
        const modules: ProverModules = {
          config,
          chainId: chain.chainId,
          prover,
          view: createMarketView(chain, deployment),
          programs: new Set(backend.programs),
          backend,
          coordinator: createCoordinatorClient(config.coordinatorUrl, key.account),
          work,
          log,
          metrics,
          running: new Set(),
          places: createPlaces(config.concurrency),
          wake: { prove: () => undefined, deliver: () => undefined, lease: () => undefined },
          now: Date.now,
        }
        const beat = createHeartbeat({ chain, deployment, view: modules.view, sender, metrics, now: Date.now })
        const loop = (name: string, idleMs: number, pass: (signal: AbortSignal) => Promise<Next>, capMs = 10_000) =>
          startLoop({ name, idleMs, signal: ending, log, fatal, pass, backoff: { firstMs: 250, capMs } })
        const heartbeat = loop('heartbeat', 1_000, async () => {
          await chain.check()
          return beat()
        })
        // A coordinator that is back has work at once, so it is asked often.
        const lease = loop('lease', 500, (own) => leasePass(modules, own), 2_000)
        const prove = loop('prove', 1_000, (own) => provePass(modules, own))
        const deliver = loop('deliver', 500, () => deliverPass(modules))
        modules.wake = { prove: () => prove.wake(), deliver: () => deliver.wake(), lease: () => lease.wake() }
        const done = Promise.all([heartbeat, lease, prove, deliver].map((each) => each.done))
        done.catch(fail)
        stack.add('loops', async () => {
          stop.abort()
          await done.catch(() => undefined)
        })

        const http = await startHttp({ ...config.http, log, metrics: registry, routes: () => undefined })
        stack.add('http', () => http.close())
        return { url: http.url, stop: () => stack.close() }
      } catch (error) {
        await stack.close()
        throw error
      }
    },

    /** Of every key that proved here. */
    backOut({ dataFolder, chain }, to = migrations.length) {
      const deployment = readDeployment(chain.addressesFile)
      const cwd = ledgerFolder(dataFolder, deployment.genesisHash, addressOf(deployment, 'Router'))
      return globSync('*/work.sqlite', { cwd }).map((file) => backOutStore({ file: join(cwd, file), to, service: 'prover' }))
    },
  })

export const service = createProverService(openBackend)
