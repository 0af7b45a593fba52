// SPDX-License-Identifier: Apache-2.0
/** The coordinator's passes as loops. Each pass is idempotent: run it once, or as a daemon. */
import { chainFaults } from '../kit/errors.ts'
import { startLoop, type Next } from '../kit/lifecycle.ts'
import type { ChainClient } from '../kit/chain.ts'
import { assignPass } from './assign.ts'
import type { Modules } from './modules.ts'
import { pullPass } from './pull.ts'
import { recallPass } from './recall.ts'
import { reconcilePass } from './reconcile.ts'
import { settlePass } from './settle.ts'

/** Starts all loops. `done` resolves when all have ended, and rejects with the first fatal error. */
export function startLoops(modules: Modules, chain: ChainClient, signal: AbortSignal) {
  const { config, log, metrics } = modules
  const loop = (name: string, idleMs: number, pass: (signal: AbortSignal) => Promise<Next>) =>
    startLoop({
      name,
      idleMs,
      signal,
      log,
      fatal: chainFaults,
      backoff: { firstMs: 250, capMs: 10_000 },
      pass: async (own) => {
        const end = metrics.passSeconds.startTimer({ pass: name })
        try {
          return await pass(own)
        } finally {
          end()
        }
      },
    })

  const upkeep = async (): Promise<Next> => {
    await chain.check()
    // Also while nothing is to be assigned: it is what notices a reorganisation too deep for the ledger.
    await modules.roster.pass()
    await modules.ledger.renew([...modules.busy])
    if ((await modules.ledger.expire()) > 0) modules.wake.lease(modules.seen.keys())
    return recallPass(modules)
  }
  const { pollMs, reorgDepth } = chain.policy
  const pull = loop('pull', config.pullMs, (own) => pullPass(modules, own))
  const assign = loop('assign', Math.max(500, pollMs), () => assignPass(modules))
  const settle = loop('settle', Math.max(250, Math.min(1_000, config.settleWaitMs)), () => settlePass(modules))
  const upkeepLoop = loop('upkeep', 1_000, upkeep)
  const reconcile = loop('reconcile', config.reconcileSeconds * 1_000, () => reconcilePass(modules, reorgDepth))
  return { assign, settle, done: Promise.all([pull, assign, settle, upkeepLoop, reconcile].map((each) => each.done)).then(() => undefined) }
}
