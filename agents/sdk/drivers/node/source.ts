// SPDX-License-Identifier: Apache-2.0
/** Where readings come from. */

/** One row of a source. Rows are numbered from 1, and a source gives the same rows under the same numbers every time: a restart goes on after the last. */
export interface SourceRow {
  row: number
  /** Project seconds. */
  time: number
  /** Decimal string as the source has it; null where it says that there is none (`NA`). */
  value: string | null
}

export interface Source {
  /** Rows after number `after`, in order. Throws TrellisError where the data cannot be read. */
  rows(after: number): AsyncIterable<SourceRow>
}
