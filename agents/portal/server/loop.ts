// SPDX-License-Identifier: Apache-2.0
/** One look at the chain and at the services behind the page: what is true now, and of what is not known since when. */
import type { PublicClient } from 'viem'
import { readGenesis } from '../../kit/chain.ts'
import { addressOf, readDeployment, type Deployment } from '../../kit/deployment.ts'
import { toTrellisError } from '../../kit/errors.ts'
import type { EventHub } from '../../kit/events.ts'
import type { Next } from '../../kit/lifecycle.ts'
import type { Logger } from '../../kit/log.ts'
import { ioIDAbi } from '../../protocol/generated/abi.ts'
import type { IndexStatus, IndexTotals } from '../../protocol/history.ts'
import type { Hex } from '../../protocol/ids.ts'
import type { Totals } from '../api.ts'
import type { PortalConfig } from './config.ts'
import type { PortalMetrics } from './metrics.ts'
import { askJson } from './upstream.ts'

/** Time over which readings a second are counted. */
const RATE_MS = 5_000

interface GatewayBooks {
  acceptedReadings: number
  windows: number
  refused: Record<string, number>
}

interface CoordinatorBooks {
  states: Record<string, { tasks: number; readings: number }>
}

export interface Watch {
  config: PortalConfig
  client: PublicClient
  hub: EventHub
  log: Logger
  metrics: PortalMetrics
  /** What is known now; nothing of it outlives a chain. */
  seen: Seen
}

export interface Seen {
  genesisHash: Hex | undefined
  deployment: Deployment | undefined
  devices: number
  gateway: GatewayBooks | undefined
  coordinator: CoordinatorBooks | undefined
  index: IndexTotals | undefined
  counts: { at: number; readings: number }[]
  /** Why the figures of a source are not current. */
  stale: Totals['stale']
}

export const nothingSeen = (): Seen => ({
  genesisHash: undefined,
  deployment: undefined,
  devices: 0,
  gateway: undefined,
  coordinator: undefined,
  index: undefined,
  counts: [],
  stale: { gateway: 'not asked yet', coordinator: 'not asked yet', chain: 'not asked yet', indexer: 'not asked yet' },
})

/** Asks all at once; who does not answer is told as stale and keeps its last figures. Never rejects. */
export async function watchPass(watch: Watch): Promise<Next> {
  const { config, client, hub, log, metrics } = watch
  const look = async (name: keyof Totals['stale'], work: () => Promise<void>): Promise<void> => {
    let why: string | undefined
    try {
      await work()
    } catch (error) {
      const { code, message } = toTrellisError(error)
      why = message
      if (watch.seen.stale[name] === undefined) log.warn({ name, code }, 'no answer')
    }
    const { [name]: _before, ...others } = watch.seen.stale
    watch.seen.stale = why === undefined ? others : { ...others, [name]: why }
    metrics.upstreamUp.set({ name }, why === undefined ? 1 : 0)
  }

  // First: a chain that began anew empties what the others said.
  await look('chain', async () => {
    const { genesisHash, chainId } = await readGenesis(config.chain.rpcUrl)
    const { genesisHash: before } = watch.seen
    if (before !== genesisHash) {
      if (before !== undefined) log.warn({ before, genesisHash }, 'the chain began anew')
      watch.seen = nothingSeen()
      // Also at the first sight: a page that comes back after a restart is told whether it is the same chain.
      hub.reset(genesisHash.slice(2, 14))
    }
    watch.seen.genesisHash = genesisHash
    hub.publish('chain', { block: Number(await client.getBlockNumber()), genesisHash })
    const deployment = readDeployment(config.chain.addressesFile)
    if (deployment.genesisHash !== genesisHash || deployment.chainId !== chainId) {
      watch.seen.deployment = undefined
      throw new Error('The chain is not the one that the contracts were deployed on.')
    }
    watch.seen.deployment = deployment
    const address = addressOf(deployment, 'IoID')
    const counts = await Promise.all(
      config.projects.map((project) => client.readContract({ address, abi: ioIDAbi, functionName: 'projectDeviceCount', args: [project] })),
    )
    watch.seen.devices = Number(counts.reduce((sum, count) => sum + count, 0n))
  })
  const { seen } = watch
  await Promise.all([
    look('gateway', async () => {
      const books = await Promise.all(
        config.projects.map((project) => askJson<GatewayBooks>('gateway', config.gatewayUrl, `/v1/accounting?project=${project}`)),
      )
      seen.gateway = {
        acceptedReadings: books.reduce((sum, { acceptedReadings }) => sum + acceptedReadings, 0),
        windows: books.reduce((sum, { windows }) => sum + windows, 0),
        refused: sumByName(books.map(({ refused }) => refused)),
      }
      const at = Date.now()
      seen.counts = [...seen.counts.filter((count) => at - count.at <= RATE_MS), { at, readings: seen.gateway.acceptedReadings }]
    }),
    look('coordinator', async () => {
      seen.coordinator = await askJson<CoordinatorBooks>('coordinator', config.coordinatorUrl, '/v1/accounting')
    }),
    look('indexer', async () => {
      const { genesisHash, ready, reason } = await askJson<IndexStatus>('indexer', config.indexerUrl, '/v1/status')
      if (!ready) throw new Error(reason ?? 'it reads the history')
      if (genesisHash !== seen.genesisHash) throw new Error('it is of another chain')
      seen.index = await askJson<IndexTotals>('indexer', config.indexerUrl, '/v1/totals')
    }),
  ])
  hub.publish('totals', totalsOf(seen))
  return 'wait'
}

export function totalsOf({ gateway, coordinator, index, devices, counts, stale }: Seen): Totals {
  const [first, last] = [counts[0], counts.at(-1)]
  const seconds = first === undefined || last === undefined ? 0 : (last.at - first.at) / 1000
  const tasks = Object.fromEntries(Object.entries(coordinator?.states ?? {}).map(([state, { tasks }]) => [state, tasks]))
  return {
    devices,
    readings: gateway?.acceptedReadings ?? 0,
    readingsPerSecond: seconds === 0 || stale.gateway !== undefined ? 0 : Math.max(0, (last!.readings - first!.readings) / seconds),
    windows: gateway?.windows ?? 0,
    tasks,
    // The chain's own count, once somebody has read all of it; until then the coordinator's.
    proofs: index?.tasks.settled ?? tasks['settled'] ?? 0,
    settled: index?.readings ?? coordinator?.states['settled']?.readings ?? 0,
    paid: index?.paid ?? {},
    gasUsed: index === undefined ? '0' : (BigInt(index.gas.assign) + BigInt(index.gas.settle)).toString(),
    refusedByReason: sumByName([gateway?.refused ?? {}, index?.refused ?? {}]),
    at: Date.now(),
    stale: { ...stale },
  }
}

function sumByName(parts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {}
  for (const [name, count] of parts.flatMap((part) => Object.entries(part))) sums[name] = (sums[name] ?? 0) + count
  return sums
}
