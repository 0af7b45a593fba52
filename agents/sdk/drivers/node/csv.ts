// SPDX-License-Identifier: Apache-2.0
/** Readings from anybody's CSV file: a header line, a column each for time and value, and one for the device where the file has many. */
import { createReadStream } from 'node:fs'
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

/** Values that mean: there is no reading here. */
const missing = new Set(['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', '-'])

/** Rows of a file as a source; times in seconds, whatever their form. @throws TrellisError CSV_* while it is read */
export function csvSource(options: CsvOptions): Source {
  return {
    async *rows(after) {
      for await (const { device, ...row } of readCsv(options)) {
        if (row.row > after && (options.device === undefined || device === options.device)) yield row
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

async function* readCsv({ file, timeColumn, valueColumn, deviceColumn }: CsvOptions): AsyncGenerator<SourceRow & { device: string }> {
  const input = createReadStream(file)
  const parser = parse({ bom: true, trim: true, skip_empty_lines: true, relax_column_count: false })
  input.once('error', (error) => parser.destroy(error))
  let header: string[] | undefined
  let at = { time: 0, value: 0, device: -1 }
  let row = 0
  try {
    for await (const record of input.pipe(parser) as AsyncIterable<string[]>) {
      if (header === undefined) {
        header = record
        const column = (name: string): number => {
          const index = record.indexOf(name)
          if (index < 0) {
            const details = { file, column: name, columns: record }
            throw deviceError(
              'CSV_COLUMN_MISSING',
              `The file has no column called ${name}.`,
              details,
              'name one of its columns: --device COL --time COL --value COL',
            )
          }
          return index
        }
        at = { time: column(timeColumn), value: column(valueColumn), device: deviceColumn === undefined ? -1 : column(deviceColumn) }
        continue
      }
      row += 1
      const text = record[at.value] ?? ''
      const time = readTime(record[at.time] ?? '')
      if (time === undefined) {
        throw deviceError('CSV_TIME', 'A time is neither ISO 8601 nor unix seconds or milliseconds.', {
          file,
          row,
          column: timeColumn,
          found: record[at.time],
        })
      }
      yield { row, time, value: missing.has(text) ? null : text, device: at.device < 0 ? '' : (record[at.device] ?? '') }
    }
  } catch (error) {
    if (isTrellisError(error)) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw deviceError('CSV_UNREADABLE', 'The file cannot be read as CSV.', { file, row, reason }, undefined, error)
  } finally {
    input.destroy()
  }
  if (header === undefined || row === 0)
    throw deviceError('CSV_EMPTY', 'The file has no rows.', { file }, 'a header line and at least one row are needed')
}

/** ISO 8601 (UTC where no offset is said), unix seconds, or unix milliseconds (from 10^11 on). Fractions of a second are cut. */
export function readTime(text: string): number | undefined {
  let seconds: number
  if (/^[0-9]{1,14}(\.[0-9]+)?$/.test(text)) {
    const number = Number(text)
    seconds = Math.floor(number >= 1e11 ? number / 1000 : number)
  } else if (/^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$/.test(text)) {
    const iso = text.replace(' ', 'T')
    seconds = Math.floor(Date.parse(/T/.test(iso) && !/(Z|[+-][0-9]{2}:?[0-9]{2})$/.test(iso) ? `${iso}Z` : iso) / 1000)
  } else return undefined
  return seconds >= 0 && seconds < TIME_LIMIT ? seconds : undefined
}
