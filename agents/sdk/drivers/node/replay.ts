// SPDX-License-Identifier: Apache-2.0
/** Turns the rows of a source into readings that fit the terms, paced by the project's clock; what does not fit is counted, never guessed. */
import { scale } from '../../../protocol/fixed-point.ts'
import type { Terms } from '../../../protocol/terms.ts'
import type { Source, SourceRow } from './source.ts'

/** A row that became a reading. */
export interface ReplayReading {
  row: number
  time: number
  value: string
  laneValue: number
}

/** What was met on the way, by kind. */
export interface ReplayCounts {
  /** Rows read. */
  read: number
  /** Rows without a value. */
  missing: number
  /** Steps longer than twice the shortest step so far. */
  gaps: number
  /** Rows that do not lie after the row before them. */
  disorder: number
  /** Values that are no decimal number, or have more digits than the terms. */
  inexact: number
  /** Values outside the range of the terms. */
  outOfRange: number
}

export function emptyCounts(): ReplayCounts {
  return { read: 0, missing: 0, gaps: 0, disorder: 0, inexact: 0, outOfRange: 0 }
}

/** Where a replay stands; durable, so that a restart counts on. */
export interface ReplayState {
  row: number
  lastTime: number
  shortestStep: number
  counts: ReplayCounts
}

export function initialState(): ReplayState {
  return { row: 0, lastTime: -1, shortestStep: 0, counts: emptyCounts() }
}

/** Judges one row: the state after it, and the reading where it is one. Pure. */
export function replayStep(
  state: ReplayState,
  { row, time, value }: SourceRow,
  terms: Pick<Terms, 'decimals' | 'rangeMin' | 'rangeMax'>,
): { state: ReplayState; reading?: ReplayReading } {
  const counts = { ...state.counts, read: state.counts.read + 1 }
  if (state.lastTime >= 0 && time <= state.lastTime) {
    counts.disorder += 1
    return { state: { ...state, row, counts } }
  }
  const step = state.lastTime < 0 ? 0 : time - state.lastTime
  const known = state.shortestStep
  if (step > 0 && known > 0 && step > 2 * known) counts.gaps += 1
  const next = { row, lastTime: time, shortestStep: step > 0 && (known === 0 || step < known) ? step : known, counts }
  if (value === null) {
    counts.missing += 1
    return { state: next }
  }
  const scaled = scale(value, terms.decimals)
  if (!scaled.ok) {
    counts.inexact += 1
    return { state: next }
  }
  const lane = scaled.value - terms.rangeMin
  if (lane < 0n || lane > BigInt(terms.rangeMax)) {
    counts.outOfRange += 1
    return { state: next }
  }
  return { state: next, reading: { row, time, value, laneValue: Number(lane) } }
}

/** Rows of a source one at a time, looked at before they are taken. */
export interface RowQueue {
  /** The next row; undefined at the end. */
  peek(): Promise<SourceRow | undefined>
  take(): void
  close(): Promise<void>
}

export function openRows(source: Source, after: number): RowQueue {
  const rows = source.rows(after)[Symbol.asyncIterator]()
  let head: { row: SourceRow | undefined } | undefined
  return {
    async peek() {
      if (head === undefined) {
        const next = await rows.next()
        head = { row: next.done === true ? undefined : next.value }
      }
      return head.row
    },
    take() {
      if (head?.row !== undefined) head = undefined
    },
    async close() {
      await rows.return?.()
    },
  }
}
