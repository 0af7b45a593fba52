// SPDX-License-Identifier: Apache-2.0
/** Proofs as they come in: compared with what the task needs, then put to the program's own verifier, before any of it costs gas. */
import { channelIdOf, type Hex } from '../protocol/ids.ts'
import { windowItemSchema, type ProofResult, type ResultAnswer } from '../protocol/lease.ts'
import { packStatistics, statisticsOf } from '../protocol/window.ts'
import { contextFor } from './leases.ts'
import { faultLimits, type Modules } from './modules.ts'
import { about, type Task } from './schema.ts'

/** Takes a result of an authenticated prover. Saying the same again changes nothing. */
export async function takeResult(modules: Modules, result: ProofResult): Promise<ResultAnswer> {
  const answer = await judge(modules, result)
  modules.metrics.results.inc({ status: answer.status })
  if (answer.status === 'refused') modules.log.warn({ task: result.taskId, prover: result.prover, reason: answer.reason }, 'result refused')
  return answer
}

/** How often a row may change under a proof that is checked: a lease given again, a deadline read anew. */
const tries = 4

async function judge(modules: Modules, result: ProofResult, left = tries): Promise<ResultAnswer> {
  const { config, ledger, view, now, wake, log } = modules
  const task = await ledger.get(result.taskId)
  if (task === null) return { status: 'stale', reason: 'UNKNOWN_TASK' }
  if (task.prover !== result.prover) return { status: 'stale', reason: 'OTHER_PROVER' }
  if (task.state === 'proven' || task.state === 'submitted' || task.state === 'settled') return { status: 'duplicate', reason: null }
  if (task.state !== 'assigned' && task.state !== 'leased') return { status: 'stale', reason: task.state.toUpperCase() }
  const { terms } = await view.terms(task.project, task.termsVersion!)
  const wrong =
    (await compare(modules, task, result)) ??
    ((await view.verify(terms.programId, result.proof, result.publicSignals)) ? null : 'BAD_PROOF')
  if (wrong !== null) {
    await ledger.failed(task, wrong, faultLimits(config, now()))
    return { status: 'refused', reason: wrong }
  }
  const proof = { words: result.proof, signals: result.publicSignals, prover: result.prover, termsVersion: task.termsVersion! }
  // False: the row changed while the proof was checked, for instance by the same result sent twice at once.
  if (!(await ledger.proven(task, proof, now())))
    return left > 1 ? judge(modules, result, left - 1) : { status: 'stale', reason: 'CHANGED_MEANWHILE' }
  log.info(about(task), 'proof accepted')
  wake.settle()
  return { status: 'accepted', reason: null }
}

/** Which public signal is not what the task needs, or null. */
async function compare(modules: Modules, task: Task, { publicSignals }: ProofResult): Promise<string | null> {
  const [context, root, statistics, commitment] = publicSignals.map(BigInt)
  if (context !== (await contextFor(modules, task))) return 'WRONG_CONTEXT'
  if (root !== BigInt(task.root)) return 'WRONG_ROOT'
  const { terms } = await modules.view.terms(task.project, task.termsVersion!)
  const { lanes, firstSequence, firstTime, channel } = windowItemSchema.parse(task.item)
  const window = { lanes, firstSequence, firstTime, channel: channelIdOf(channel) }
  if (statistics !== packStatistics(statisticsOf(window, task.window, terms.threshold, terms.rangeMax))) return 'WRONG_STATISTICS'
  const key = await modules.view.dataKey(task.project, task.device, task.window)
  return key !== null && commitment === key.commitment ? null : 'WRONG_KEY'
}

/** A prover says that it cannot prove a task. */
export async function takeFailure(modules: Modules, failure: { taskId: Hex; prover: Hex; reason: string }): Promise<ResultAnswer> {
  const { config, ledger, now, log } = modules
  const task = await ledger.get(failure.taskId)
  if (task === null || task.prover !== failure.prover || (task.state !== 'assigned' && task.state !== 'leased')) {
    return { status: 'stale', reason: null }
  }
  log.warn({ ...about(task), reason: failure.reason }, 'prover failed')
  await ledger.failed(task, 'PROVER_FAILED', faultLimits(config, now()))
  return { status: 'accepted', reason: null }
}
