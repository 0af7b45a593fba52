// SPDX-License-Identifier: Apache-2.0
/** The lattice: a row for each device, a joint for each of its windows, marked with the state of the window's task. Places stand still. */
import { type ReactNode, useMemo, useSyncExternalStore } from 'react'
import { Link } from 'react-router'
import { shorten } from '../data/format.ts'
import type { TaskRow } from '../data/reads.ts'
import { viewOf } from '../data/states.ts'
import { Skeleton } from './bits.tsx'
import { Glyph } from './state.tsx'

const ROWS = 10
/** Windows of a row: fewer where the page is narrow. */
const WIDE = 24
const NARROW = 8
const narrow = matchMedia('(max-width: 720px)')

const usePlaces = (): number =>
  useSyncExternalStore(
    (tell) => {
      narrow.addEventListener('change', tell)
      return () => narrow.removeEventListener('change', tell)
    },
    () => (narrow.matches ? NARROW : WIDE),
  )

interface Row {
  device: string
  windows: (TaskRow | undefined)[]
  says: string
}

/** The devices with the newest tasks, in an order that does not change as tasks do. */
function rowsOf(tasks: readonly TaskRow[], places: number): Row[] {
  const byDevice = new Map<string, TaskRow[]>()
  for (const task of tasks) {
    const list = byDevice.get(task.device)
    if (list === undefined) {
      if (byDevice.size < ROWS) byDevice.set(task.device, [task])
    } else list.push(task)
  }
  return [...byDevice.entries()]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([device, list]) => {
      const newest = Math.max(...list.map(({ window }) => window))
      const from = Math.max(0, newest + 1 - places)
      const windows = Array.from({ length: places }, (): TaskRow | undefined => undefined)
      const counts = new Map<string, number>()
      for (const task of list) {
        const place = task.window - from
        if (place < 0) continue
        windows[place] = task
        const { word } = viewOf(task.state)
        counts.set(word, (counts.get(word) ?? 0) + 1)
      }
      const says = [...counts].map(([word, n]) => `${n} ${word.toLowerCase()}`).join(', ')
      return { device, windows, says: `Device ${shorten(device)}: windows ${says}` }
    })
}

export function Lattice({ tasks }: { tasks: readonly TaskRow[] | undefined }): ReactNode {
  const places = usePlaces()
  const rows = useMemo(() => (tasks === undefined ? undefined : rowsOf(tasks, places)), [tasks, places])
  return (
    <ul className="lattice">
      {(rows ?? [undefined, undefined, undefined, undefined]).map((row, i) => (
        <li key={row?.device ?? i}>
          {row === undefined ? (
            <Skeleton chars={11} />
          ) : (
            <Link className="mono lattice-name" to={`/devices/${row.device}`} aria-label={row.says}>
              {shorten(row.device)}
            </Link>
          )}
          <span className="joints" aria-hidden="true">
            {(row?.windows ?? Array.from({ length: places }, () => undefined)).map((task, place) =>
              task === undefined ? (
                <i key={place} />
              ) : (
                <Link
                  key={place}
                  tabIndex={-1}
                  to={`/proofs/${task.id}`}
                  data-tone={viewOf(task.state).tone}
                  title={`Window ${task.window}: ${viewOf(task.state).word}`}
                >
                  <Glyph tone={viewOf(task.state).tone} />
                </Link>
              ),
            )}
          </span>
        </li>
      ))}
    </ul>
  )
}

export const Legend = (): ReactNode => (
  <ul className="legend">
    {(['received', 'assigned', 'leased', 'settled', 'dead'] as const).map((state) => (
      <li key={state} className="state" data-tone={viewOf(state).tone}>
        <Glyph tone={viewOf(state).tone} />
        {viewOf(state).word}
      </li>
    ))}
  </ul>
)
