// SPDX-License-Identifier: Apache-2.0
/** Compares every unfinished task with the chain, which is right. After a crash this is what makes the ledger true again. */
import type { Next } from '../kit/lifecycle.ts'
import type { Hex } from '../protocol/ids.ts'
import type { Modules } from './modules.ts'
import { openStates } from './schema.ts'
import { syncTask } from './sync.ts'

const pageSize = 100

/** @param reorgDepth  settled tasks are looked at again until this many blocks are on top */
export async function reconcilePass(modules: Modules, reorgDepth: number): Promise<Next> {
  const { ledger, view, metrics, log } = modules
  let after: Hex | null = null
  let changed = 0
  for (;;) {
    const page = await ledger.unsettled(after, pageSize)
    if (page.length === 0) break
    const [records, settled] = await Promise.all([view.records(page.map((task) => task.id)), view.windowsSettled(page)])
    for (const [i, task] of page.entries()) {
      const outcome = await syncTask(modules, task, records[i]!, settled[i]!)
      if (outcome !== 'unchanged' && !(outcome === 'free' && task.state === 'received')) changed += 1
    }
    after = page.at(-1)!.id
  }
  await ledger.finish((await view.blockNumber()) - reorgDepth)
  const counts = await ledger.counts()
  for (const state of [...openStates, 'settled', 'dead'] as const) metrics.tasks.set({ state }, counts[state].tasks)
  metrics.oldest.set(Math.max(0, (modules.now() - ((await ledger.oldestOpen()) ?? modules.now())) / 1000))
  if (changed > 0) log.info({ changed }, 'reconciled with the chain')
  return 'wait'
}
