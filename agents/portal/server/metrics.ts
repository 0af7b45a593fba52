// SPDX-License-Identifier: Apache-2.0
/** What the portal's server counts. */
import type { Metrics } from '../../kit/metrics.ts'

export type PortalMetrics = ReturnType<typeof portalMetrics>

export function portalMetrics(metrics: Metrics) {
  return {
    forwarded: metrics.counter('forwarded_total', 'requests handed on', ['to', 'outcome']),
    events: metrics.counter('events_total', 'events handed on', ['from']),
    upstreamUp: metrics.gauge('upstream_up_count', '1 while a service behind the page answers', ['name']),
  }
}
