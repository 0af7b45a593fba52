// SPDX-License-Identifier: Apache-2.0
/** `trellis stop`: ends a local run: its supervisor, which stops the rest in order, and whatever outlived it. */
import { end, isRunning } from './local/process.ts'
import { type LocalState, stateAt } from './local/state.ts'

/** Ends every process that the run record names. Returns the names of what was running. */
export async function stopRun(state: LocalState): Promise<string[]> {
  const record = state.readRun()
  if (record === undefined) return []
  const stopped: string[] = []
  if (record.supervisor.pid !== process.pid && isRunning(record.supervisor)) {
    stopped.push('supervisor')
    await end(record.supervisor, 30_000)
  }
  // What the supervisor stopped is gone from the record; what is still there outlived it.
  const orphans = Object.entries(state.readRun()?.children ?? {}).filter(([, ref]) => isRunning(ref))
  stopped.push(...orphans.map(([name]) => name))
  await Promise.all(orphans.map(([, ref]) => end(ref)))
  const left = state.readRun()
  if (left !== undefined) state.writeRun({ ...left, children: {} })
  return stopped
}

export async function stop(stateOption: string | undefined): Promise<void> {
  const stopped = await stopRun(stateAt(stateOption))
  console.log(stopped.length === 0 ? 'Nothing was running.' : `Stopped: ${stopped.join(', ')}.`)
}
