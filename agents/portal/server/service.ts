// SPDX-License-Identifier: Apache-2.0
/** The page and what it asks. Holds no key, keeps nothing, changes nothing: whoever writes does so through a wallet of his own. */
import { createPublicClient, http } from 'viem'
import { createEventHub } from '../../kit/events.ts'
import { startHttp } from '../../kit/http.ts'
import { createStack, startLoop } from '../../kit/lifecycle.ts'
import { defineService } from '../../kit/service.ts'
import { portalConfig } from './config.ts'
import { follow } from './feed.ts'
import { nothingSeen, type Watch, watchPass } from './loop.ts'
import { portalMetrics } from './metrics.ts'
import { createNetworkReader } from './network.ts'
import { pageRoutes } from './page.ts'
import { apiRoutes } from './routes.ts'

/** Events that are handed on from each service. */
const feeds = { gateway: new Set(['readings', 'window', 'refusal', 'gap']), coordinator: new Set(['task', 'gap']) } as const
const IDLE_MS = 1_000

export const service = defineService({
  name: 'portal',
  config: portalConfig,

  /** Starts whoever else is there: what does not answer is shown as that. @throws TrellisError PAGE_MISSING | PORT_BUSY */
  async start(config, { log, metrics: registry, signal, fail }) {
    const stack = createStack(log)
    try {
      const client = createPublicClient({
        transport: http(config.chain.rpcUrl, { timeout: 5_000, retryCount: 0, batch: true }),
        cacheTime: 0,
      })
      const metrics = portalMetrics(registry)
      const hub = createEventHub({ metrics: registry })
      const watch: Watch = { config, client, hub, log, metrics, seen: nothingSeen() }
      const ending = new AbortController()
      const ended = AbortSignal.any([signal, ending.signal])
      const door = await startHttp({
        ...config.http,
        log,
        metrics: registry,
        bodyLimitBytes: 256 << 10,
        routes: (app) => {
          apiRoutes(app, watch, createNetworkReader(config))
          pageRoutes(app, config.webFolder)
        },
      })
      stack.add('http', () => door.close(500))
      stack.add('events', () => hub.close())
      const loop = startLoop({ name: 'watch', pass: () => watchPass(watch), idleMs: IDLE_MS, signal: ended, log })
      loop.done.catch(fail)
      const followed = Object.entries(feeds).map(([name, names]) =>
        follow({
          ...{ url: new URL('/v1/events', name === 'gateway' ? config.gatewayUrl : config.coordinatorUrl).href, names, log, signal: ended },
          take: (event, data) => {
            metrics.events.inc({ from: name })
            hub.publish(event, data)
          },
        }),
      )
      stack.add('watch', async () => {
        ending.abort()
        await Promise.all([loop.done.catch(() => undefined), ...followed])
      })
      return { url: door.url, stop: () => stack.close() }
    } catch (error) {
      await stack.close()
      throw error
    }
  },
})
