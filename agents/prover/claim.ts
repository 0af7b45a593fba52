// SPDX-License-Identifier: GPL-3.0-or-later
/** From a lease to what is proved. A lease is only a hint of where to look: every value comes from the chain or is computed here. */
import type { MarketView } from '../kit/market.ts'
import { verifyPoseidon } from '../crypto/eddsa.ts'
import { channelIdOf, contextOf, taskIdOf, type Hex } from '../protocol/ids.ts'
import type { LeasedTask } from '../protocol/lease.ts'
import { decodeDataSignature, openWindow, readingsRoot, rootToHex, windowMessage } from '../protocol/window.ts'
import type { WindowClaim } from './circom/input.ts'
import { taskRefused } from './errors.ts'

export interface ClaimModules {
  view: MarketView
  chainId: number
  prover: Hex
  /** Programs that this prover can run. */
  programs: ReadonlySet<Hex>
}

/**
 * The claim of a leased task, in the chain's own view of it.
 * @throws TrellisError TASK_REFUSED when the lease is not a task of this prover under these terms; RPC_FAILED
 */
export async function claimOf({ view, chainId, prover, programs }: ClaimModules, task: LeasedTask): Promise<WindowClaim> {
  const refuse = (why: string) => taskRefused(task.taskId, why)
  const { window } = task
  const { device, index: windowIndex, lanes, firstSequence, firstTime } = window
  const project = BigInt(task.project)
  const content = { lanes, firstSequence, firstTime, channel: channelIdOf(window.channel) }
  if (window.project !== task.project || !openWindow(content).ok) throw refuse('BAD_WINDOW')
  const root = readingsRoot(content)
  const { taskManager, router, dataKeyRegistry } = view.addresses
  const taskId = taskIdOf({ chainId, taskManager, project, device, window: windowIndex, root: rootToHex(root) })
  if (taskId !== task.taskId) throw refuse('WRONG_TASK_ID')

  const [[record], key, now] = await Promise.all([view.records([taskId]), view.dataKey(project, device, windowIndex), view.now()])
  if (record?.state !== 'assigned' || record.prover !== prover) throw refuse('NOT_ASSIGNED_TO_US')
  if (record.termsVersion !== task.termsVersion) throw refuse('OTHER_TERMS')
  if (record.deadline < now) throw refuse('DEADLINE_PASSED')
  if (key === null) throw refuse('NO_DATA_KEY')
  const { terms, termsId } = await view.terms(project, record.termsVersion)
  if (!programs.has(terms.programId)) throw refuse('UNKNOWN_PROGRAM')
  if (terms.channel !== content.channel) throw refuse('WRONG_CHANNEL')
  const { programId, threshold, rangeMax } = terms
  const context = contextOf({ chainId, router, project, device, taskIds: [taskId], prover, window: windowIndex, programId, termsId })
  if (context !== BigInt(task.context)) throw refuse('WRONG_CONTEXT')

  const signature = decodeDataSignature(window.dataSignature)
  const dataKey = { x: key.x, y: key.y }
  const message = windowMessage({ chainId, dataKeyRegistry, project, device, windowIndex, firstSequence, count: lanes.length, root })
  // A window that the data key did not sign has no proof: seconds of work would end in a witness error.
  if (signature === undefined || !verifyPoseidon(message, signature, dataKey)) throw refuse('BAD_DATA_SIGNATURE')
  return {
    programId,
    window: content,
    windowIndex,
    chainId,
    dataKeyRegistry,
    project,
    device,
    dataKey,
    signature,
    threshold,
    rangeMax,
    context,
  }
}
