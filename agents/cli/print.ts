// SPDX-License-Identifier: Apache-2.0
/** What the CLI prints: steps, tables, errors as what, why and next. Data goes to stdout, talk to stderr where `--json` asks for it. */
import { toTrellisError } from '../protocol/errors.ts'

export interface Printer {
  /** One line about what happens now. */
  step(text: string): void
  /** A line of the result for people. */
  line(text?: string): void
  /** Rows in columns; numbers to the right. */
  table(rows: readonly (readonly (string | number)[])[]): void
}

/** With `json`, everything for people goes to stderr: stdout then carries data only. */
export function printer(json: boolean): Printer {
  const write = (text: string): void => void (json ? process.stderr : process.stdout).write(`${text}\n`)
  const started = performance.now()
  return {
    step: (text) => write(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`),
    line: (text = '') => write(text),
    table: (rows) => write(columns(rows)),
  }
}

export function columns(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, String(cell).length)))
  return rows
    .map((row) =>
      row
        .map((cell, i) => (typeof cell === 'number' ? String(cell).padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Prints an error as what, why, next on stderr; never a bare stack (set TRELLIS_DEBUG=1 for it). */
export function printError(error: unknown): void {
  const known = toTrellisError(error, 'CLI_UNEXPECTED')
  process.stderr.write(`\n${known.format()}\n`)
  if (known.next === null) process.stderr.write('  next  TRELLIS_DEBUG=1 shows the stack; npm run doctor checks this machine\n')
  if (process.env['TRELLIS_DEBUG'] === '1') process.stderr.write(`${known.stack ?? ''}\n`)
  if (process.env['TRELLIS_DEBUG'] === '1' && known.cause instanceof Error) process.stderr.write(`caused by ${known.cause.stack ?? ''}\n`)
}
