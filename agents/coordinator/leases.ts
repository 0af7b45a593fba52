// SPDX-License-Identifier: Apache-2.0
/** Leases: a prover asks for work and waits a while for it; it gets the tasks that the chain assigned to it. */
import { contextOf, type Hex } from '../protocol/ids.ts'
import type { LeasedTaskJson } from '../protocol/lease.ts'
import { faultLimits, type Modules } from './modules.ts'
import type { Task } from './schema.ts'

/** Most provers that wait at once; each waits with one request. */
const maxWaiters = 1_000
/** What one more waits for. */
const FULL_MS = 1_000
/** A prover asks all coordinators at once: what another one of a shared ledger just gave it may not be there yet. */
const freshSeconds = 5

export interface LeaseRequest {
  prover: Hex
  max: number
  /** Leases that the prover still has; undefined when it does not say. */
  holding?: readonly Hex[] | undefined
}

export type Leases = ReturnType<typeof createLeases>

export function createLeases() {
  const waiters = new Map<Hex, (replaced: boolean) => void>()
  return {
    /** There is work for these provers. */
    wake(provers: Iterable<Hex>): void {
      for (const prover of provers) waiters.get(prover)?.(false)
    },
    /** At most `max` tasks of a prover; waits up to `longPollMs` for the first. */
    async lease(modules: Modules, { prover, max, holding }: LeaseRequest, signal: AbortSignal): Promise<LeasedTaskJson[]> {
      if (holding !== undefined) await modules.ledger.lost(prover, holding, modules.ledger.shared ? freshSeconds : 0)
      const until = modules.now() + modules.config.longPollMs
      for (;;) {
        modules.seen.set(prover, modules.now())
        const tasks = await leaseNow(modules, prover, max, signal)
        const left = until - modules.now()
        if (tasks.length > 0 || left <= 0 || signal.aborted) return tasks
        // Who shares the ledger assigns without waking this process.
        modules.metrics.leaseWaits.inc()
        const replaced = await wait(prover, Math.min(left, modules.ledger.shared ? 1_000 : 5_000), signal)
        modules.metrics.leaseWaits.dec()
        if (replaced) return []
      }
    },
  }

  /** True when a later request of the same prover took the place of this one, which then answers with nothing. */
  function wait(prover: Hex, ms: number, signal: AbortSignal): Promise<boolean> {
    waiters.get(prover)?.(true)
    // Too many wait: this one is answered with nothing, but not at once, or it would ask again at once.
    if (waiters.size >= maxWaiters) return new Promise((resolve) => setTimeout(resolve, Math.min(ms, FULL_MS), true))
    return new Promise((resolve) => {
      const done = (replaced: boolean): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', aborted)
        if (waiters.get(prover) === done) waiters.delete(prover)
        resolve(replaced)
      }
      const aborted = (): void => done(false)
      const timer = setTimeout(aborted, ms)
      signal.addEventListener('abort', aborted, { once: true })
      waiters.set(prover, done)
    })
  }
}

async function leaseNow(modules: Modules, prover: Hex, max: number, signal: AbortSignal): Promise<LeasedTaskJson[]> {
  const { ledger, config, now, log } = modules
  const leased = await ledger.lease(prover, max)
  const tasks: LeasedTaskJson[] = []
  for (const [i, task] of leased.entries()) {
    try {
      const described = signal.aborted ? undefined : await describe(modules, task)
      if (described === undefined) await ledger.released(task)
      else if (described === null) await ledger.failed(task, 'NO_DATA_KEY', faultLimits(config, now()))
      else tasks.push(described)
    } catch (error) {
      // The chain did not answer: nobody got these, so they are free at once and not when the lease runs out.
      for (const left of [...leased.slice(i), ...leased.filter((one) => tasks.some(({ taskId }) => taskId === one.id))])
        await ledger.released(left)
      throw error
    }
  }
  for (const { taskId, window } of tasks) log.info({ task: taskId, root: window.root, prover }, 'leased')
  return tasks
}

/** Everything that the proof of a task is made from; null when the chain has no data key for its window (any more). */
async function describe(modules: Modules, task: Task): Promise<LeasedTaskJson | null> {
  const { view, config, now } = modules
  const [{ terms, termsId }, key] = await Promise.all([
    view.terms(task.project, task.termsVersion!),
    view.dataKey(task.project, task.device, task.window),
  ])
  if (key === null) return null
  return {
    taskId: task.id,
    project: task.project.toString(),
    termsVersion: task.termsVersion!,
    context: (await contextFor(modules, task)).toString(),
    window: task.item,
    terms: {
      threshold: terms.threshold,
      rangeMax: terms.rangeMax,
      programId: terms.programId,
      termsId,
      channel: terms.channel.toString(),
    },
    dataKey: { x: key.x.toString(), y: key.y.toString(), commitment: key.commitment.toString() },
    deadline: task.deadline!,
    leasedUntil: Math.floor(now() / 1000) + config.leaseSeconds,
  }
}

/** The first public signal that a proof of this task by its prover must have. */
export async function contextFor({ view, chainId }: Modules, task: Task): Promise<bigint> {
  const { terms, termsId } = await view.terms(task.project, task.termsVersion!)
  return contextOf({
    chainId,
    router: view.addresses.router,
    project: task.project,
    device: task.device,
    taskIds: [task.id],
    prover: task.prover!,
    window: task.window,
    programId: terms.programId,
    termsId,
  })
}
