// SPDX-License-Identifier: Apache-2.0
/** Readings from anybody's CSV file: a header line, a column each for time and value, and one for the device where the file has many. */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { parse } from 'csv-parse'
import { TIME_LIMIT } from '../../../protocol/clock.ts'
import { isTrellisError } from '../../../protocol/errors.ts'
import { deviceError } from './errors.ts'
import type { Source, SourceRow } from './source.ts'

export interface CsvOptions {
  file: string
  timeColumn: string
  valueColumn: string
  /** With `device`, only the rows where this column has that value are read. */
  deviceColumn?: string
  device?: string
}

/** What a file holds, per device, before anything is replayed. */
export interface CsvDevice {
  device: string
  rows: number
  firstTime: number
  lastTime: number
}

/** A row as `readCsv` gives it. `line` counts from 1 and is where the row ends; `millis`: its time stood there in unix milliseconds. */
export interface CsvRow extends SourceRow {
  line: number
  device: string
  millis: boolean
}

/** Values that mean: there is no reading here. In lower case. */
const missing = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '-'])

/** Seconds that a time may lie ahead of this machine's clock. */
const LONGEST_AHEAD = 86_400

/** Rows of a file as a source; times in seconds, whatever their form. @throws TrellisError CSV_* while it is read */
export function csvSource(options: CsvOptions): Source {
  return {
    async *rows(after) {
      for await (const { device, row, time, value } of readCsv(options)) {
        if (row > after && (options.device === undefined || device === options.device)) yield { row, time, value }
      }
    },
  }
}

/** The devices of a file, in order of appearance. @throws TrellisError CSV_* */
export async function csvDevices(options: Omit<CsvOptions, 'device'>): Promise<CsvDevice[]> {
  const found = new Map<string, CsvDevice>()
  for await (const { device, time } of readCsv(options)) {
    const known = found.get(device)
    if (known === undefined) found.set(device, { device, rows: 1, firstTime: time, lastTime: time })
    else
      Object.assign(known, { rows: known.rows + 1, firstTime: Math.min(known.firstTime, time), lastTime: Math.max(known.lastTime, time) })
  }
  return [...found.values()]
}

/**
 * Every row of a file, checked: the one reader, for a look at the file beforehand and for the device that replays it.
 * @throws TrellisError CSV_UNREADABLE | CSV_ENCODING | CSV_COLUMN_MISSING | CSV_COLUMN_AMBIGUOUS | CSV_TIME | CSV_EMPTY
 */
export async function* readCsv({ file, timeColumn, valueColumn, deviceColumn }: CsvOptions): AsyncGenerator<CsvRow> {
  const input = createReadStream(file)
  const text = Readable.from(decoded(input, file))
  const parser = parse({ info: true, trim: true, skip_empty_lines: true })
  text.once('error', (error) => parser.destroy(error))
  let columns: ReturnType<typeof columnsOf> | undefined
  let millis: boolean | undefined
  let row = 0
  const latest = Math.floor(Date.now() / 1000) + LONGEST_AHEAD
  try {
    for await (const { record, info } of text.pipe(parser) as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      if (columns === undefined) {
        columns = columnsOf(record, file, [timeColumn, valueColumn, ...(deviceColumn === undefined ? [] : [deviceColumn])])
        continue
      }
      row += 1
      const line = info.lines
      const found = record[columns[0]!] ?? ''
      const wrong = (what: string, next: string): Error =>
        deviceError('CSV_TIME', `Line ${line}: the time ${what}.`, { file, line, column: timeColumn, found: found.slice(0, 40) }, next)
      const time = readTime(found)
      if (time === undefined)
        throw wrong(
          'is neither ISO 8601 nor unix seconds',
          'for instance 2010-05-09T00:00:00Z or 1273363200; or name another --time column',
        )
      if (time > latest) throw wrong('lies more than a day ahead of this machine’s clock', 'correct it, or name another --time column')
      if (/^[0-9]/.test(found) && !found.includes('-')) {
        const inMillis = Number(found) >= MILLIS_FROM
        if (millis !== undefined && millis !== inMillis)
          throw wrong(
            `is unix ${inMillis ? 'milliseconds' : 'seconds'}, those before it are ${millis ? 'milliseconds' : 'seconds'}`,
            'write all times of the file in one unit',
          )
        millis = inMillis
      }
      const value = record[columns[1]!] ?? ''
      const device = columns[2] === undefined ? '' : (record[columns[2]] ?? '')
      yield { row, line, time, value: missing.has(value.toLowerCase()) ? null : plainDecimal(value), device, millis: millis === true }
    }
  } catch (error) {
    if (isTrellisError(error)) throw error
    throw unreadable(file, error)
  } finally {
    input.destroy()
  }
  if (row === 0) throw deviceError('CSV_EMPTY', 'The file has no rows.', { file }, 'a header line and at least one row are needed')
}

/** Positions of the columns that are asked for. */
function columnsOf(header: readonly string[], file: string, names: readonly string[]): number[] {
  const quoted = (list: readonly string[]): string => list.map((name) => `"${name}"`).join(', ')
  const lost = names.filter((name) => !header.includes(name))
  if (lost.length > 0) {
    throw deviceError(
      'CSV_COLUMN_MISSING',
      `The file has no column ${quoted(lost)}.`,
      { file, columns: header },
      'name columns that the header has: --device COL --time COL --value COL',
    )
  }
  const twice = names.filter((name) => header.indexOf(name) !== header.lastIndexOf(name))
  if (twice.length > 0) {
    throw deviceError(
      'CSV_COLUMN_AMBIGUOUS',
      `The file has more than one column ${quoted(twice)}.`,
      { file, columns: header },
      'give each column of the header a name of its own',
    )
  }
  return names.map((name) => header.indexOf(name))
}

/** What csv-parse or the file system says, with the line where it is known. */
function unreadable(file: string, error: unknown): Error {
  const { code, message, lines, record } = error as { code?: string; message: string; lines?: number; record?: unknown[] }
  if (code === 'EISDIR') return deviceError('CSV_DIRECTORY', 'This is a directory, not a file.', { file }, 'name a CSV file in it')
  const place = lines === undefined ? {} : { line: lines }
  if (code === 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH' || code === 'CSV_RECORD_INCONSISTENT_COLUMNS') {
    const columns = Array.isArray(record) ? `${record.length} column${record.length === 1 ? '' : 's'}` : 'another number of columns'
    return deviceError(
      'CSV_UNREADABLE',
      `Line ${lines ?? '?'} has ${columns}, not as many as the header.`,
      { file, ...place, reason: message },
      'give each row the columns of the header (empty ones too), and put quotes around values with commas',
      error,
    )
  }
  return deviceError(
    'CSV_UNREADABLE',
    'The file cannot be read as CSV.',
    { file, ...place, reason: message },
    lines === undefined ? 'check the path and that this user may read it' : 'check the quotes of this line and before it',
    error,
  )
}

/** Text of a file in UTF-8, without its byte order mark. Other encodings would give names and numbers that nobody wrote. */
async function* decoded(input: AsyncIterable<Buffer>, file: string): AsyncGenerator<string> {
  const strict = new TextDecoder('utf-8', { fatal: true })
  const lenient = new TextDecoder('utf-8')
  let line = 1
  const refuse = (line: number, what: string): Error =>
    deviceError(
      'CSV_ENCODING',
      `Line ${line}: the file is not UTF-8: ${what}.`,
      { file, line },
      'save it as UTF-8: iconv -f ENCODING -t UTF-8',
    )
  const linesTo = (text: string, mark: string): number => line + text.slice(0, text.indexOf(mark)).split('\n').length - 1
  const take = (chunk?: Buffer): string => {
    const [bytes, options] = [chunk ?? Buffer.alloc(0), { stream: chunk !== undefined }]
    const loose = lenient.decode(bytes, options)
    let text: string
    try {
      text = strict.decode(bytes, options)
    } catch {
      throw refuse(linesTo(loose, '\uFFFD'), 'it has bytes that UTF-8 never has')
    }
    if (text.includes('\0')) throw refuse(linesTo(text, '\0'), 'it has zero bytes, as UTF-16 has')
    line += text.split('\n').length - 1
    return text
  }
  for await (const chunk of input) yield take(chunk)
  yield take()
}

/** A decimal as the terms' scale reads it: no plus sign, no zeros before or after. What is no decimal stays as it is. */
function plainDecimal(text: string): string {
  const match = /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(text)
  if (match === null) return text
  const fraction = (match[3] ?? '').replace(/0+$/, '')
  return `${match[1] === '-' ? '-' : ''}${match[2]!.replace(/^0+(?=\d)/, '')}${fraction === '' ? '' : `.${fraction}`}`
}

/** Numbers from here on are milliseconds: as seconds they would lie in the year 5138. */
const MILLIS_FROM = 1e11

/** ISO 8601 (UTC where no offset is said), unix seconds, or unix milliseconds (from 10^11 on). Fractions of a second are cut. */
export function readTime(text: string): number | undefined {
  let seconds: number
  if (/^[0-9]{1,14}(\.[0-9]+)?$/.test(text)) {
    const number = Number(text)
    seconds = Math.floor(number >= MILLIS_FROM ? number / 1000 : number)
  } else if (/^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$/.test(text)) {
    const iso = text.replace(' ', 'T')
    seconds = Math.floor(Date.parse(/T/.test(iso) && !/(Z|[+-][0-9]{2}:?[0-9]{2})$/.test(iso) ? `${iso}Z` : iso) / 1000)
  } else return undefined
  return seconds >= 0 && seconds < TIME_LIMIT ? seconds : undefined
}
