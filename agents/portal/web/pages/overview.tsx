// SPDX-License-Identifier: Apache-2.0
/** The network at a glance: what was proven and paid, where every window stands, and what happens now. */
import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { Link } from 'react-router'
import type { Totals } from '../../api.ts'
import { amount, compact, count, rate, shorten, words } from '../data/format.ts'
import { read } from '../data/http.ts'
import { useLive } from '../data/live.ts'
import { type TaskRow, useTasks, useToken } from '../data/reads.ts'
import { viewOf } from '../data/states.ts'
import { Ago, Card, Failed, Notice, Skeleton, Source } from '../parts/bits.tsx'
import { Lattice, Legend } from '../parts/lattice.tsx'
import { Spark } from '../parts/spark.tsx'
import { Glyph } from '../parts/state.tsx'

const FEED = 8
const SPOKEN_MS = 15_000

/** Read once, then told by the stream. */
function useTotals(): { totals: Totals | undefined; error: Error | null; retry: () => void } {
  const live = useLive('totals')
  const found = useQuery({ queryKey: ['totals'], queryFn: ({ signal }) => read<Totals>('/totals', signal), refetchInterval: 30_000 })
  return { totals: live ?? found.data, error: live === null ? found.error : null, retry: () => void found.refetch() }
}

export function Overview(): ReactNode {
  const { totals, error, retry } = useTotals()
  const { rows: tasks, ...tasksRead } = useTasks()
  return (
    <div className="page">
      {error !== null && totals === undefined ? <Failed error={error} retry={retry} /> : <Hero totals={totals} />}
      <Flow totals={totals} />
      <div className="grid-side even">
        <Card title="The lattice" className="lattice-card" note={<Source from="coordinator" read={tasksRead} />}>
          {tasks === undefined && tasksRead.error !== null ? (
            <Failed error={tasksRead.error} retry={() => void tasksRead.refetch()} />
          ) : tasks?.length === 0 ? (
            <Notice title="No windows yet">
              <p>A window closes after 64 readings of a device. The first joint appears here when one does.</p>
            </Notice>
          ) : (
            <Lattice tasks={tasks} />
          )}
          <Legend />
        </Card>
        <Card title="Latest" note={<Source from="coordinator" read={tasksRead} />}>
          <Feed tasks={tasks} />
        </Card>
      </div>
      <div className="grid-2">
        <Readings totals={totals} />
        <RefusedCard totals={totals} />
      </div>
    </div>
  )
}

/** Null while nobody has counted it: the chain's history is read by the indexer. */
const paidOf = (totals: Totals | undefined, token: string | undefined): bigint | null | undefined => {
  if (totals === undefined || token === undefined) return undefined
  const entry = Object.entries(totals.paid).find(([address]) => address.toLowerCase() === token.toLowerCase())
  return entry === undefined ? null : BigInt(entry[1])
}

function Hero({ totals }: { totals: Totals | undefined }): ReactNode {
  const token = useToken()
  const paid = paidOf(totals, token?.address)
  const gas =
    totals === undefined || totals.proofs === 0 || totals.gasUsed === '0' ? undefined : Number(BigInt(totals.gasUsed)) / totals.proofs
  const stats: [string, string | undefined, string][] = [
    ['Devices', totals && compact(totals.devices), 'registered and sending'],
    ['Readings', totals && compact(totals.readings), 'stored by the gateway'],
    ['Readings / s', totals && rate(totals.readingsPerSecond), 'at this moment'],
    ['Proofs', totals && compact(totals.proofs), 'verified on chain'],
    ['Gas / proof', totals && (gas === undefined ? '–' : compact(Math.round(gas))), 'assigned, verified, paid'],
  ]
  const paidText = paid === undefined || paid === null ? undefined : amount(paid, token?.decimals)
  return (
    <>
      <header className="hero">
        <h1>
          {/* Figures stand last: nothing moves when they grow. */}
          <span>
            Readings proven {totals === undefined ? <Skeleton chars={5} /> : <span className="figure">{count(totals.settled)}</span>}
          </span>
          <span>
            {paid === null ? (
              'and paid for'
            ) : (
              <>
                {token?.symbol ?? ''} paid {paidText === undefined ? <Skeleton chars={5} /> : <span className="figure">{paidText}</span>}
              </>
            )}
          </span>
        </h1>
        <p>
          Devices sign what they measure. Every window is proven, verified on chain, and paid to the wallet of the device that measured it.
        </p>
        <Spoken totals={totals} />
      </header>
      <dl className="stats">
        {stats.map(([label, value, note]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd className="figure">{value ?? <Skeleton chars={4} />}</dd>
            <dd className="card-note">{note}</dd>
          </div>
        ))}
      </dl>
    </>
  )
}

/** The figures for those who listen, at most every 15 seconds. */
function Spoken({ totals }: { totals: Totals | undefined }): ReactNode {
  const [text, setText] = useState('')
  const last = useRef(0)
  useEffect(() => {
    if (totals === undefined || Date.now() - last.current < SPOKEN_MS) return
    last.current = Date.now()
    setText(
      `${count(totals.settled)} readings settled, ${count(totals.proofs)} proofs, ${rate(totals.readingsPerSecond)} readings a second`,
    )
  }, [totals])
  return (
    <p className="hidden" aria-live="polite">
      {text}
    </p>
  )
}

const stages = ['received', 'assigned', 'leased', 'proven', 'settled', 'dead'] as const

function Flow({ totals }: { totals: Totals | undefined }): ReactNode {
  const tasks = totals?.tasks
  const of = (stage: (typeof stages)[number]): number => (tasks?.[stage] ?? 0) + (stage === 'proven' ? (tasks?.['submitted'] ?? 0) : 0)
  return (
    <section className="flow" aria-label="Tasks by state">
      <ol>
        {stages.map((stage) => {
          const { word, tone, says } = viewOf(stage)
          const n = of(stage)
          return (
            <li key={stage} data-tone={tone} data-busy={n > 0 || undefined}>
              <Link to={`/tasks?state=${stage}`} title={says}>
                <span className="flow-name">
                  <Glyph tone={tone} />
                  {word}
                </span>
                <span className="figure">{totals === undefined ? <Skeleton chars={3} /> : compact(n)}</span>
              </Link>
            </li>
          )
        })}
      </ol>
    </section>
  )
}

/** A fixed number of places: what is new takes the first, nothing moves. */
function Feed({ tasks }: { tasks: readonly TaskRow[] | undefined }): ReactNode {
  const live = useLive('tasks')
  const known = new Set(live.map(({ id }) => id))
  const older = (tasks ?? []).filter(({ id }) => !known.has(id)).map((task) => ({ ...task, index: task.window, at: task.receivedAt }))
  const items = [...live, ...older].slice(0, FEED)
  return (
    <ol className="feed">
      {Array.from({ length: FEED }, (_, place) => {
        const item = items[place]
        if (item === undefined) return <li key={place}>{tasks === undefined ? <Skeleton chars={24} /> : null}</li>
        const { word, tone } = viewOf(item.state)
        return (
          <li key={place} data-tone={tone}>
            <Glyph tone={tone} />
            <span className="feed-text">
              <Link to={`/proofs/${item.id}`}>{word}</Link> <span className="quiet">window {item.index} of</span>{' '}
              <span className="mono quiet">{shorten(item.device)}</span>
            </span>
            <span className="card-note">
              <Ago at={item.at} />
            </span>
          </li>
        )
      })}
    </ol>
  )
}

const SECONDS = 90

function Readings({ totals }: { totals: Totals | undefined }): ReactNode {
  const rates = useLive('rates')
  const values = rates.map(({ rate: value }) => value)
  const peak = Math.max(0, ...values)
  return (
    <Card title="Readings a second" note={<Source from="gateway" at={totals?.at ?? null} />}>
      <div className="spark-figures">
        <span className="figure">{totals === undefined ? <Skeleton chars={4} /> : rate(totals.readingsPerSecond)}</span>
        <span className="card-note">
          peak of the last {SECONDS} s: {rate(peak)}
        </span>
      </div>
      <Spark
        values={values}
        places={SECONDS}
        label={`Readings a second over the last ${SECONDS} seconds; now ${rate(totals?.readingsPerSecond ?? 0)}, peak ${rate(peak)}`}
      />
    </Card>
  )
}

function RefusedCard({ totals }: { totals: Totals | undefined }): ReactNode {
  const reasons = Object.entries(totals?.refusedByReason ?? {}).sort(([, one], [, other]) => other - one)
  const most = Math.max(1, ...reasons.map(([, n]) => n))
  return (
    <Card
      title="Refused"
      note={
        <Link className="card-note" to="/refusals">
          All refusals
        </Link>
      }
    >
      {totals === undefined ? (
        <Skeleton chars={20} />
      ) : reasons.length === 0 ? (
        <Notice title="Nothing was refused" icon="done">
          <p>Every message so far was well formed, signed and in order.</p>
        </Notice>
      ) : (
        <Bars rows={reasons.slice(0, 6).map(([reason, n]) => ({ label: words(reason), n, share: n / most }))} />
      )}
    </Card>
  )
}

export const Bars = ({ rows }: { rows: readonly { label: string; n: number; share: number }[] }): ReactNode => (
  <ul className="bars">
    {rows.map(({ label, n, share }) => (
      <li key={label}>
        <span>{label}</span>
        <span className="bar" aria-hidden="true">
          <i style={{ transform: `scaleX(${share})` }} />
        </span>
        <span className="figure-s">{compact(n)}</span>
      </li>
    ))}
  </ul>
)
