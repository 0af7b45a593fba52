// SPDX-License-Identifier: Apache-2.0
/** `trellis reset`: stops the local run and removes its state. Builds and installed packages stay. */
import { existsSync, rmSync } from 'node:fs'
import { stopRun } from './stop.ts'
import { stateAt } from './local/state.ts'

/** Only what a run makes, and only beside the record of a run, which goes last: a wrong --state never costs anybody other files. */
const MADE = ['addresses', 'chains', 'deployments', 'keys', 'logs', 'run.json']

export async function reset(stateOption: string | undefined): Promise<void> {
  const state = stateAt(stateOption)
  if (!existsSync(state.path('run.json'))) {
    console.log(`There was no state in ${state.root}.`)
    return
  }
  const stopped = await stopRun(state)
  if (stopped.length > 0) console.log(`Stopped: ${stopped.join(', ')}.`)
  const removed = MADE.filter((name) => existsSync(state.path(name)))
  for (const name of removed) rmSync(state.path(name), { recursive: true, force: true })
  console.log(`Removed ${removed.join(', ')} from ${state.root}.`)
}
