// SPDX-License-Identifier: Apache-2.0
/** The indexer: history of the network from the chain's own logs, read by Ponder in a process of its own. Nothing that guards value reads it. */
import { randomBytes } from 'node:crypto'
import { startHttp } from '../kit/http.ts'
import { createStack, startLoop } from '../kit/lifecycle.ts'
import { lockFolder } from '../kit/lock.ts'
import { defineService } from '../kit/service.ts'
import { indexerConfig } from './config.ts'
import { routes } from './door.ts'
import { stopWatch, type IndexState, type Watch, watchPass } from './loop.ts'
import { indexerMetrics } from './metrics.ts'

/** Times between looks at the chain's first block and at Ponder. */
const idleMs = 1_000

export const service = defineService({
  name: 'indexer',
  config: indexerConfig,

  /** Starts without chain and deployment: it waits for both. @throws TrellisError FOLDER_IN_USE | PORT_BUSY */
  async start(config, { log, metrics: registry, signal, fail }) {
    const stack = createStack(log)
    try {
      const lock = lockFolder(config.dataFolder)
      stack.add('folder', () => lock.release())
      const state: IndexState = { genesisHash: null, head: null, block: null, generation: 0, url: null, notReady: 'it starts' }
      const secret = randomBytes(32).toString('hex')
      const watch: Watch = { config, secret, log, metrics: indexerMetrics(registry), state, failures: 0 }
      stack.add('ponder', () => stopWatch(watch))
      const ending = new AbortController()
      const pass = () => watchPass(watch)
      const loop = startLoop({
        name: 'watch',
        pass,
        idleMs,
        signal: AbortSignal.any([signal, ending.signal]),
        log,
        backoff: { capMs: 5_000 },
      })
      loop.done.catch(fail)
      stack.add('watch', async () => {
        ending.abort()
        await loop.done.catch(() => undefined)
      })
      const http = await startHttp({
        ...config.http,
        log,
        metrics: registry,
        bodyLimitBytes: 64 << 10,
        ready: () => state.notReady,
        routes: (app) => routes(app, state, secret),
      })
      stack.add('http', () => http.close())
      return { url: http.url, stop: () => stack.close() }
    } catch (error) {
      await stack.close()
      throw error
    }
  },
})
