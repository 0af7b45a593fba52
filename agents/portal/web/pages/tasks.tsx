// SPDX-License-Identifier: Apache-2.0
/** Tasks through their states, live. */
import type { ReactNode } from 'react'
import { useSearchParams } from 'react-router'
import { count, words } from '../data/format.ts'
import { type TaskRow, useTasks } from '../data/reads.ts'
import { taskStates, viewOf } from '../data/states.ts'
import { Address, Ago, Card, PageHead, Source } from '../parts/bits.tsx'
import { Pager, usePages } from '../parts/pager.tsx'
import { Glyph, State, Track } from '../parts/state.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Link } from 'react-router'

const PER_PAGE = 20

const columns: readonly Column<TaskRow>[] = [
  { label: 'State', width: '13%', cell: ({ state }) => <State state={state} pill /> },
  { label: 'Way', width: '13%', cell: ({ state }) => <Track state={state} /> },
  { label: 'Window', width: '10%', cell: ({ id, window }) => <Link to={`/proofs/${id}`}>Window {window}</Link> },
  { label: 'Device', width: '17%', cell: ({ device }) => <Address value={device} to={`/devices/${device}`} what="device" /> },
  {
    label: 'Prover',
    width: '17%',
    cell: ({ prover }) =>
      prover === null ? (
        <span className="quiet">not named yet</span>
      ) : (
        <Address value={prover} to={`/provers/${prover.toLowerCase()}`} what="prover" />
      ),
  },
  {
    label: 'Reason',
    none: ({ reason }) => reason === null,
    cell: ({ reason }) => (reason === null ? <span className="quiet">–</span> : words(reason)),
  },
  { label: 'Received', width: '11%', end: true, cell: ({ receivedAt }) => <Ago at={receivedAt} /> },
]

export function Tasks(): ReactNode {
  const [search, setSearch] = useSearchParams()
  const { rows, ...found } = useTasks()
  const state = search.get('state')
  const inState = (task: TaskRow): boolean => state === null || task.state === state
  const shown = rows?.filter(inState)
  const pages = usePages(shown, PER_PAGE, state)
  return (
    <div className="page">
      <PageHead title="Tasks">
        <p>A task is one window of readings on its way to being paid: received, assigned to a prover, proven, settled.</p>
      </PageHead>
      <div className="filters" role="group" aria-label="Filter by state">
        {[null, ...taskStates].map((one) => {
          const n = rows?.filter((task) => one === null || task.state === one).length
          return (
            <button
              key={one ?? 'all'}
              type="button"
              className="button"
              aria-pressed={state === one}
              onClick={() => setSearch(one === null ? {} : { state: one }, { replace: true })}
            >
              {one === null ? null : <Glyph tone={viewOf(one).tone} />}
              {one === null ? 'All' : viewOf(one).word}
              <span className="count">{n === undefined ? '–' : count(n)}</span>
            </button>
          )
        })}
      </div>
      <Card title={state === null ? 'All tasks' : viewOf(state).word} note={<Source from="coordinator" read={found} />}>
        <Table
          caption="Tasks, newest first"
          columns={columns}
          rows={pages.rows}
          error={found.error}
          retry={() => void found.refetch()}
          places={PER_PAGE / 2}
          empty={{
            title: state === null ? 'No tasks yet' : 'None in this state',
            text: 'A window becomes a task when the coordinator takes it from the gateway.',
          }}
        />
        <Pager pages={pages} />
      </Card>
    </div>
  )
}
