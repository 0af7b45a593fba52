// SPDX-License-Identifier: GPL-3.0-or-later
/** Says on chain that this prover lives, three times per time-to-live; a silent prover gets no tasks. */
import type { ChainClient } from '../kit/chain.ts'
import { addressOf, type Deployment } from '../kit/deployment.ts'
import type { Next } from '../kit/lifecycle.ts'
import type { Logger } from '../kit/log.ts'
import { ask, type MarketView } from '../kit/market.ts'
import type { Sender } from '../kit/sender.ts'
import { ioIDRegistryAbi, proverStoreAbi } from '../protocol/generated/abi.ts'
import { notRegistered } from './errors.ts'
import type { ProverMetrics } from './metrics.ts'

export interface HeartbeatModules {
  chain: ChainClient
  deployment: Deployment
  view: MarketView
  sender: Sender
  metrics: ProverMetrics
  log: Logger
  now: () => number
}

/** Bounds of the pause between two looks at the chain, milliseconds. */
const looks = { least: 1_000, most: 10_000 }

/**
 * A pass that beats when a third of the time-to-live has gone since the last beat that the chain has: a beat that a reorganisation
 * took back, or that the chain's own clock outran, is made again.
 */
export function createHeartbeat({ chain, deployment, view, sender, metrics, log, now }: HeartbeatModules): () => Promise<Next> {
  const proverStore = { address: addressOf(deployment, 'ProverStore'), abi: proverStoreAbi } as const
  const prover = [sender.address] as const
  const read = <T>(name: string, reading: Promise<T>): Promise<T> => ask(chain, { to: proverStore.address, function: name }, reading)
  let lookAt = -Infinity
  /** After the rotation of its ioID's key a prover enters itself with the new one: nobody else can. */
  const register = async (): Promise<Next> => {
    const registry = { address: addressOf(deployment, 'IoIDRegistry'), abi: ioIDRegistryAbi } as const
    const device = await ask(
      chain,
      { to: registry.address, function: 'deviceOfSigner' },
      chain.public.readContract({ ...registry, functionName: 'deviceOfSigner', args: prover }),
    )
    if (BigInt(device) === 0n) throw notRegistered(sender.address)
    await sender.send({ ...proverStore, functionName: 'register', args: [device] })
    log.info({ prover: sender.address, device }, 'registered as a prover with the key of an ioID')
    return 'again'
  }
  return async () => {
    if (now() < lookAt) return 'wait'
    const [ttl, status, last, time] = await Promise.all([
      read('heartbeatTtl', chain.public.readContract({ ...proverStore, functionName: 'heartbeatTtl' })),
      read('statusOf', chain.public.readContract({ ...proverStore, functionName: 'statusOf', args: prover })),
      read('lastHeartbeat', chain.public.readContract({ ...proverStore, functionName: 'lastHeartbeat', args: prover })),
      view.now(),
    ])
    if (status === 0) return register()
    lookAt = now() + Math.min(looks.most, Math.max(looks.least, (ttl * 1000) / 12))
    if (time - last < ttl / 3) return 'wait'
    await sender.send({ ...proverStore, functionName: 'heartbeat', args: [] })
    metrics.heartbeats.inc()
    return 'wait'
  }
}
