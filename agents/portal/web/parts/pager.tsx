// SPDX-License-Identifier: Apache-2.0
/** Pages of a list that the page holds already. */
import { type ReactNode, useEffect, useState } from 'react'
import { count } from '../data/format.ts'
import { Icon } from './icons.tsx'

export interface Pages<T> {
  rows: readonly T[] | undefined
  total: number
  from: number
  before: (() => void) | null
  after: (() => void) | null
}

/** @param of  what the list shows: the first page is shown again when it changes */
export function usePages<T>(list: readonly T[] | undefined, size: number, of: unknown): Pages<T> {
  const [page, setPage] = useState(0)
  useEffect(() => setPage(0), [of])
  const total = list?.length ?? 0
  const last = Math.max(0, Math.ceil(total / size) - 1)
  const at = Math.min(page, last)
  return {
    rows: list?.slice(at * size, (at + 1) * size),
    total,
    from: at * size,
    before: at === 0 ? null : () => setPage(at - 1),
    after: at >= last ? null : () => setPage(at + 1),
  }
}

export function Pager<T>({ pages: { rows, total, from, before, after } }: { pages: Pages<T> }): ReactNode {
  if (rows === undefined || total === 0) return null
  return (
    <div className="table-foot">
      <span>
        {count(from + 1)}–{count(from + rows.length)} of {count(total)}
      </span>
      {before === null && after === null ? null : (
        <span className="actions">
          <button type="button" className="button" disabled={before === null} onClick={before ?? undefined} aria-label="Page before">
            <Icon name="back" />
          </button>
          <button type="button" className="button" disabled={after === null} onClick={after ?? undefined} aria-label="Next page">
            <Icon name="next" />
          </button>
        </span>
      )}
    </div>
  )
}
