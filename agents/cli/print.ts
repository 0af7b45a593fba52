// SPDX-License-Identifier: Apache-2.0
/**
 * What the CLI prints: steps, tables, errors as what, why and next. Data goes to stdout, talk to stderr where `--json` asks for it.
 * Names come from chains, files and servers, and so from strangers: whatever a terminal would obey is written out here, once for all commands.
 */
import { toTrellisError, TrellisError } from '../protocol/errors.ts'

/** What a terminal obeys, or what turns the order of a line about: C0, DEL, C1, marks and overrides of direction, separators of lines. */
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** Text for one line of a terminal: controls as JSON writes them. */
export function plainText(text: string): string {
  return text.replace(CONTROLS, (mark) => (mark === '\n' ? '\\n' : `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`))
}

/** JSON of one line, without a character that a terminal obeys; it reads back as the same value. Bigints become decimal strings. */
export function jsonLine(value: unknown): string {
  return plainText(JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner)))
}

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
    step: (text) => write(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${plainText(text)}`),
    line: (text = '') => write(plainText(text)),
    table: (rows) => write(columns(rows)),
  }
}

export function columns(given: readonly (readonly (string | number)[])[]): string {
  const rows = given.map((row) => row.map((cell) => (typeof cell === 'number' ? cell : plainText(cell))))
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

/** What a system says of a file, by its code. */
const FILE_ERRORS: Readonly<Record<string, readonly [code: string, message: string, next: string]>> = {
  ENOENT: ['FILE_MISSING', 'There is no such file or folder.', 'look at the name; paths start where the command was called'],
  EEXIST: ['FILE_EXISTS', 'There is something of that name already, and nothing is overwritten.', 'choose another name'],
  EACCES: ['FILE_FORBIDDEN', 'This user may not read or write there.', 'look at the rights of the file and of its folder'],
  EISDIR: ['FILE_UNREADABLE', 'A file was expected, and this is a folder.', 'name the file in it'],
  ENOTDIR: ['FILE_UNREADABLE', 'A folder was expected, and this is a file.', 'name the folder'],
}

/** A plain mistake with a file as an error of its own; all else as it is. */
function ofFile(error: unknown): unknown {
  const { code, path } = error instanceof Error ? (error as NodeJS.ErrnoException) : {}
  const known = FILE_ERRORS[code ?? '']
  if (known === undefined || path === undefined) return error
  return new TrellisError({ code: known[0], message: known[1], details: { file: path }, next: known[2], cause: error })
}

/** Prints an error as what, why, next on stderr; never a bare stack (set TRELLIS_DEBUG=1 for it). */
export function printError(error: unknown): void {
  const known = toTrellisError(ofFile(error), 'CLI_UNEXPECTED')
  const { code, message, details, next } = known.toJSON()
  const facts = Object.entries(details).map(([name, value]) => [
    plainText(name),
    plainText(typeof value === 'string' ? value : JSON.stringify(value)),
  ])
  const shown = { code, message: plainText(message), details: Object.fromEntries(facts) as Record<string, string> }
  process.stderr.write(`\n${new TrellisError({ ...shown, ...(next !== null && { next: plainText(next) }) }).format()}\n`)
  if (known.next === null) process.stderr.write('  next  TRELLIS_DEBUG=1 shows the stack; npm run doctor checks this machine\n')
  if (process.env['TRELLIS_DEBUG'] !== '1') return
  const stacks = [known.stack, known.cause instanceof Error ? `caused by ${known.cause.stack ?? ''}` : undefined]
  for (const line of stacks.join('\n').split('\n')) process.stderr.write(`${plainText(line)}\n`)
}
