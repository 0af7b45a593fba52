// SPDX-License-Identifier: Apache-2.0
/** Every device that the gateway has heard, in pages. */
import { type SyntheticEvent, type ReactNode, useState } from 'react'
import { useNavigate } from 'react-router'
import type { DeviceRow } from '../../api.ts'
import { count, exact } from '../data/format.ts'
import { useLive } from '../data/live.ts'
import { useDevices, useNetwork, useProject } from '../data/reads.ts'
import { Address, Ago, Card, PageHead, Source } from '../parts/bits.tsx'
import { Icon } from '../parts/icons.tsx'
import { type Column, Table } from '../parts/table.tsx'

const PER_PAGE = 20

export function Devices(): ReactNode {
  const project = useProject()
  const network = useNetwork()
  const live = useLive('last')
  // Cursors of the pages so far: the last is the one that is shown.
  const [cursors, setCursors] = useState<(string | undefined)[]>([undefined])
  const found = useDevices(project, cursors.at(-1), PER_PAGE)
  const next = found.data?.next ?? null
  const total = useLive('totals')?.devices
  const lastOf = (row: DeviceRow): DeviceRow['last'] => live.get(row.device) ?? row.last
  const columns: readonly Column<DeviceRow>[] = [
    { label: 'Device', width: '24%', cell: ({ device }) => <Address value={device} to={`/devices/${device}`} what="device" /> },
    { label: 'Last value', width: '18%', cell: (row) => <LastValue last={lastOf(row)} /> },
    { label: 'Measured', width: '24%', cell: (row) => <span className="quiet">{measured(lastOf(row))}</span> },
    { label: 'Readings', width: '12%', end: true, cell: ({ readings }) => count(readings) },
    { label: 'Windows', width: '10%', end: true, cell: ({ windows }) => count(windows) },
    { label: 'Heard', end: true, cell: ({ device }) => <Heard at={live.get(device)?.at} /> },
  ]
  return (
    <div className="page">
      <PageHead title="Devices">
        <p>Each has an identity of its own on chain, keys that sign what it measures, and a wallet that its pay goes to.</p>
      </PageHead>
      <Find />
      <Card title="All devices" note={<Source from="gateway" read={found} />}>
        <Table
          caption="Devices that sent readings"
          columns={columns}
          rows={found.data?.items}
          error={found.error ?? network.error}
          retry={() => void (network.isError ? network.refetch() : found.refetch())}
          places={PER_PAGE / 2}
          empty={{ title: 'No device has sent anything', text: 'Once a registered device signs and sends a reading, it is listed here.' }}
        />
        <div className="table-foot">
          <span>
            {total === undefined ? '' : `${count(total)} devices`}
            {cursors.length > 1 || next !== null ? ` · page ${cursors.length}` : ''}
          </span>
          {cursors.length === 1 && next === null ? null : (
            <span className="actions">
              <button
                type="button"
                className="button"
                aria-label="Page before"
                disabled={cursors.length === 1}
                onClick={() => setCursors(cursors.slice(0, -1))}
              >
                <Icon name="back" />
              </button>
              <button
                type="button"
                className="button"
                aria-label="Next page"
                disabled={next === null || found.isPlaceholderData}
                onClick={() => setCursors([...cursors, String(next)])}
              >
                <Icon name="next" />
              </button>
            </span>
          )}
        </div>
      </Card>
    </div>
  )
}

const measured = (last: DeviceRow['last']): string => (last === null ? '–' : exact(Number(last.time) * 1000))

const LastValue = ({ last }: { last: DeviceRow['last'] }): ReactNode =>
  last === null ? (
    <span className="quiet">none yet</span>
  ) : (
    <>
      <strong>{last.value}</strong> <span className="quiet">{last.channel}</span>
    </>
  )

const Heard = ({ at }: { at: number | undefined }): ReactNode =>
  at === undefined ? <span className="quiet">before</span> : <Ago at={at} />

function Find(): ReactNode {
  const go = useNavigate()
  const [text, setText] = useState('')
  const [wrong, setWrong] = useState(false)
  const find = (event: SyntheticEvent): void => {
    event.preventDefault()
    const address = /0x[0-9a-fA-F]{40}/.exec(text)?.[0]
    if (address === undefined) setWrong(true)
    else void go(`/devices/${address.toLowerCase()}`)
  }
  return (
    <form className="find field" onSubmit={find} role="search">
      <label htmlFor="find">Find a device by its address or DID</label>
      <span className="find-row">
        <input
          id="find"
          value={text}
          spellCheck={false}
          autoComplete="off"
          placeholder="did:io:0x…"
          aria-invalid={wrong}
          aria-describedby="find-wrong"
          onChange={(event) => {
            setText(event.target.value)
            setWrong(false)
          }}
        />
        <button type="submit" className="button">
          Show
        </button>
      </span>
      <span id="find-wrong" className="wrong" role="alert">
        {wrong ? 'An address is 0x and 40 hexadecimal digits.' : ''}
      </span>
    </form>
  )
}
