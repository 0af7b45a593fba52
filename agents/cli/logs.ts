// SPDX-License-Identifier: Apache-2.0
/** `trellis logs [service]`: the end of the log files of a local run, and what is added to them. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { TrellisError } from '../protocol/errors.ts'
import { tail } from './local/supervisor.ts'
import { stateAt } from './local/state.ts'
import { plainText } from './print.ts'

export interface LogPart {
  name: string
  text: string
}

/** Lines of several logs in order of time. A line without a time stays after the one before it; a log without any time comes first. */
export function byTime(parts: readonly LogPart[]): { name: string; line: string }[] {
  return parts
    .filter(({ text }) => text !== '')
    .flatMap(({ name, text }) => {
      let at = -Infinity
      return text.split('\n').map((line) => {
        at = timeOf(line) ?? at
        return { name, line, at }
      })
    })
    .sort((a, b) => (a.at === b.at ? 0 : a.at - b.at))
    .map(({ name, line }) => ({ name, line }))
}

/** Milliseconds of a line of JSON, as services log them. */
function timeOf(line: string): number | undefined {
  const text = /^\{.*?"time":("[^"]+"|\d+)/.exec(line)?.[1]
  if (text === undefined) return undefined
  const at = text.startsWith('"') ? Date.parse(text.slice(1, -1)) : Number(text)
  return Number.isNaN(at) ? undefined : at
}

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
      next: `npm run trellis -- logs ${known[0] ?? ''}`,
    })
  }
  const chosen = service === undefined ? known : [service]
  const write = (parts: readonly LogPart[]): void => {
    for (const { name, line } of byTime(parts)) {
      const shown = plainText(line.replaceAll('\t', '    '))
      process.stdout.write(chosen.length === 1 ? `${shown}\n` : `${name.padEnd(12)} ${shown}\n`)
    }
  }
  write(chosen.map((name) => ({ name, text: tail(state.logFile(name), options.lines) })))
  if (!options.follow) return
  const offsets = new Map(chosen.map((name) => [name, statSync(state.logFile(name)).size]))
  for (;;) {
    await new Promise((wake) => setTimeout(wake, 300))
    const parts: LogPart[] = []
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
      if (end > 0) parts.push({ name, text: buffer.subarray(0, end).toString().trimEnd() })
    }
    write(parts)
  }
}
