// SPDX-License-Identifier: Apache-2.0
/** What the gateway counts. */
import type { Alert, Counter, Gauge, Histogram, Metrics } from '../kit/metrics.ts'

export interface GatewayMetrics {
  /** Messages answered. */
  messages: Counter<'status' | 'reason'>
  /** Messages stored for the first time. */
  accepted: Counter<'kind'>
  /** From the arrival of a message to its answer. */
  seconds: Histogram
  connections: Gauge
  refusedConnections: Counter
  documents: Counter
  /** Messages that are being judged, as `count` tells. */
  waiting: (count: () => number) => void
}

export function gatewayMetrics(metrics: Metrics): GatewayMetrics {
  return {
    messages: metrics.counter('messages_total', 'messages answered, by status and reason of refusal', ['status', 'reason']),
    accepted: metrics.counter('accepted_total', 'messages stored, by kind', ['kind']),
    seconds: metrics.histogram('message_seconds', 'from arrival to answer, commit included', [0.001, 0.005, 0.02, 0.1, 0.5, 2]),
    connections: metrics.gauge('mqtt_connections_count', 'open MQTT connections'),
    refusedConnections: metrics.counter(
      'mqtt_connections_refused_total',
      'MQTT connections beyond what the door, or one address, may have',
    ),
    documents: metrics.counter('documents_total', 'DID documents stored'),
    waiting: (count) => void metrics.gauge('messages_waiting_count', 'messages that are being judged', [], (gauge) => gauge.set(count())),
  }
}

export const alerts: readonly Alert[] = [
  {
    name: 'TrellisMessagesRefused',
    expr: 'sum by (instance, reason) (rate(trellis_gateway_messages_total{status="refused",reason!~"OVERLOADED|RATE_LIMITED|SEQUENCE_GAP|WINDOW_GAP"}[15m])) > 0.1 * scalar(sum(rate(trellis_gateway_messages_total[15m])))',
    for: '15m',
    severity: 'ticket',
    summary: 'More than one message in ten is refused: {{ $labels.reason }}.',
  },
  {
    name: 'TrellisOverloaded',
    expr: 'sum by (instance) (rate(trellis_gateway_messages_total{reason="OVERLOADED"}[5m])) > 0',
    for: '10m',
    severity: 'page',
    summary: 'The gateway sends devices away: too much at once, or no coordinator pulls.',
  },
  {
    name: 'TrellisAnswersSlow',
    expr: 'histogram_quantile(0.99, sum by (le, instance) (rate(trellis_gateway_message_seconds_bucket[10m]))) > 1',
    for: '10m',
    severity: 'ticket',
    summary: 'One message in a hundred is answered after more than {{ $value | humanizeDuration }}.',
  },
]
