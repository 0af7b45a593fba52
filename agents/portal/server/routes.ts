// SPDX-License-Identifier: Apache-2.0
/** What the page asks: the network, its figures, its events; reads of the services and of the chain, handed on. */
import { readJson, type HttpApp } from '../../kit/http.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { totalsOf, type Watch } from './loop.ts'
import type { NetworkReader } from './network.ts'
import { call, readCalls } from './rpc.ts'
import { ask, isAllowed, UPSTREAMS, type Answer } from './upstream.ts'

export function apiRoutes(app: HttpApp, watch: Watch, network: NetworkReader): void {
  const { config, client, hub, metrics } = watch
  const urls = { gateway: config.gatewayUrl, coordinator: config.coordinatorUrl, indexer: config.indexerUrl }

  /** Contracts, who may configure them, terms, services. */
  app.get('/api/v1/network', async (c) => {
    const { deployment, stale } = watch.seen
    if (deployment === undefined)
      throw new TrellisError({
        code: 'NOT_DEPLOYED',
        message: 'There is no deployment on the chain that answers.',
        details: { reason: stale.chain ?? null },
        next: 'npm start, or npm run trellis -- status',
        retryable: true,
      })
    return c.json(await network.read(client, deployment))
  })
  /** Figures now, each with who does not answer. */
  app.get('/api/v1/totals', (c) => c.json(totalsOf(watch.seen)))
  /** What happens, as it happens. */
  app.get('/api/v1/events', (c) => hub.answer(c))

  for (const name of UPSTREAMS) {
    /** Reads of a service behind the page. */
    app.get(`/api/v1/${name}/*`, async (c) => {
      const path = c.req.path.slice(`/api/v1/${name}`.length)
      if (!isAllowed(name, path))
        throw new TrellisError({ code: 'NOT_FOUND', message: `The page does not ask the ${name} for ${path.slice(0, 80)}.` })
      return handOn(name, ask(name, new URL(path + new URL(c.req.url).search, urls[name]).href))
    })
  }
  /** JSON-RPC that only reads. */
  app.post('/api/v1/rpc', async (c) => handOn('chain', call(config.chain.rpcUrl, readCalls(await readJson(c)))))

  async function handOn(to: string, asked: Promise<Answer>): Promise<Response> {
    try {
      const { status, body } = await asked
      metrics.forwarded.inc({ to, outcome: String(status) })
      // Never as what a page would run or show by itself.
      return new Response(body, {
        status,
        headers: { 'content-type': 'application/json', 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' },
      })
    } catch (error) {
      metrics.forwarded.inc({ to, outcome: 'down' })
      throw error
    }
  }
}
