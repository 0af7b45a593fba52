// SPDX-License-Identifier: Apache-2.0
/** A data availability store with the gateway's API, holding what a test puts in. */
import { startHttp } from '../../../agents/kit/http.ts'
import { createLog } from '../../../agents/kit/log.ts'
import { createMetrics } from '../../../agents/kit/metrics.ts'
import type { WindowItemJson } from '../../../agents/protocol/lease.ts'

export async function startStore(port = 0) {
  const items: WindowItemJson[] = []
  const http = await startHttp({
    hostname: '127.0.0.1',
    port,
    log: createLog('store', 'silent'),
    metrics: createMetrics('store', { defaults: false }),
    routes: (app) => {
      app.get('/v1/projects/:id/windows', (c) => {
        const after = Number(c.req.query('after') ?? '0')
        const found = items
          .filter((item) => item.cursor > after && item.project === c.req.param('id'))
          .slice(0, Number(c.req.query('limit') ?? '100'))
        return c.json({ storeId: 'store', items: found, next: found.at(-1)?.cursor ?? after })
      })
    },
  })
  return {
    url: http.url,
    add(...windows: WindowItemJson[]): void {
      for (const window of windows) items.push({ ...window, cursor: items.length + 1 })
    },
    stop: () => http.close(0),
  }
}
