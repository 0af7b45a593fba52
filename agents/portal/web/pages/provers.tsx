// SPDX-License-Identifier: Apache-2.0
/** Who proves: state, load and earnings of every prover. */
import type { ReactNode } from 'react'
import { amount, count } from '../data/format.ts'
import { type ProverRow, type ProverStatus, useProvers } from '../data/provers.ts'
import { useNetwork, useToken } from '../data/reads.ts'
import type { Tone } from '../data/states.ts'
import { Address, Ago, Card, PageHead, Source } from '../parts/bits.tsx'
import { Glyph } from '../parts/state.tsx'
import { type Column, Table } from '../parts/table.tsx'

const tones: Readonly<Record<ProverStatus, Tone>> = { Unknown: 'wait', Offline: 'refused', Idle: 'assigned', Busy: 'proving' }

export function ProverState({ status, paused }: { status: ProverStatus; paused: boolean }): ReactNode {
  const tone = paused ? 'wait' : tones[status]
  return (
    <span className="state pill" data-tone={tone}>
      <Glyph tone={tone} />
      {paused ? 'Paused' : status}
    </span>
  )
}

export function Provers(): ReactNode {
  const found = useProvers()
  const network = useNetwork()
  const token = useToken()
  const columns: readonly Column<ProverRow>[] = [
    {
      label: 'Prover',
      width: '20%',
      cell: ({ prover }) => <Address value={prover} to={`/provers/${prover.toLowerCase()}`} what="prover" />,
    },
    { label: 'State', width: '14%', cell: (row) => <ProverState {...row} /> },
    { label: 'Tasks now', width: '14%', cell: ({ inflight, capacity }) => `${count(inflight)} of ${count(capacity)}` },
    { label: 'Settled', width: '12%', end: true, cell: ({ settled }) => count(settled) },
    {
      label: 'Earned',
      width: '18%',
      end: true,
      cell: ({ earned }) => (
        <strong>
          {amount(earned, token?.decimals)} {token?.symbol}
        </strong>
      ),
    },
    {
      label: 'Last heard',
      end: true,
      cell: ({ heartbeatAt }) => (heartbeatAt === null ? <span className="quiet">never</span> : <Ago at={heartbeatAt} />),
    },
  ]
  return (
    <div className="page">
      <PageHead title="Provers">
        <p>A prover leases tasks, proves them, and earns a fee for each that settles. It is registered with an ioID of its own.</p>
      </PageHead>
      <Card title="All provers" note={<Source from="chain" read={found} />}>
        <Table
          caption="Provers of this network"
          columns={columns}
          rows={found.data?.provers}
          error={found.error ?? network.error}
          retry={() => void (network.isError ? network.refetch() : found.refetch())}
          places={2}
          empty={{ title: 'No prover is registered', text: 'Windows wait in the gateway until one is.' }}
        />
      </Card>
    </div>
  )
}
