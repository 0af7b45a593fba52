// SPDX-License-Identifier: Apache-2.0
/** One device: its readings and windows, its proofs, who it is, and what its wallet holds. */
import { type ReactNode, useMemo } from 'react'
import { Link, useParams } from 'react-router'
import { didOf } from '../../../protocol/did.ts'
import { formatFixed } from '../../../protocol/fixed-point.ts'
import { deviceId, type Hex } from '../../../protocol/ids.ts'
import type { Network } from '../../api.ts'
import { type Identity, type WindowTask, useDeviceWindows, useHistory, useIdentity } from '../data/device.ts'
import { amount, count, exact, shorten } from '../data/format.ts'
import { useLive } from '../data/live.ts'
import { useNetwork, useProject, useToken } from '../data/reads.ts'
import { viewOf } from '../data/states.ts'
import { Address, Ago, Card, Copy, Failed, Notice, PageHead, Skeleton, Source } from '../parts/bits.tsx'
import { type Band, Chart } from '../parts/chart.tsx'
import { Pager, usePages } from '../parts/pager.tsx'
import { State } from '../parts/state.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { DeviceWallet } from '../wallet/holdings.tsx'

export function Device(): ReactNode {
  const { device = '' } = useParams()
  return /^0x[0-9a-fA-F]{40}$/.test(device) ? (
    <DeviceOf key={device} device={deviceId(device)} />
  ) : (
    <div className="page">
      <PageHead title="Device" crumb={{ to: '/devices', label: 'Devices' }} />
      <Notice title="This is no device">
        <p>A device is named by its first key: 0x and 40 hexadecimal digits.</p>
      </Notice>
    </div>
  )
}

type Terms = Network['terms'][string]['terms']

function DeviceOf({ device }: { device: ReturnType<typeof deviceId> }): ReactNode {
  const main = useProject()
  const identity = useIdentity(device)
  // A device of a project without terms has no readings to show.
  const project = identity.data === undefined || identity.data === null ? main : identity.data.project.toString()
  const terms = useNetwork().data?.terms[project ?? '']?.terms
  const windows = useDeviceWindows(project, device)
  const live = useLive('last').get(device)
  const did = didOf(device)
  return (
    <div className="page">
      <PageHead title={`Device ${shorten(device)}`} crumb={{ to: '/devices', label: 'Devices' }}>
        <p className="address">
          <span className="mono small">{did}</span>
          <Copy text={did} what="DID" />
        </p>
        <p className="card-note now">
          {live === undefined ? (
            'No reading since this page was opened'
          ) : (
            <>
              <strong>{live.value}</strong> {live.channel}, <Ago at={live.at} />
            </>
          )}
        </p>
      </PageHead>
      {identity.data === null ? (
        <p className="says" data-tone="refused">
          This address is not registered as a device on this chain.
        </p>
      ) : null}
      <div className="grid-side">
        <div className="page">
          <Readings project={project} device={device} terms={terms} windows={windows.data} />
          <Windows found={windows} terms={terms} />
        </div>
        <div className="page">
          <DeviceWallet identity={identity.data} />
          <IdentityCard found={identity} />
        </div>
      </div>
    </div>
  )
}

const bandsOf = (windows: readonly WindowTask[]): Band[] =>
  windows.map(({ firstTime, lastTime, state, index }) => ({
    from: Number(firstTime),
    to: Number(lastTime),
    tone: viewOf(state).tone,
    label: `Window ${index}`,
  }))

interface ReadingsProps {
  project: string | undefined
  device: Hex
  terms: Terms | undefined
  windows: readonly WindowTask[] | undefined
}

function Readings({ project, device, terms, windows }: ReadingsProps): ReactNode {
  const found = useHistory(project, device)
  const history = found.data
  const bands = useMemo(() => bandsOf(windows ?? []), [windows])
  const threshold = terms === undefined ? null : Number(formatFixed(BigInt(terms.rangeMin) + BigInt(terms.threshold), terms.decimals))
  const unit = history?.channel === 'humidity' ? ' %' : ''
  const points = history?.points ?? []
  const alarms = threshold === null ? 0 : points.filter(({ max }) => max > threshold).length
  const lowest = Math.min(...points.map(({ min }) => min))
  const highest = Math.max(...points.map(({ max }) => max))
  const says = `${points.length} points of ${history?.channel ?? ''}, between ${lowest} and ${highest}${unit}; ${alarms} above the threshold of ${threshold ?? 0}${unit}`
  return (
    <Card
      title={history === undefined || history.channel === '' ? 'Readings' : capital(history.channel)}
      note={<Source from="gateway" read={found} />}
    >
      {found.error !== null && history === undefined ? (
        <Failed error={found.error} retry={() => void found.refetch()} />
      ) : history === undefined ? (
        <div className="chart">
          <Skeleton chars={40} />
        </div>
      ) : points.length === 0 ? (
        <Notice title="No readings yet">
          <p>The gateway has stored nothing of this device.</p>
        </Notice>
      ) : (
        <>
          <Chart points={points} bands={bands} threshold={threshold} unit={unit} label={says} />
          <p className="chart-key">
            <span>
              <i />
              reading
            </span>
            <span>
              <i data-kind="window" />
              window, coloured by its state
            </span>
            {threshold === null ? null : (
              <span>
                <i data-kind="limit" />
                threshold {threshold}
                {unit}
              </span>
            )}
            <span>
              <i data-kind="alarm" />
              above it: {count(alarms)}
            </span>
          </p>
          <details>
            <summary>The newest readings as a table</summary>
            <table className="table plain">
              <thead>
                <tr>
                  <th scope="col">Measured</th>
                  <th scope="col" className="end">
                    Value
                  </th>
                </tr>
              </thead>
              <tbody>
                {points.slice(-12).map(({ time, min, max, mean }, place) => (
                  <tr key={place}>
                    <td>{exact(time * 1000)}</td>
                    <td className="end">{min === max ? mean : `${min} to ${max}`}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        </>
      )}
    </Card>
  )
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

function Windows({ found, terms }: { found: ReturnType<typeof useDeviceWindows>; terms: Terms | undefined }): ReactNode {
  const token = useToken()
  const pages = usePages(found.data, 10, 'windows')
  const pay = (readings: number): string =>
    terms === undefined ? '–' : `${amount(BigInt(terms.pricePerReading) * BigInt(readings), token?.decimals)} ${token?.symbol ?? ''}`
  const columns: readonly Column<WindowTask>[] = [
    { label: 'Window', width: '18%', cell: ({ index, taskId }) => <Link to={`/proofs/${taskId}`}>Window {index}</Link> },
    { label: 'State', width: '20%', cell: ({ state }) => <State state={state} pill /> },
    { label: 'Readings', width: '16%', end: true, cell: ({ count: readings }) => count(readings) },
    {
      label: 'Pay',
      width: '20%',
      end: true,
      cell: ({ count: readings, state }) => <span className={state === 'settled' ? undefined : 'quiet'}>{pay(readings)}</span>,
    },
    { label: 'Received', end: true, cell: ({ receivedAt }) => <Ago at={receivedAt} /> },
  ]
  return (
    <Card title="Windows and proofs" note={<Source from="gateway and chain" read={found} />}>
      <Table
        caption="Windows of this device, newest first"
        columns={columns}
        rows={pages.rows}
        error={found.error}
        retry={() => void found.refetch()}
        places={5}
        empty={{ title: 'No window yet', text: 'A window closes after 64 readings, or after a long pause.' }}
      />
      <Pager pages={pages} />
    </Card>
  )
}

function IdentityCard({ found }: { found: ReturnType<typeof useIdentity> }): ReactNode {
  const wait = <Skeleton chars={11} />
  const of = (text: (identity: Identity) => ReactNode): ReactNode =>
    found.data === null || found.data === undefined ? wait : text(found.data)
  if (found.data === null) return null
  return (
    <Card title="Identity" note={<Source from="chain" read={found} />}>
      {found.error !== null && found.data === undefined ? (
        <Failed error={found.error} retry={() => void found.refetch()} />
      ) : (
        <dl className="facts">
          <dt>ioID</dt>
          <dd>{of(({ tokenId, project }) => `#${tokenId} of project ${project}`)}</dd>
          <dt>Owner</dt>
          <dd>
            {of(({ owner }) => (
              <Address value={owner} what="owner" />
            ))}
          </dd>
          <dt>Signs with</dt>
          <dd>
            {of(({ signer }) => (
              <Address value={signer} what="signing key" />
            ))}
          </dd>
          <dt>Document</dt>
          <dd>
            {of(({ documentHash }) => (
              <Address value={documentHash} what="document hash" />
            ))}
          </dd>
          <dt>Data keys</dt>
          <dd>
            {of(({ keys }) =>
              keys.length === 0 ? (
                <span className="quiet">none bound</span>
              ) : (
                keys.map(({ x, fromWindow }) => (
                  <span key={fromWindow} className="data-key">
                    <span className="mono">{shorten(`0x${x.toString(16).padStart(64, '0')}`)}</span>
                    <span className="card-note">from window {fromWindow}</span>
                  </span>
                ))
              ),
            )}
          </dd>
        </dl>
      )}
    </Card>
  )
}
