// SPDX-License-Identifier: Apache-2.0
/** What was not taken, and why: messages that the gateway refused, tasks that were put aside. */
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import type { Totals } from '../../api.ts'
import { count, words } from '../data/format.ts'
import { read } from '../data/http.ts'
import { useLive } from '../data/live.ts'
import { type TaskRow, useTasks } from '../data/reads.ts'
import { Address, Ago, Card, Notice, PageHead, Skeleton, Source } from '../parts/bits.tsx'
import { Pager, usePages } from '../parts/pager.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { Bars } from './overview.tsx'

interface Refusal {
  cursor: number
  at: number
  device: string | null
  kind: string | null
  position: number | null
  reason: string
  detail: string | null
}

const says: Readonly<Record<string, string>> = {
  BAD_SIGNATURE: 'Not signed by the device it names',
  SEQUENCE_GAP: 'A reading before it is missing',
  CONFLICT: 'Another reading has this place',
  RATE_LIMITED: 'More a second than the terms allow',
  OVERLOADED: 'The gateway had no room',
  MALFORMED: 'Not a message of the protocol',
}

const columns: readonly Column<Refusal>[] = [
  { label: 'Reason', width: '24%', cell: ({ reason }) => <strong title={reason}>{words(reason)}</strong> },
  {
    label: 'Device',
    width: '20%',
    cell: ({ device }) =>
      device === null ? <span className="quiet">not known</span> : <Address value={device} to={`/devices/${device}`} what="device" />,
  },
  {
    label: 'Message',
    width: '16%',
    cell: ({ kind, position }) => (kind === null ? '–' : `${kind}${position === null ? '' : ` ${count(position)}`}`),
  },
  { label: 'Detail', wide: true, cell: ({ reason, detail }) => <span className="quiet">{detail ?? says[reason] ?? '–'}</span> },
  { label: 'When', width: '12%', end: true, cell: ({ at }) => <Ago at={at} /> },
]

const deadColumns: readonly Column<TaskRow>[] = [
  { label: 'Task', width: '20%', cell: ({ id, window }) => <Link to={`/proofs/${id}`}>Window {window}</Link> },
  { label: 'Device', width: '22%', cell: ({ device }) => <Address value={device} to={`/devices/${device}`} what="device" /> },
  { label: 'Reason', wide: true, cell: ({ reason }) => (reason === null ? '–' : words(reason)) },
  { label: 'Tries', width: '10%', end: true, cell: ({ attempts }) => count(attempts) },
  { label: 'Received', width: '14%', end: true, cell: ({ receivedAt }) => <Ago at={receivedAt} /> },
]

export function Refusals(): ReactNode {
  const live = useLive('totals')
  const totals = useQuery({ queryKey: ['totals'], queryFn: ({ signal }) => read<Totals>('/totals', signal) })
  const list = useQuery({
    queryKey: ['refusals'],
    refetchInterval: 5_000,
    queryFn: async ({ signal }) => (await read<{ items: Refusal[] }>('/gateway/v1/refusals?limit=500', signal)).items.reverse(),
  })
  const { rows: tasks, ...tasksRead } = useTasks()
  const dead = tasks?.filter(({ state }) => state === 'dead')
  const pages = usePages(list.data, 15, 'refusals')
  const reasons = Object.entries((live ?? totals.data)?.refusedByReason ?? {}).sort(([, one], [, other]) => other - one)
  const most = Math.max(1, ...reasons.map(([, n]) => n))
  return (
    <div className="page">
      <PageHead title="Refusals">
        <p>What is wrong is refused at the door, counted by its reason and answered to whoever sent it. Nothing refused is ever paid.</p>
      </PageHead>
      <Card title="By reason" note={<Source from="gateway" at={(live ?? totals.data)?.at ?? null} />}>
        {live === null && totals.data === undefined ? (
          <Skeleton chars={24} />
        ) : reasons.length === 0 ? (
          <Notice title="Nothing was refused" icon="done">
            <p>Every message so far was well formed, signed and in order.</p>
          </Notice>
        ) : (
          <Bars rows={reasons.map(([reason, n]) => ({ label: words(reason), n, share: n / most }))} />
        )}
      </Card>
      <Card title="Messages" note={<Source from="gateway" read={list} />}>
        <Table
          caption="Refused messages, newest first"
          columns={columns}
          rows={pages.rows}
          error={list.error}
          retry={() => void list.refetch()}
          empty={{ title: 'No message was refused', text: 'The gateway keeps the newest refusals with their reasons.' }}
        />
        <Pager pages={pages} />
      </Card>
      <Card title="Tasks put aside" note={<Source from="coordinator" read={tasksRead} />}>
        <Table
          caption="Tasks that cannot be settled as they are"
          columns={deadColumns}
          rows={dead}
          error={tasksRead.error}
          retry={() => void tasksRead.refetch()}
          places={2}
          empty={{ title: 'No task was put aside', text: 'Every window that was taken is settled, or on its way.' }}
        />
      </Card>
    </div>
  )
}
