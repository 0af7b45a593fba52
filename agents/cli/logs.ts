// SPDX-License-Identifier: Apache-2.0
/** `trellis logs [service]`: the end of the log files of a local run, and what is added to them. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { TrellisError } from '../protocol/errors.ts'
import { tail } from './local/supervisor.ts'
import { stateAt } from './local/state.ts'

export async function logs(
  stateOption: string | undefined,
  service: string | undefined,
  options: { lines: number; follow: boolean },
): Promise<void> {
  const state = stateAt(stateOption)
  const known = existsSync(state.path('logs'))
    ? readdirSync(state.path('logs'))
        .filter((name) => name.endsWith('.log'))
        .map((name) => basename(name, '.log'))
        .sort()
    : []
  if (known.length === 0) {
    throw new TrellisError({ code: 'NO_LOGS', message: 'Nothing has run here yet.', details: { state: state.root }, next: 'npm start' })
  }
  if (service !== undefined && !known.includes(service)) {
    throw new TrellisError({
      code: 'SERVICE_UNKNOWN',
      message: `There is no log of "${service}".`,
      details: { known: known.join(', ') },
      next: `trellis logs ${known[0] ?? ''}`,
    })
  }
  const chosen = service === undefined ? known : [service]
  const label = (name: string, text: string): string => (chosen.length === 1 ? text : text.replaceAll(/^/gm, `${name.padEnd(12)} `))
  for (const name of chosen) {
    const text = tail(state.logFile(name), options.lines)
    if (text !== '') process.stdout.write(`${label(name, text)}\n`)
  }
  if (!options.follow) return
  const offsets = new Map(chosen.map((name) => [name, statSync(state.logFile(name)).size]))
  for (;;) {
    await new Promise((wake) => setTimeout(wake, 300))
    for (const name of chosen) {
      const size = statSync(state.logFile(name)).size
      const from = Math.min(offsets.get(name) ?? 0, size)
      if (size === from) continue
      const buffer = Buffer.alloc(size - from)
      const file = openSync(state.logFile(name), 'r')
      readSync(file, buffer, 0, buffer.length, from)
      closeSync(file)
      // Whole lines only; the rest comes with the next look.
      const end = buffer.lastIndexOf(10) + 1
      offsets.set(name, from + end)
      if (end > 0) process.stdout.write(`${label(name, buffer.subarray(0, end).toString().trimEnd())}\n`)
    }
  }
}
