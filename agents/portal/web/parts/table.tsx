// SPDX-License-Identifier: Apache-2.0
/** A table whose rows stand still: a row is a place, and what stands in it changes. On phones each row is a card. */
import type { ReactNode } from 'react'
import { Failed, Notice, Skeleton } from './bits.tsx'

export interface Column<T> {
  label: string
  cell: (row: T) => ReactNode
  end?: boolean
  /** The whole width of a card. */
  wide?: boolean
  /** Nothing to say of this row: no line of its card. */
  none?: (row: T) => boolean
  /** Share of the width, `22%`. */
  width?: string
}

interface TableProps<T> {
  caption: string
  columns: readonly Column<T>[]
  rows: readonly T[] | undefined
  error?: Error | null
  retry?: () => void
  /** Places that are kept while nothing is known. */
  places?: number
  empty: { title: string; text: string }
}

const classOf = (column: { end?: boolean; wide?: boolean }): string | undefined =>
  [column.end === true ? 'end' : '', column.wide === true ? 'wide' : ''].join(' ').trim() || undefined

export function Table<T>({ caption, columns, rows, error, retry, places = 6, empty }: TableProps<T>): ReactNode {
  if (rows === undefined && error !== null && error !== undefined) return <Failed error={error} retry={retry ?? (() => undefined)} />
  if (rows?.length === 0)
    return (
      <Notice title={empty.title}>
        <p>{empty.text}</p>
      </Notice>
    )
  return (
    <table className="table" aria-busy={rows === undefined}>
      <caption className="hidden">{caption}</caption>
      <thead>
        <tr>
          {columns.map((column) => (
            <th
              key={column.label}
              scope="col"
              className={classOf(column)}
              style={column.width === undefined ? undefined : { width: column.width }}
            >
              {column.label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {(rows ?? Array.from({ length: places }, () => undefined)).map((row, place) => (
          <tr key={place}>
            {columns.map((column) => (
              <td
                key={column.label}
                data-label={column.label}
                data-none={(row !== undefined && column.none?.(row)) || undefined}
                className={classOf(column)}
              >
                {row === undefined ? <Skeleton chars={8} /> : column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}
