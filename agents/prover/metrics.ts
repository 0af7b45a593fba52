// SPDX-License-Identifier: GPL-3.0-or-later
/** What a prover counts. */
import type { Alert, Metrics } from '../kit/metrics.ts'

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

export const alerts: readonly Alert[] = [
  {
    name: 'TrellisProofsFail',
    expr: 'increase(trellis_prover_proofs_total{outcome="failed"}[30m]) > 0',
    for: '0m',
    severity: 'ticket',
    summary: 'Proofs fail at {{ $labels.instance }}.',
  },
  {
    name: 'TrellisProofsSlow',
    expr: 'histogram_quantile(0.9, sum by (le, instance) (rate(trellis_prover_proof_seconds_bucket[15m]))) > 30',
    for: '15m',
    severity: 'ticket',
    summary: 'One proof in ten takes more than {{ $value | humanizeDuration }} at {{ $labels.instance }}.',
  },
  {
    name: 'TrellisTasksDisagree',
    expr: 'increase(trellis_prover_tasks_refused_total[30m]) > 0',
    for: '0m',
    severity: 'ticket',
    summary: 'A coordinator leases tasks that do not agree with the chain: {{ $labels.why }}.',
  },
]
