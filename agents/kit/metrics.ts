// SPDX-License-Identifier: Apache-2.0
/** Metrics of a service: prom-client behind names that carry their unit. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { TrellisError } from './errors.ts'

export type { Counter, Gauge, Histogram } from 'prom-client'

export interface Metrics {
  /** Counts up. Name ends in `_total`. Made once: the same name gives the same metric. */
  counter<L extends string = never>(name: string, help: string, labels?: readonly L[]): Counter<L>
  /** Goes up and down. Name ends in its unit: `_count`, `_seconds`, `_bytes`, `_ratio`, `_block`, `_wei`, `_info`. `collect` sets it when it is asked for. */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
    collect?: (gauge: Gauge<L>) => void | Promise<void>,
  ): Gauge<L>
  /** Distribution. Name ends in `_seconds`, `_bytes` or `_count`. */
  histogram<L extends string = never>(name: string, help: string, buckets: readonly number[], labels?: readonly L[]): Histogram<L>
  /** Prometheus text. */
  text(): Promise<string>
  readonly contentType: string
  readonly registry: Registry
}

/** What a person is told of, declared beside the metrics that it is about; docs/operate.md has a paragraph under its name. */
export interface Alert {
  name: `Trellis${string}`
  /** PromQL. */
  expr: string
  /** How long it must hold. */
  for: string
  /** `page` wakes somebody, `ticket` waits until the morning. */
  severity: 'page' | 'ticket'
  summary: string
}

const units = { counter: /_total$/, gauge: /_(count|seconds|bytes|ratio|block|wei|info)$/, histogram: /_(seconds|bytes|count)$/ }

/** Names are `trellis_<service>_<name>`; `defaults` adds process metrics (memory, event loop, CPU). */
export function createMetrics(service: string, { defaults = true }: { defaults?: boolean } = {}): Metrics {
  const registry = new Registry()
  registry.setDefaultLabels({ service })
  if (defaults) collectDefaultMetrics({ register: registry })
  const full = (kind: keyof typeof units, name: string): string => {
    if (!/^[a-z][a-z0-9_]*$/.test(name) || !units[kind].test(name)) {
      throw new TrellisError({ code: 'METRIC_NAME', message: `A ${kind} cannot be called ${name}: its name must end in its unit.` })
    }
    return `trellis_${service}_${name}`
  }
  const known = <T>(name: string, make: () => T): T => (registry.getSingleMetric(name) as T | undefined) ?? make()
  const common = <L extends string>(name: string, help: string, labels: readonly L[] | undefined) => ({
    name,
    help,
    labelNames: [...(labels ?? [])],
    registers: [registry],
  })

  return {
    registry,
    contentType: registry.contentType,
    text: () => registry.metrics(),
    counter(name, help, labels) {
      const id = full('counter', name)
      return known(id, () => new Counter(common(id, help, labels)))
    },
    gauge<L extends string>(
      name: string,
      help: string,
      labels?: readonly L[],
      collect?: (gauge: Gauge<L>) => void | Promise<void>,
    ): Gauge<L> {
      const id = full('gauge', name)
      return known(id, (): Gauge<L> => {
        const gauge: Gauge<L> = new Gauge({ ...common(id, help, labels), ...(collect && { collect: () => collect(gauge) }) })
        return gauge
      })
    },
    histogram(name, help, buckets, labels) {
      const id = full('histogram', name)
      return known(id, () => new Histogram({ ...common(id, help, labels), buckets: [...buckets] }))
    },
  }
}
