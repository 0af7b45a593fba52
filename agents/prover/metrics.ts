// SPDX-License-Identifier: GPL-3.0-or-later
/** What a prover counts. */
import type { Metrics } from '../kit/metrics.ts'

export type ProverMetrics = ReturnType<typeof proverMetrics>

export function proverMetrics(metrics: Metrics) {
  return {
    leased: metrics.counter('leased_total', 'tasks leased'),
    refused: metrics.counter('tasks_refused_total', 'leases that did not agree with the chain', ['why']),
    proofs: metrics.counter('proofs_total', 'proofs tried', ['outcome']),
    proofSeconds: metrics.histogram('proof_seconds', 'time of one proof', [0.5, 1, 2, 3, 5, 8, 13, 21, 60]),
    delivered: metrics.counter('results_total', 'answers of the coordinator to results', ['status']),
    heartbeats: metrics.counter('heartbeats_total', 'heartbeats on chain'),
    waiting: metrics.gauge('work_count', 'tasks held here', ['state']),
  }
}
