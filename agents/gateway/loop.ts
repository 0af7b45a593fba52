// SPDX-License-Identifier: Apache-2.0
/** One pass of the gateway: look at the chain's new blocks and forget what they changed. Messages themselves come by their doors, not by a loop. */
import type { Next } from '../kit/lifecycle.ts'
import type { FollowingView } from './chain-view.ts'

/** How long ago the chain was last seen, for /ready. */
export interface ChainSight {
  seenAt: number
}

/** Idempotent. @throws TrellisError RPC_FAILED (retried by the loop) | CHAIN_RESET (ends the service) */
export async function followPass(view: FollowingView, sight: ChainSight, now: () => number = Date.now): Promise<Next> {
  const next = await view.follow()
  sight.seenAt = now()
  return next
}
