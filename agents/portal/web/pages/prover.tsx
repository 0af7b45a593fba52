// SPDX-License-Identifier: Apache-2.0
/** One prover: its state, where its fees go, and what it settled. */
import type { ReactNode } from 'react'
import { Link, useParams } from 'react-router'
import { amount, count } from '../data/format.ts'
import { type SettledTask, useProvers } from '../data/provers.ts'
import { useToken } from '../data/reads.ts'
import { Address, Ago, Card, Failed, Notice, PageHead, Skeleton, Source } from '../parts/bits.tsx'
import { Pager, usePages } from '../parts/pager.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { ProverState } from './provers.tsx'

const columns: readonly Column<SettledTask>[] = [
  { label: 'Proof', width: '34%', cell: ({ id }) => <Address value={id} to={`/proofs/${id}`} what="task" /> },
  { label: 'Transaction', width: '34%', cell: ({ transaction }) => <Address value={transaction} what="transaction" /> },
  { label: 'Block', end: true, cell: ({ block }) => count(block) },
]

export function Prover(): ReactNode {
  const { id = '' } = useParams()
  const found = useProvers()
  const token = useToken()
  const row = found.data?.provers.find(({ prover }) => prover.toLowerCase() === id.toLowerCase())
  const settled = row === undefined ? undefined : found.data?.settled.filter(({ prover }) => prover === row.prover)
  const pages = usePages(settled, 15, id)
  const wait = <Skeleton chars={10} />
  if (found.data !== undefined && row === undefined)
    return (
      <div className="page">
        <PageHead title="Prover" crumb={{ to: '/provers', label: 'Provers' }} />
        <Notice title="No prover has this address">
          <p className="mono">{id}</p>
          <Link className="button" to="/provers">
            All provers
          </Link>
        </Notice>
      </div>
    )
  return (
    <div className="page">
      <PageHead title="Prover" crumb={{ to: '/provers', label: 'Provers' }}>
        <p className="mono">{id}</p>
      </PageHead>
      {found.error !== null && found.data === undefined ? <Failed error={found.error} retry={() => void found.refetch()} /> : null}
      <div className="grid-side">
        <Card title="Settled" note={<Source from="chain" read={found} />}>
          <Table
            caption="Tasks that this prover settled, newest first"
            columns={columns}
            rows={pages.rows}
            error={found.error}
            retry={() => void found.refetch()}
            empty={{ title: 'Nothing settled yet', text: 'The first proof of this prover appears here.' }}
          />
          <Pager pages={pages} />
        </Card>
        <Card title="Standing" note={<Source from="chain" read={found} />}>
          <dl className="facts">
            <dt>State</dt>
            <dd>{row === undefined ? wait : <ProverState {...row} />}</dd>
            <dt>Tasks now</dt>
            <dd>{row === undefined ? wait : `${count(row.inflight)} of ${count(row.capacity)}`}</dd>
            <dt>Last heard</dt>
            <dd>{row === undefined ? wait : row.heartbeatAt === null ? 'never' : <Ago at={row.heartbeatAt} />}</dd>
            <dt>Settled</dt>
            <dd>{row === undefined ? wait : count(row.settled)}</dd>
            <dt>Earned</dt>
            <dd>{row === undefined ? wait : `${amount(row.earned, token?.decimals)} ${token?.symbol ?? ''}`}</dd>
            <dt>To be claimed</dt>
            <dd>{row === undefined ? wait : `${amount(row.waiting, token?.decimals)} ${token?.symbol ?? ''}`}</dd>
            <dt>Fees go to</dt>
            <dd>{row === undefined ? wait : <Address value={row.beneficiary} what="beneficiary" />}</dd>
          </dl>
        </Card>
      </div>
    </div>
  )
}
