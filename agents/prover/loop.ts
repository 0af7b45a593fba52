// SPDX-License-Identifier: GPL-3.0-or-later
/** The prover's passes: lease, prove, deliver. What is on disk decides what is next, so any pass may be the last before a kill. */
import { isTrellisError, toTrellisError, type TrellisError } from '../kit/errors.ts'
import { sleep, type Next } from '../kit/lifecycle.ts'
import type { Logger } from '../kit/log.ts'
import type { Hex } from '../protocol/ids.ts'
import type { LeasedTask, ResultAnswer } from '../protocol/lease.ts'
import type { ProverBackend } from './backend.ts'
import { claimOf, type ClaimModules } from './claim.ts'
import type { ProverConfig } from './config.ts'
import type { CoordinatorClient } from './coordinator-client.ts'
import { coordinatorFailed } from './errors.ts'
import { provenSignals } from './signals.ts'
import type { ProverMetrics } from './metrics.ts'
import type { Outcome, Work } from './work.ts'

export interface ProverModules extends ClaimModules {
  config: ProverConfig
  backend: ProverBackend
  /** By URL, in the order of the configuration. */
  coordinators: ReadonlyMap<string, CoordinatorClient>
  work: Work
  log: Logger
  metrics: ProverMetrics
  /** Tasks that this process proves, or has prepared to be proved next. */
  running: Set<Hex>
  /** Where proofs are made, `concurrency` at once. */
  places: Places
  wake: { prove: () => void; deliver: () => void; lease: () => void }
  now: () => number
}

export type Places = <T>(work: () => Promise<T>) => Promise<T>

/** Lets `free` works run at once, in the order they came. */
export function createPlaces(free: number): Places {
  const waiting: (() => void)[] = []
  return async (work) => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}

/** Asks a coordinator for as many tasks as there is room for; it holds the request while it has none. */
export async function leasePass(modules: ProverModules, url: string, signal: AbortSignal): Promise<Next> {
  const { config, work, log, metrics, wake, now } = modules
  const room = config.concurrency + config.prefetch - work.counts().leased
  if (room <= 0) return 'wait'
  const leases = await modules.coordinators.get(url)!.lease(room, work.held(), signal)
  if (leases.length === 0) return 'again'
  work.take(url, leases, now())
  metrics.leased.inc(leases.length)
  log.debug({ tasks: leases.map(({ task }) => task.taskId) }, 'leased')
  wake.prove()
  wake.deliver()
  return 'again'
}

/** Starts what is leased: prefetched tasks are compared with the chain and then wait for a free place, so that no place waits for them. */
export async function provePass(modules: ProverModules, signal: AbortSignal): Promise<Next> {
  const { config, work, running, wake, metrics } = modules
  const counts = work.counts()
  for (const state of ['leased', 'proven', 'failed'] as const) metrics.waiting.set({ state }, counts[state])
  const waiting = work.leased().filter((task) => !running.has(task.taskId))
  for (const task of waiting.slice(0, config.concurrency + config.prefetch - running.size)) {
    running.add(task.taskId)
    void proveTask(modules, task, signal).finally(() => {
      running.delete(task.taskId)
      wake.prove()
      wake.lease()
    })
  }
  return 'wait'
}

/** Pause before a proof that failed is tried again. */
const retryMs = 1_000

/** One task to its end on disk: proven, failed, or dropped because the chain says that it is not ours. Never rejects. */
export async function proveTask(modules: ProverModules, task: LeasedTask, signal: AbortSignal): Promise<void> {
  const { backend, work, log, metrics, wake, config, places } = modules
  const about = { task: task.taskId, root: task.window.root, project: task.project, device: task.window.device, window: task.window.index }
  try {
    const claim = await claimOf(modules, task)
    const [proof, seconds] = await places(async () => {
      const end = metrics.proofSeconds.startTimer()
      return [provenSignals(claim, await backend.prove(claim, signal)), end()] as const
    })
    work.proven(task.taskId, proof)
    metrics.proofs.inc({ outcome: 'proven' })
    log.info({ ...about, seconds }, 'proven')
    wake.deliver()
  } catch (error) {
    if (signal.aborted) return
    const known = toTrellisError(error)
    if (known.code === 'TASK_REFUSED') {
      const why = String(known.details['why'])
      metrics.refused.inc({ why })
      log.warn({ ...about, why }, 'task refused')
      work.failed(task.taskId, why)
      wake.deliver()
      return
    }
    metrics.proofs.inc({ outcome: 'failed' })
    log.warn({ ...about, err: known }, 'proof failed')
    await sleep(retryMs, signal)
    // The chain did not answer: that says nothing about the task, so it does not count as a try.
    if (isTrellisError(error, 'RPC_FAILED')) return
    if (work.tried(task.taskId) >= config.maxAttempts) {
      work.failed(task.taskId, `${known.code}: ${known.message}`)
      wake.deliver()
    }
  }
}

const pageSize = 20
/** Seconds after a task's deadline in which a coordinator may still be told of it; the chain has long given it to somebody else. */
const afterDeadline = 3_600

/**
 * Tells the coordinators what was proved and what failed, and forgets each once one of them answered. What none of them takes stays for the next
 * pass and holds up nothing.
 * @throws what the first coordinator that failed did, after all were tried
 */
export async function deliverPass(modules: ProverModules): Promise<Next> {
  const { work, log, metrics, wake, now } = modules
  const outcomes = work.outcomes(pageSize)
  let failure: TrellisError | undefined
  for (const outcome of outcomes) {
    const { taskId, state, deadline } = outcome
    try {
      const answer = await deliver(modules, outcome)
      metrics.delivered.inc({ status: answer.status })
      if (answer.status !== 'accepted' && state === 'proven') log.warn({ task: taskId, ...answer }, 'the coordinator did not take a proof')
      if (state === 'proven' && answer.status !== 'refused') work.delivered(taskId, now())
      else work.remove(taskId)
    } catch (error) {
      failure ??= toTrellisError(error)
      work.tried(taskId)
      if (deadline + afterDeadline < now() / 1000) {
        log.error({ task: taskId, err: toTrellisError(error) }, 'no coordinator took this outcome before its deadline: it is dropped')
        work.remove(taskId)
      }
    }
  }
  if (outcomes.length > 0) wake.lease()
  if (failure !== undefined) throw failure
  return outcomes.length === pageSize ? 'again' : 'wait'
}

/** To the coordinator that leased the task; to the others only when that one is away, and what they do not know is no answer. */
async function deliver({ coordinators }: ProverModules, outcome: Outcome): Promise<ResultAnswer> {
  const { taskId, state, proof, publicSignals, reason, coordinator } = outcome
  const tell = (client: CoordinatorClient): Promise<ResultAnswer> =>
    state === 'proven' ? client.result(taskId, proof, publicSignals) : client.failure(taskId, reason)
  const others = [...coordinators].filter(([url]) => url !== coordinator)
  const leaser = coordinator === null ? undefined : coordinators.get(coordinator)
  let away: TrellisError | undefined
  if (leaser !== undefined) {
    try {
      return await tell(leaser)
    } catch (error) {
      if (!isTrellisError(error, 'COORDINATOR_UNREACHABLE')) throw error
      away = toTrellisError(error)
    }
  }
  for (const [, client] of others) {
    const answer = await tell(client).catch((error: unknown) => {
      away ??= toTrellisError(error)
      return undefined
    })
    if (answer !== undefined && (answer.status === 'accepted' || answer.status === 'duplicate')) return answer
  }
  throw away ?? coordinatorFailed(coordinator ?? 'no coordinator', new Error('none of the others knows the task'))
}
