// SPDX-License-Identifier: Apache-2.0
/** What the gateway counts. */
import type { Counter, Gauge, Histogram, Metrics } from '../kit/metrics.ts'

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
  }
}
