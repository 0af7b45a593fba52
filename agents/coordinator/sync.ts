// SPDX-License-Identifier: Apache-2.0
/** Makes a task's row agree with the chain. The one place where the chain overrules the ledger. */
import type { TaskRecord } from '../protocol/task-record.ts'
import type { Modules } from './modules.ts'
import { about, type Task } from './schema.ts'

/** What the row became: `free` tasks can be assigned now. */
export type Synced = 'free' | 'assigned' | 'settled' | 'dead' | 'unchanged'

/**
 * @param record    the task on chain, read after `task` was
 * @param windowSettled  whether its window is settled, by this task or by another root
 */
export async function syncTask(modules: Modules, task: Task, record: TaskRecord, windowSettled: boolean): Promise<Synced> {
  const { ledger, view, log, wake } = modules
  if (modules.busy.has(task.id) || task.held) return 'unchanged'
  if (record.state === 'settled') {
    if (task.state === 'settled') return 'unchanged'
    await markSettled(modules, task, null, await view.blockNumber())
    return 'settled'
  }
  if (windowSettled) {
    await ledger.ended(task, { state: 'dead', reason: 'WINDOW_TAKEN' })
    log.error(about(task), 'another root of this window is settled')
    return 'dead'
  }
  if (record.state === 'assigned') {
    const same = task.prover === record.prover && task.deadline === record.deadline
    if (same && task.state === 'submitted') {
      // A settlement that nobody has in flight was lost with the process that sent it.
      await ledger.update(task, { state: 'proven' })
      wake.settle()
      return 'assigned'
    }
    if (same && task.state !== 'received' && task.state !== 'settled') return 'unchanged'
    const { prover, deadline, termsVersion } = record
    await ledger.assigned(task, { prover, deadline, termsVersion })
    log.info({ ...about(task), prover, deadline }, 'assignment found on chain')
    wake.lease([prover])
    wake.settle()
    return 'assigned'
  }
  if (task.state === 'received') return 'free'
  // Recalled by somebody, or an assignment or a settlement that a reorganisation took back.
  await ledger.unassigned(task, record.state === 'recalled' ? 'EXPIRED' : 'REORGANISED', 0)
  log.info({ ...about(task), chain: record.state }, 'task is free again')
  wake.assign()
  return 'free'
}

/** Ends a task as settled. `tx` is null when somebody else's transaction did it. */
export async function markSettled({ ledger, metrics, now, log }: Modules, task: Task, tx: Task['tx'], block: number): Promise<void> {
  if (!(await ledger.ended(task, { state: 'settled', tx, block, reason: null }))) return
  metrics.settled.inc()
  metrics.settleSeconds.observe(Math.max(0, now() - task.receivedAt) / 1000)
  log.info({ ...about(task), tx }, 'settled')
}
