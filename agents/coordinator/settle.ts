// SPDX-License-Identifier: Apache-2.0
/** Settles proven tasks through the router, oldest first, in batches of one prover and one version of terms. */
import { decodeErrorResult, encodeAbiParameters, parseEventLogs, type Hex, type TransactionReceipt } from 'viem'
import { isTrellisError } from '../kit/errors.ts'
import type { Next } from '../kit/lifecycle.ts'
import { routerAbi, taskManagerAbi } from '../protocol/generated/abi.ts'
import { routeItemsType } from '../protocol/task-record.ts'
import { faultLimits, type Modules } from './modules.ts'
import { about, type Task } from './schema.ts'
import { markSettled, syncTask } from './sync.ts'

/** Reasons that time cures: the same proof is sent again. */
const passing = new Set(['Router_FutureReadings', 'Router_OtherTerms'])
const pageSize = 100

export async function settlePass(modules: Modules): Promise<Next> {
  const claimed = await modules.ledger.proofs(modules.now(), modules.ledger.shared ? 4 * modules.config.settleBatch : pageSize)
  try {
    return await settleProven(
      modules,
      claimed.filter((task) => !modules.busy.has(task.id)),
    )
  } finally {
    await modules.ledger.unclaim(claimed)
  }
}

async function settleProven(modules: Modules, proven: readonly Task[]): Promise<Next> {
  const { config, now } = modules
  if (proven.length === 0) return 'wait'
  const due = await stillAssigned(modules, proven)
  let settled = 0
  for (const group of groups(due)) {
    for (let i = 0; i < group.length; i += config.settleBatch) {
      const batch = group.slice(i, i + config.settleBatch)
      // A small batch waits a moment for company: one transaction carries its costs for all.
      const oldest = Math.min(...batch.map((task) => task.provenAt ?? 0))
      if (batch.length < config.settleBatch && now() - oldest < config.settleWaitMs) continue
      settled += await settle(modules, batch)
    }
  }
  if (settled > 0) modules.wake.assign()
  return settled > 0 ? 'again' : 'wait'
}

/** The chain decides, not our memory. */
async function stillAssigned(modules: Modules, proven: readonly Task[]): Promise<Task[]> {
  const [records, settled] = await Promise.all([modules.view.records(proven.map((task) => task.id)), modules.view.windowsSettled(proven)])
  const due: Task[] = []
  for (const [i, task] of proven.entries()) {
    const record = records[i]!
    const same = record.state === 'assigned' && record.prover === task.prover && record.termsVersion === task.termsVersion
    if (same && !settled[i]!) due.push(task)
    else await syncTask(modules, task, record, settled[i]!)
  }
  return due
}

function groups(tasks: readonly Task[]): Task[][] {
  const found = new Map<string, Task[]>()
  for (const task of tasks) {
    const key = [task.project, task.prover, task.termsVersion].join('/')
    found.set(key, [...(found.get(key) ?? []), task])
  }
  return [...found.values()]
}

/** One batch; when all of it is refused, each task alone, so that each gets its own reason. Returns how many settled. */
async function settle(modules: Modules, batch: readonly Task[]): Promise<number> {
  const { ledger, log, metrics, busy } = modules
  const marked: Task[] = []
  for (const task of batch) {
    busy.add(task.id)
    if (await ledger.update(task, { state: 'submitted' })) marked.push({ ...task, state: 'submitted', rev: task.rev + 1 })
    else busy.delete(task.id)
  }
  if (marked.length === 0) return 0
  try {
    const receipt = await route(modules, marked)
    metrics.gas.inc({ call: 'route' }, Number(receipt.gasUsed))
    return await conclude(modules, marked, receipt)
  } catch (error) {
    if (!isTrellisError(error, 'CALL_REVERTED')) {
      for (const task of marked) await ledger.update(task, { state: 'proven' })
      throw error
    }
    if (marked.length > 1) {
      for (const task of marked) await ledger.update(task, { state: 'proven' })
      let settled = 0
      for (const task of marked) settled += await settle(modules, [{ ...task, state: 'proven', rev: task.rev + 1 }])
      return settled
    }
    const args = error.details['args'] as readonly unknown[] | undefined
    const reason = error.details['error'] === 'Router_EveryItemRefused' ? nameOf(args?.[0] as Hex) : String(error.details['error'])
    log.warn({ ...about(marked[0]!), err: error }, 'settlement refused')
    await refused(modules, marked[0]!, reason)
    return 0
  } finally {
    for (const task of marked) busy.delete(task.id)
  }
}

function route({ sender, view }: Modules, tasks: readonly Task[]): Promise<TransactionReceipt> {
  const [first] = tasks
  const items = tasks.map(({ device, window, root, proof }) => ({
    device,
    window,
    root,
    statistics: BigInt(proof!.signals[2]!),
    proof: proof!.words.map(BigInt) as unknown as readonly [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint],
  }))
  return sender.send({
    address: view.addresses.router,
    abi: routerAbi,
    functionName: 'route',
    args: [first!.prover!, first!.project, tasks.map((task) => task.id), encodeAbiParameters(routeItemsType, [items])],
  })
}

async function conclude(modules: Modules, tasks: readonly Task[], receipt: TransactionReceipt): Promise<number> {
  const settled = new Set(
    parseEventLogs({ abi: taskManagerAbi, logs: receipt.logs, eventName: 'TaskSettled' }).map((event) => event.args.taskId),
  )
  const reasons = new Map(
    parseEventLogs({ abi: routerAbi, logs: receipt.logs, eventName: 'ItemRefused' }).map((event) => [event.args.taskId, event.args.reason]),
  )
  for (const task of tasks) {
    if (settled.has(task.id)) await markSettled(modules, task, receipt.transactionHash, Number(receipt.blockNumber))
    else await refused(modules, task, nameOf(reasons.get(task.id)))
  }
  return settled.size
}

/** The router left this item out. */
async function refused(modules: Modules, task: Task, reason: string): Promise<void> {
  const { config, ledger, log, metrics, now } = modules
  metrics.refused.inc({ reason })
  log.warn({ ...about(task), reason }, 'proof refused on chain')
  if (passing.has(reason)) await ledger.update(task, { state: 'proven', reason, notBefore: now() + 2_000 })
  else if (reason === 'Router_NotAssigned' || reason === 'Router_OtherProver' || reason === 'Router_WindowTaken') {
    const [[record], [windowSettled]] = await Promise.all([modules.view.records([task.id]), modules.view.windowsSettled([task])])
    modules.busy.delete(task.id)
    await syncTask(modules, task, record!, windowSettled!)
  } else await ledger.failed(task, reason, faultLimits(config, now()))
}

function nameOf(reason: Hex | undefined): string {
  if (reason === undefined) return 'NOT_SETTLED'
  try {
    return decodeErrorResult({ abi: routerAbi, data: reason }).errorName
  } catch {
    return `ERROR_${reason.slice(0, 10)}`
  }
}
