// SPDX-License-Identifier: Apache-2.0
/** Puts tasks on chain for idle provers. The chain is asked first and decides: what it holds already is adopted, not assigned again. */
import { encodePacked, parseEventLogs } from 'viem'
import { isTrellisError } from '../kit/errors.ts'
import type { Next } from '../kit/lifecycle.ts'
import type { Hex } from '../protocol/ids.ts'
import { taskManagerAbi } from '../protocol/generated/abi.ts'
import type { ProverSeat } from './chain-view.ts'
import { notAuthorised } from './errors.ts'
import type { Modules } from './modules.ts'
import { about, type Task } from './schema.ts'
import { syncTask } from './sync.ts'

/** `Refusal` of contracts/types/Tasks.sol. */
export const refusals = [
  'NONE',
  'MALFORMED',
  'NOT_COORDINATOR',
  'PROJECT_PAUSED',
  'NO_TERMS',
  'DEADLINE',
  'ALREADY_ASSIGNED',
  'WINDOW_SETTLED',
  'DEVICE_NOT_LIVE',
  'NO_DATA_KEY',
  'PROVER_UNAVAILABLE',
  'FUNDS',
  'NO_CREDENTIAL',
] as const

/** Milliseconds until a task that the chain refused is tried again. What only people can change waits longest. */
const delays: Readonly<Record<string, number>> = { ALREADY_ASSIGNED: 0, WINDOW_SETTLED: 0, PROVER_UNAVAILABLE: 500, DEADLINE: 5_000 }
const longDelay = 10_000
/** A prover that asked for work within this time is taken before one that did not. */
const hereMs = 30_000
const pageSize = 100

export async function assignPass(modules: Modules): Promise<Next> {
  const { ledger, now } = modules
  // What is claimed is out of reach of the other coordinators: two transactions' worth of each project, not all that there is.
  const { assignBatch, projects } = modules.config
  const claimed = await ledger.due(now(), ledger.shared ? 2 * assignBatch * projects.length : pageSize)
  try {
    return await assignDue(
      modules,
      claimed.filter((task) => !modules.busy.has(task.id)),
    )
  } finally {
    await ledger.unclaim(claimed)
  }
}

async function assignDue(modules: Modules, due: readonly Task[]): Promise<Next> {
  const { ledger } = modules
  if (due.length === 0) return 'wait'
  const free = await stillFree(modules, due)
  if (free.length === 0) return 'again'

  await modules.roster.pass()
  const seats = await modules.view.seats(await ledger.provers())
  const faulty = await ledger.faulty(free.map((task) => task.id))
  let assigned = 0
  for (const [project, tasks] of byProject(free)) {
    const chosen: { task: Task; prover: Hex }[] = []
    const takers = await modules.view.takers(seats, project)
    for (const task of tasks) {
      if (chosen.length === modules.config.assignBatch) break
      const prover = choose(modules, takers, faulty.get(task.id) ?? new Set())
      if (prover !== null) chosen.push({ task, prover })
    }
    if (chosen.length > 0) assigned += await assign(modules, project, chosen)
  }
  return assigned > 0 ? 'again' : 'wait'
}

/** Tasks that the chain does not hold yet; the rows of the others are made to agree. */
async function stillFree(modules: Modules, due: readonly Task[]): Promise<Task[]> {
  const [records, settled] = await Promise.all([modules.view.records(due.map((task) => task.id)), modules.view.windowsSettled(due)])
  const free: Task[] = []
  for (const [i, task] of due.entries()) {
    if ((await syncTask(modules, task, records[i]!, settled[i]!)) === 'free') free.push(task)
  }
  return free
}

/**
 * The idle prover with the most room, those that lease from us first. One that failed this task is taken again only when no
 * other prover lives. Takes the seat.
 */
function choose({ config, seen, now }: Modules, seats: ProverSeat[], faulty: ReadonlySet<Hex>): Hex | null {
  const others = seats.some((seat) => seat.alive && !faulty.has(seat.prover))
  const room = (seat: ProverSeat): number => Math.min(seat.capacity, config.perProver) - seat.inflight
  const here = (seat: ProverSeat): number => (now() - (seen.get(seat.prover) ?? 0) < hereMs ? 1 : 0)
  const [best] = seats
    .filter((seat) => seat.idle && room(seat) > 0 && !(others && faulty.has(seat.prover)))
    .sort((a, b) => here(b) - here(a) || a.inflight / a.capacity - b.inflight / b.capacity)
  if (best === undefined) return null
  best.inflight += 1
  return best.prover
}

/** One transaction. Returns how many tasks the chain took. */
async function assign(modules: Modules, project: bigint, chosen: readonly { task: Task; prover: Hex }[]): Promise<number> {
  const { config, ledger, view, sender, log, metrics, busy } = modules
  const terms = await view.assignmentTerms(project, sender.address)
  if (terms.version === 0 || terms.paused || !terms.coordinator) {
    const reason = terms.version === 0 ? 'NO_TERMS' : terms.paused ? 'PROJECT_PAUSED' : 'NOT_COORDINATOR'
    const why = reason === 'NOT_COORDINATOR' ? { err: notAuthorised(sender.address, project) } : {}
    log.warn({ project, reason, coordinator: sender.address, ...why }, 'the project takes no assignments from this coordinator')
    for (const { task } of chosen) await ledger.update(task, { reason, notBefore: modules.now() + longDelay })
    return 0
  }
  const deadline = (await view.now()) + Math.min(config.taskSeconds, terms.taskSeconds)
  const assignments = chosen.map(({ task, prover }) => ({
    projectId: project,
    taskId: task.id,
    hash: task.root,
    signature: encodePacked(['address', 'uint32'], [task.device, task.window]),
    prover,
  }))
  for (const { task } of chosen) busy.add(task.id)
  const skipped = new Map<Hex, string>()
  let taken = 0
  try {
    const receipt = await sender.send({
      address: view.addresses.taskManager,
      abi: taskManagerAbi,
      functionName: 'assign',
      args: [assignments, config.sequencer ?? sender.address, BigInt(deadline)],
    })
    metrics.gas.inc({ call: 'assign' }, Number(receipt.gasUsed))
    for (const event of parseEventLogs({ abi: taskManagerAbi, logs: receipt.logs, eventName: ['TaskAssigned', 'TaskSkipped'] })) {
      if (event.eventName === 'TaskAssigned') taken += 1
      else skipped.set(event.args.taskId, refusals[event.args.reason] ?? `REFUSAL_${event.args.reason}`)
    }
  } catch (error) {
    const unknown = isTrellisError(error, 'CALL_REVERTED') && error.details['error'] === 'TaskManager_NotOperator'
    throw unknown ? notAuthorised(sender.address, null) : error
  } finally {
    for (const { task } of chosen) busy.delete(task.id)
  }
  metrics.assigned.inc(taken)
  for (const { task } of chosen) {
    const reason = skipped.get(task.id)
    if (reason === undefined) continue
    metrics.skipped.inc({ reason })
    log.warn({ ...about(task), reason }, 'assignment refused')
    if (reason === 'MALFORMED') await ledger.ended(task, { state: 'dead', reason })
    else await ledger.update(task, { reason, notBefore: modules.now() + (delays[reason] ?? longDelay) })
  }
  // Deadline and terms version are read back from the chain: the event does not carry the version.
  await stillFree(
    modules,
    chosen.map(({ task }) => task).filter((task) => !skipped.has(task.id)),
  )
  for (const { task, prover } of chosen) if (!skipped.has(task.id)) log.info({ ...about(task), prover, deadline }, 'assigned')
  return taken
}

function byProject(tasks: readonly Task[]): Map<bigint, Task[]> {
  const groups = new Map<bigint, Task[]>()
  for (const task of tasks) groups.set(task.project, [...(groups.get(task.project) ?? []), task])
  return groups
}
