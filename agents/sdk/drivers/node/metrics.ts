// SPDX-License-Identifier: Apache-2.0
/** What a device counts. The shape of the registry is the kit's, said here because the SDK does not import it. */
interface CounterLike {
  inc(labels: Record<string, string>, value?: number): void
}

export interface MetricsLike {
  counter(name: string, help: string, labels?: readonly 'status'[]): CounterLike
}

export interface DeviceMetrics {
  /** Answers of the gateway, by status. */
  answered: CounterLike
  /** Times that the source waited for room in the outbox. */
  paused: CounterLike
}

export function deviceMetrics(metrics: MetricsLike): DeviceMetrics {
  return {
    answered: metrics.counter('answered_total', 'messages answered by the gateway, by status', ['status']),
    paused: metrics.counter('source_pauses_total', 'times that the source waited because the outbox was full'),
  }
}
