// SPDX-License-Identifier: GPL-3.0-or-later
/** Says on chain that this prover lives, three times per time-to-live; a silent prover gets no tasks. */
import type { ChainClient } from '../kit/chain.ts'
import { addressOf, type Deployment } from '../kit/deployment.ts'
import type { Next } from '../kit/lifecycle.ts'
import { ask } from '../kit/market.ts'
import type { Sender } from '../kit/sender.ts'
import { proverStoreAbi } from '../protocol/generated/abi.ts'
import { notRegistered } from './errors.ts'
import type { ProverMetrics } from './metrics.ts'

export interface HeartbeatModules {
  chain: ChainClient
  deployment: Deployment
  sender: Sender
  metrics: ProverMetrics
  now: () => number
}

/** A pass that beats when a third of the time-to-live has gone since the last beat of this process. */
export function createHeartbeat({ chain, deployment, sender, metrics, now }: HeartbeatModules): () => Promise<Next> {
  const proverStore = { address: addressOf(deployment, 'ProverStore'), abi: proverStoreAbi } as const
  let ttlMs: number | null = null
  let last = -Infinity
  return async () => {
    const call = { to: proverStore.address, function: 'heartbeatTtl' }
    ttlMs ??= (await ask(chain, call, chain.public.readContract({ ...proverStore, functionName: 'heartbeatTtl' }))) * 1000
    if (now() - last < ttlMs / 3) return 'wait'
    const status = await ask(
      chain,
      { ...call, function: 'statusOf' },
      chain.public.readContract({ ...proverStore, functionName: 'statusOf', args: [sender.address] }),
    )
    if (status === 0) throw notRegistered(sender.address)
    await sender.send({ ...proverStore, functionName: 'heartbeat', args: [] })
    last = now()
    metrics.heartbeats.inc()
    return 'wait'
  }
}
