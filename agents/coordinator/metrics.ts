// SPDX-License-Identifier: Apache-2.0
/** What a coordinator counts. */
import type { Alert, Metrics } from '../kit/metrics.ts'

export type CoordinatorMetrics = ReturnType<typeof coordinatorMetrics>

export function coordinatorMetrics(metrics: Metrics) {
  return {
    tasks: metrics.gauge('tasks_count', 'tasks by state', ['state']),
    oldest: metrics.gauge('oldest_open_seconds', 'since the gateway took the oldest window that is not settled'),
    leaseWaits: metrics.gauge('lease_waits_count', 'provers that wait for work'),
    reorgs: metrics.counter('reorgs_total', 'reorganisations that reached what was read already'),
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

export const alerts: readonly Alert[] = [
  {
    name: 'TrellisTasksOld',
    expr: 'trellis_coordinator_oldest_open_seconds > 900',
    for: '5m',
    severity: 'page',
    summary: 'A window has waited {{ $value | humanizeDuration }} for its settlement.',
  },
  {
    name: 'TrellisTasksDead',
    expr: 'delta(trellis_coordinator_tasks_count{state="dead"}[1h]) > 0',
    for: '0m',
    severity: 'ticket',
    summary: '{{ $value | humanize }} tasks were put aside within an hour.',
  },
  {
    name: 'TrellisNoProver',
    expr: 'trellis_coordinator_tasks_count{state="received"} > 0 and on (instance) rate(trellis_coordinator_assigned_total[15m]) == 0',
    for: '15m',
    severity: 'page',
    summary: '{{ $value }} tasks wait, and nobody takes any.',
  },
  {
    name: 'TrellisProofsRefused',
    expr: 'increase(trellis_coordinator_refused_total[30m]) > 0',
    for: '0m',
    severity: 'ticket',
    summary: 'The chain refused proofs: {{ $labels.reason }}.',
  },
  {
    name: 'TrellisSettlementSlow',
    expr: 'histogram_quantile(0.9, sum by (le, instance) (rate(trellis_coordinator_received_to_settled_seconds_bucket[15m]))) > 120',
    for: '15m',
    severity: 'ticket',
    summary: 'One window in ten takes more than {{ $value | humanizeDuration }} from gateway to settlement.',
  },
  {
    name: 'TrellisReorg',
    expr: 'increase(trellis_coordinator_reorgs_total[1h]) > 0',
    for: '0m',
    severity: 'ticket',
    summary: 'The chain took blocks back that were worked on already.',
  },
]
