// SPDX-License-Identifier: Apache-2.0
/** `trellis reset`: stops the local run and removes its state. Builds and installed packages stay. */
import { existsSync, rmSync } from 'node:fs'
import { stopRun } from './stop.ts'
import { stateAt } from './local/state.ts'

/** Only what a run makes: a wrong --state never costs anybody other files. */
const MADE = ['run.json', 'addresses', 'chains', 'keys', 'logs']

export async function reset(stateOption: string | undefined): Promise<void> {
  const state = stateAt(stateOption)
  const stopped = await stopRun(state)
  if (stopped.length > 0) console.log(`Stopped: ${stopped.join(', ')}.`)
  const removed = MADE.filter((name) => existsSync(state.path(name)))
  for (const name of removed) rmSync(state.path(name), { recursive: true, force: true })
  console.log(removed.length === 0 ? 'There was no state.' : `Removed ${removed.join(', ')} from ${state.root}.`)
}
