// SPDX-License-Identifier: Apache-2.0
/** What a coordinator counts. */
import type { Metrics } from '../kit/metrics.ts'

export type CoordinatorMetrics = ReturnType<typeof coordinatorMetrics>

export function coordinatorMetrics(metrics: Metrics) {
  return {
    tasks: metrics.gauge('tasks_count', 'tasks by state', ['state']),
    pulled: metrics.counter('windows_pulled_total', 'windows taken from the store'),
    assigned: metrics.counter('assigned_total', 'tasks assigned on chain by this coordinator'),
    skipped: metrics.counter('assign_skipped_total', 'assignments that the chain left out', ['reason']),
    recalled: metrics.counter('recalled_total', 'tasks recalled after their deadline'),
    results: metrics.counter('results_total', 'proofs received', ['status']),
    settled: metrics.counter('settled_total', 'tasks settled'),
    refused: metrics.counter('refused_total', 'proofs refused at settlement', ['reason']),
    gas: metrics.counter('gas_used_total', 'gas paid', ['call']),
    passSeconds: metrics.histogram('pass_seconds', 'duration of a pass', [0.01, 0.05, 0.2, 1, 5, 20], ['pass']),
    settleSeconds: metrics.histogram('received_to_settled_seconds', 'from the gateway to settlement', [0.5, 1, 2, 5, 10, 30, 60, 300]),
  }
}
