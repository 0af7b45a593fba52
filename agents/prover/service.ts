// SPDX-License-Identifier: GPL-3.0-or-later
/** The prover: leases tasks, proves them, delivers the proofs. */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { addressOf, connectDeployment, readDeployment } from '../kit/deployment.ts'
import { startHttp } from '../kit/http.ts'
import { keyFiles, openKey } from '../kit/keys.ts'
import { createStack } from '../kit/lifecycle.ts'
import { createMarketView } from '../kit/market.ts'
import { defineService } from '../kit/service.ts'
import { backOutStore, ledgerFolder } from '../kit/store.ts'
import { watchChain, watchDisk } from '../kit/watch.ts'
import type { Hex } from '../protocol/ids.ts'
import type { ProverBackend } from './backend.ts'
import { openBackend } from './backends.ts'
import { proverConfig, type ProverConfig } from './config.ts'
import { createPlaces } from './loop.ts'
import { proverMetrics } from './metrics.ts'
import { openSeat, type Bench, type Seat } from './seat.ts'
import { migrations } from './work.ts'

/** The service over a backend of the caller's choice; `service` has the one that the configuration names. */
export const createProverService = (openBackend: (config: ProverConfig) => Promise<ProverBackend>) =>
  defineService({
    name: 'prover',
    config: proverConfig,

    /** @throws TrellisError CHAIN_RESET | RPC_FAILED | KEY_… | FOLDER_IN_USE | PORT_BUSY, and what the backend throws */
    async start(config, { log, metrics: registry, signal, fail, onReload }) {
      const stack = createStack(log)
      try {
        // First, for its process loads the keys while this one connects.
        const backend = await openBackend(config)
        stack.add('backend', () => backend.close())
        const { deployment, chain, local } = await connectDeployment(config.chain, { log, signal, metrics: registry })
        const key = await openKey(config.key, { local })
        stack.add('key', () => key.close())
        const metrics = proverMetrics(registry)
        watchChain(registry, chain, () => key.account.address)
        watchDisk(registry, config.dataFolder)
        const [view, places] = [createMarketView(chain, deployment), createPlaces(config.concurrency)]
        const bench: Bench = { config, deployment, chain, view, backend, places, log, metrics, signal, fail }
        let seat = await openSeat(bench, key.account)
        const retired = new Map<Hex, { seat: Seat; done: Promise<void> }>()
        stack.add('seats', async () => {
          await Promise.all([seat, ...[...retired.values()].map((old) => old.seat)].map((each) => each.close()))
        })
        onReload?.(async (fresh) => {
          if (!(await key.reload(fresh.key))) return
          // A key that comes back while its old seat still works has to wait for that one's folder.
          await retired.get(key.account.address.toLowerCase() as Hex)?.done
          const [old, next] = [seat, await openSeat(bench, key.account)]
          seat = next
          log.info({ prover: next.prover, before: old.prover }, 'the key changed')
          const done = old.retire().finally(() => retired.delete(old.prover))
          retired.set(old.prover, { seat: old, done })
        })

        const http = await startHttp({ ...config.http, log, metrics: registry, routes: () => undefined })
        stack.add('http', () => http.close())
        return { url: http.url, stop: () => stack.close() }
      } catch (error) {
        await stack.close()
        throw error
      }
    },

    stores: ({ dataFolder, key }) => [
      { kind: 'sqlite', folder: dataFolder, pattern: '*/*/work.sqlite', version: migrations.length },
      ...keyFiles(key),
    ],

    /** Of every key that proved here. */
    backOut({ dataFolder, chain }, to = migrations.length) {
      const deployment = readDeployment(chain.addressesFile)
      const cwd = ledgerFolder(dataFolder, deployment.genesisHash, addressOf(deployment, 'Router'))
      return globSync('*/work.sqlite', { cwd }).map((file) => backOutStore({ file: join(cwd, file), to, service: 'prover' }))
    },
  })

export const service = createProverService(openBackend)
