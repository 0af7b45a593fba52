// SPDX-License-Identifier: Apache-2.0
/** Takes tasks back from provers that let their deadline pass, so that another one gets them and the hold returns to the project. */
import { isTrellisError } from '../kit/errors.ts'
import type { Next } from '../kit/lifecycle.ts'
import { taskManagerAbi } from '../protocol/generated/abi.ts'
import type { Modules } from './modules.ts'
import { about, type Task } from './schema.ts'
import { syncTask } from './sync.ts'

const pageSize = 20

export async function recallPass(modules: Modules): Promise<Next> {
  const { ledger, view, busy } = modules
  const claimed = await ledger.overdue(await view.now(), pageSize)
  try {
    return await recallOverdue(
      modules,
      claimed.filter((task) => !busy.has(task.id)),
    )
  } finally {
    await ledger.unclaim(claimed)
  }
}

async function recallOverdue(modules: Modules, overdue: readonly Task[]): Promise<Next> {
  const { view } = modules
  if (overdue.length === 0) return 'wait'
  const records = await view.records(overdue.map((task) => task.id))
  for (const [i, task] of overdue.entries()) {
    const record = records[i]!
    const ours = record.state === 'assigned' && record.deadline === task.deadline
    if (ours) await recall(modules, task)
    await after(modules, task)
  }
  return overdue.length === pageSize ? 'again' : 'wait'
}

async function recall({ sender, view, ledger, log, metrics, busy, now }: Modules, task: Task): Promise<void> {
  busy.add(task.id)
  try {
    const receipt = await sender.send({
      address: view.addresses.taskManager,
      abi: taskManagerAbi,
      functionName: 'recall',
      args: [task.project, task.id],
    })
    metrics.gas.inc({ call: 'recall' }, Number(receipt.gasUsed))
    metrics.recalled.inc()
    if (task.prover !== null && task.state !== 'dead') await ledger.fault(task.id, task.prover, 'EXPIRED', now())
    log.warn(about(task), 'recalled: no proof before the deadline')
  } catch (error) {
    // Somebody else recalled or settled it between our look and now; or the block's clock is a little behind.
    if (!isTrellisError(error, 'CALL_REVERTED')) throw error
    log.debug({ ...about(task), err: error }, 'recall refused')
  } finally {
    busy.delete(task.id)
  }
}

/** Draws the conclusion from what the chain says now. */
async function after(modules: Modules, task: Task): Promise<void> {
  const [[record], [settled]] = await Promise.all([modules.view.records([task.id]), modules.view.windowsSettled([task])])
  if (task.state !== 'dead' || record!.state === 'settled') await syncTask(modules, task, record!, settled!)
  else if (record!.state !== 'assigned') await modules.ledger.update(task, { deadline: null, prover: null })
}
