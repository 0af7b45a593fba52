// SPDX-License-Identifier: Apache-2.0
/** Follows a running job: the first verified proof, progress, and the moment when everything that was accepted is settled. */
import { addressOf } from '../../kit/deployment.ts'
import { taskManagerAbi } from '../../protocol/generated/abi.ts'
import type { Printer } from '../print.ts'
import { type GatewayAccounting, readAccounting } from './books-stores.ts'
import type { Job } from './job.ts'
import { type Progress, progressOf } from './summary.ts'

const LOOK_MS = 400
const TELL_MS = 4000

/** Seconds since this process started. */
export const sinceStart = (): number => Math.round(performance.now()) / 1000

/** Nothing is under way: every accepted reading is in a window, and every window is settled or put aside for good. */
export const isOver = ({ pending, settled: done, dead }: Progress, accounting: Omit<GatewayAccounting, 'refused'>): boolean =>
  pending === 0 && done + dead >= accounting.windows && accounting.acceptedReadings === accounting.windowedReadings

/**
 * Resolves when every device is done and every window that the gateway accepted is settled or set aside for good, with the second of the first
 * verified proof. Ends early, undefined, when `signal` aborts.
 */
export async function settled(job: Job, print: Printer, signal: AbortSignal): Promise<{ firstProof: number | undefined }> {
  const { client, deployment, supervisor, source, project } = job
  const taskManager = addressOf(deployment, 'TaskManager')
  let firstProof: number | undefined
  // Last known: a coordinator that is being started again does not answer.
  let settledTasks = 0
  let toldAt = performance.now()
  let devicesDone = false
  const from = performance.now()
  while (!signal.aborted) {
    await new Promise((wake) => setTimeout(wake, LOOK_MS))
    const accounting = await readAccounting(job.gatewayUrl, project).catch(() => undefined)
    const progress = await progressOf(job)
    settledTasks = progress?.settled ?? settledTasks
    if (firstProof === undefined && (progress?.settled ?? 0) > 0) {
      const events = await client
        .getContractEvents({ address: taskManager, abi: taskManagerAbi, eventName: 'TaskSettled', fromBlock: 0n })
        .catch(() => [])
      if (events.length > 0) {
        firstProof = sinceStart()
        print.step(`first proof verified on chain: task ${events[0]!.args.taskId ?? ''}`)
      }
    }
    const done = source.series.every((_, i) => supervisor.isDone(`device-${i + 1}`))
    if (done && !devicesDone) {
      devicesDone = true
      job.seconds['replay'] = Math.round(performance.now() - from) / 1000
    }
    if (performance.now() - toldAt > TELL_MS && accounting !== undefined) {
      toldAt = performance.now()
      print.step(`${accounting.acceptedReadings} readings accepted, ${accounting.windows} windows, ${settledTasks} settled`)
    }
    if (!done || accounting === undefined || progress === undefined) continue
    if (isOver(progress, accounting)) break
  }
  job.seconds['settle'] = Math.round(performance.now() - from) / 1000
  return { firstProof }
}
