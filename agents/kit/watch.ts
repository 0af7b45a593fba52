// SPDX-License-Identifier: Apache-2.0
/** What an operator sees of the ground that a service stands on: its chain, the balance of its key, its stores and their disk. Looked at when asked. */
import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Address } from 'viem'
import type { ChainClient } from './chain.ts'
import type { Alert, Metrics } from './metrics.ts'

/** Requests to RPC endpoints that nobody answered as a node does. */
export const rpcErrors = (metrics: Metrics) => metrics.counter('rpc_errors_total', 'RPC requests without an answer')

/** What is known is told again for this long, however often somebody asks. */
const FRESH_MS = 5_000
/** Longest time that an answer to a scrape waits for the chain. */
const PATIENCE_MS = 2_000

/** @param signer  whose balance pays for gas; of services that send transactions */
export function watchChain(metrics: Metrics, chain: Pick<ChainClient, 'public'>, signer?: () => Address): void {
  let at = -Infinity
  let answeredAt = Date.now()
  let asking: Promise<void> | undefined
  const look = async (): Promise<void> => {
    const [head, wei] = await Promise.all([
      chain.public.getBlockNumber(),
      signer === undefined ? undefined : chain.public.getBalance({ address: signer() }),
    ])
    answeredAt = Date.now()
    block.set(Number(head))
    if (wei !== undefined) balance?.set(Number(wei))
  }
  const fresh = async (): Promise<void> => {
    if (asking === undefined && Date.now() - at > FRESH_MS) {
      at = Date.now()
      asking = look()
        .catch(() => undefined)
        .finally(() => (asking = undefined))
    }
    await Promise.race([asking, new Promise((wake) => setTimeout(wake, PATIENCE_MS).unref())])
  }
  const block = metrics.gauge('chain_block', 'newest block that the chain told')
  const balance =
    signer === undefined ? undefined : metrics.gauge('signer_balance_wei', 'what the key of this service has for gas', [], () => fresh())
  metrics.gauge('chain_silent_seconds', 'since the chain last answered', [], async (gauge) => {
    await fresh()
    gauge.set((Date.now() - answeredAt) / 1000)
  })
}

export function watchDisk(metrics: Metrics, folder: string): void {
  let [at, bytes] = [-Infinity, 0]
  metrics.gauge('store_bytes', 'size of the data folder', [], (gauge) => {
    if (Date.now() - at > FRESH_MS) [at, bytes] = [Date.now(), sizeOf(folder)]
    gauge.set(bytes)
  })
  metrics.gauge('disk_free_bytes', 'left on the disk of the data folder', [], (gauge) => {
    if (!existsSync(folder)) return
    const { bavail, bsize } = statfsSync(folder)
    gauge.set(bavail * bsize)
  })
}

/** Files come and go while they are counted. */
function sizeOf(folder: string): number {
  if (!existsSync(folder)) return 0
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).reduce((sum, name) => {
    const found = statSync(join(folder, name), { throwIfNoEntry: false })
    return sum + (found?.isFile() === true ? found.size : 0)
  }, 0)
}

/** Every `trellis_<service>_` metric that a rule names, whatever the service: `any('rpc_errors_total')`. */
export const any = (name: string, labels = ''): string => `{__name__=~"trellis_[a-z]+_${name}"${labels === '' ? '' : `,${labels}`}}`

export const groundAlerts: readonly Alert[] = [
  { name: 'TrellisDown', expr: 'up{job="trellis"} == 0', for: '2m', severity: 'page', summary: '{{ $labels.instance }} does not answer.' },
  {
    name: 'TrellisChainSilent',
    expr: `${any('chain_silent_seconds')} > 60`,
    for: '1m',
    severity: 'page',
    summary: 'The chain has not answered {{ $labels.service }} for {{ $value | humanizeDuration }}.',
  },
  {
    name: 'TrellisRpcErrors',
    expr: `rate(${any('rpc_errors_total')}[5m]) > 0.1`,
    for: '10m',
    severity: 'ticket',
    summary: '{{ $labels.service }} gets no answer to {{ $value | humanize }} RPC requests a second.',
  },
  {
    name: 'TrellisSignerPoor',
    expr: `${any('signer_balance_wei')} < 1e17`,
    for: '5m',
    severity: 'page',
    summary: 'The key of {{ $labels.service }} has {{ $value | humanize }} wei left for gas.',
  },
  {
    name: 'TrellisDiskLow',
    expr: `${any('disk_free_bytes')} < 2e9 or predict_linear(${any('disk_free_bytes')}[6h], 86400) < 0`,
    for: '10m',
    severity: 'page',
    summary: 'The disk of {{ $labels.service }} is full, or will be within a day.',
  },
  {
    name: 'TrellisHttpErrors',
    expr: `sum by (service, instance) (rate(${any('http_request_seconds_count', 'status=~"5.."')}[5m])) > 0.05 * sum by (service, instance) (rate(${any('http_request_seconds_count')}[5m]))`,
    for: '10m',
    severity: 'ticket',
    summary: '{{ $labels.service }} fails more than one request in twenty.',
  },
  {
    name: 'TrellisConnectionsRefused',
    expr: `increase(${any('http_connections_refused_total')}[15m]) > 0 or increase(trellis_gateway_mqtt_connections_refused_total[15m]) > 0`,
    for: '5m',
    severity: 'ticket',
    summary: '{{ $labels.service }} cuts connections: one address, or all together, have more than they may.',
  },
  {
    name: 'TrellisBusy',
    expr: 'nodejs_eventloop_lag_p99_seconds{job="trellis"} > 0.5',
    for: '10m',
    severity: 'ticket',
    summary: '{{ $labels.service }} is too busy: its answers wait half a second.',
  },
]
