// SPDX-License-Identifier: Apache-2.0
/** What an indexer counts. */
import type { Metrics } from '../kit/metrics.ts'

export type IndexerMetrics = ReturnType<typeof indexerMetrics>

export function indexerMetrics(metrics: Metrics) {
  return {
    indexed: metrics.gauge('indexed_block', 'newest block in the index'),
    lag: metrics.gauge('lag_count', 'blocks of the chain that are not in the index yet'),
    starts: metrics.counter('ponder_starts_total', 'starts of the Ponder process'),
    rebuilds: metrics.counter('rebuilds_total', 'times that the index was begun anew', ['why']),
  }
}
