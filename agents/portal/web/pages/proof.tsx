// SPDX-License-Identifier: Apache-2.0
/** One proof: what it says, where it was settled, and the check again, here and by the chain. */
import { useMutation } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { useParams } from 'react-router'
import { formatFixed } from '../../../protocol/fixed-point.ts'
import type { Hex } from '../../../protocol/ids.ts'
import { amount, count, exact, words } from '../data/format.ts'
import { type Proof as ProofData, type TaskFacts, type Verdict, useTask, verifyByChain, verifyHere } from '../data/proof.ts'
import { type TaskRow, useTasks, useToken } from '../data/reads.ts'
import { viewOf } from '../data/states.ts'
import { Address, Card, Copy, Failed, Notice, PageHead, Skeleton, Source } from '../parts/bits.tsx'
import { Glyph, State, Track } from '../parts/state.tsx'

export function Proof(): ReactNode {
  const { taskId = '' } = useParams()
  const valid = /^0x[0-9a-f]{64}$/.test(taskId)
  return valid ? (
    <ProofOf key={taskId} taskId={taskId as Hex} />
  ) : (
    <div className="page">
      <PageHead title="Proof" crumb={{ to: '/tasks', label: 'Tasks' }} />
      <Notice title="This is no task id">
        <p>A task id is 0x and 64 hexadecimal digits.</p>
      </Notice>
    </div>
  )
}

function ProofOf({ taskId }: { taskId: Hex }): ReactNode {
  const found = useTask(taskId)
  const { rows } = useTasks()
  const task = rows?.find(({ id }) => id === taskId)
  const facts = found.data
  const state =
    facts === undefined || facts.record.state === 'none'
      ? (task?.state ?? 'received')
      : facts.record.state === 'assigned'
        ? (task?.state ?? 'assigned')
        : facts.record.state
  const proof = facts?.proof ?? null
  return (
    <div className="page">
      <PageHead
        title={task === undefined && proof === null ? 'Proof' : `Window ${proof?.window ?? task?.window ?? ''}`}
        crumb={{ to: '/tasks', label: 'Tasks' }}
      >
        <p className="address">
          <span className="mono small">{taskId}</span>
          <Copy text={taskId} what="task id" />
        </p>
      </PageHead>
      {found.error !== null && facts === undefined ? (
        <Failed error={found.error} retry={() => void found.refetch()} />
      ) : facts !== undefined && facts.record.state === 'none' && task === undefined ? (
        <Notice title="Neither the chain nor the coordinator knows this task">
          <p>It may be of another chain, or of one that began anew.</p>
        </Notice>
      ) : (
        <div className="grid-side">
          <div className="page">
            <Says proof={proof} waiting={facts === undefined} state={state} />
            {proof === null ? null : <Verify proof={proof} />}
          </div>
          <Standing facts={facts} task={task} state={state} read={found} />
        </div>
      )}
    </div>
  )
}

function Says({ proof, waiting, state }: { proof: ProofData | null; waiting: boolean; state: string }): ReactNode {
  const { says } = viewOf(state)
  if (proof === null && !waiting)
    return (
      <Card title="What it proves">
        <Notice title={state === 'settled' ? 'Settled through another contract' : 'Not settled yet'} icon="provers">
          <p>{state === 'settled' ? 'The public values lie in a transaction that this page cannot read.' : says}</p>
        </Notice>
      </Card>
    )
  const value = (lane: number): string => (proof === null ? '' : formatFixed(proof.terms.rangeMin + BigInt(lane), proof.terms.decimals))
  const s = proof?.statistics
  const mean =
    s === undefined || proof === null ? '' : formatFixed(proof.terms.rangeMin + BigInt(Math.round(s.sum / s.count)), proof.terms.decimals)
  const facts: [string, ReactNode][] = [
    ['Readings', s && `${s.count}, from sequence ${count(s.firstSequence)}`],
    ['Measured from', s && exact(s.firstTime * 1000)],
    ['Lowest', s && value(s.min)],
    ['Highest', s && value(s.max)],
    ['Mean', s && mean],
    [
      'Above threshold',
      s && (s.above === 0 ? `none above ${value(s.threshold)}` : <strong>{`${s.above} above ${value(s.threshold)}`}</strong>),
    ],
  ]
  return (
    <Card title="What it proves" note={<span className="card-note">public values, decoded</span>}>
      <dl className="facts">
        {facts.map(([label, text]) => (
          <Fact key={label} label={label}>
            {text ?? <Skeleton chars={14} />}
          </Fact>
        ))}
      </dl>
      <details>
        <summary>The four public values and eight words of the proof</summary>
        <dl className="facts words mono">
          {['context', 'readings root', 'statistics', 'key commitment'].map((name, i) => (
            <Fact key={name} label={name}>
              {proof === null ? '' : `0x${proof.signals[i]!.toString(16).padStart(64, '0')}`}
            </Fact>
          ))}
          {['A.x', 'A.y', 'B.x imaginary', 'B.x real', 'B.y imaginary', 'B.y real', 'C.x', 'C.y'].map((name, i) => (
            <Fact key={name} label={name}>
              {proof === null ? '' : `0x${proof.words[i]!.toString(16).padStart(64, '0')}`}
            </Fact>
          ))}
        </dl>
      </details>
    </Card>
  )
}

const Fact = ({ label, children }: { label: string; children: ReactNode }): ReactNode => (
  <>
    <dt>{label}</dt>
    <dd>{children}</dd>
  </>
)

function Verify({ proof }: { proof: ProofData }): ReactNode {
  const here = useMutation({ mutationFn: () => verifyHere(proof) })
  const there = useMutation({ mutationFn: () => verifyByChain(proof) })
  const busy = here.isPending || there.isPending
  return (
    <Card title="Verify it again" note={<span className="card-note">Groth16 on bn254</span>}>
      <p className="small quiet">
        The pairing equation over the public values above, with the key that the chain keeps: once computed by this browser, once by the
        verifier contract. Neither trusts the other.
      </p>
      <div className="actions">
        <button
          type="button"
          className="button"
          data-kind="main"
          disabled={busy}
          onClick={() => {
            here.mutate()
            there.mutate()
          }}
        >
          <Mark />
          {busy ? 'Checking…' : 'Verify again'}
        </button>
      </div>
      <div className="verdicts" aria-live="polite">
        <Verdict title="This browser" run={here} />
        <Verdict title="Verifier contract" run={there} />
      </div>
      {proof.insecure ? (
        <p className="says" data-tone="proving">
          The key of this network comes from a public local set-up: anybody can forge proofs under it. Good for trying, never for pay that
          matters.
        </p>
      ) : null}
    </Card>
  )
}

const Mark = (): ReactNode => (
  <svg
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    strokeWidth="2"
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
  >
    <path d="M5 12.5l4.5 4.5L19 7" />
  </svg>
)

interface Run {
  data: Verdict | undefined
  error: Error | null
  isPending: boolean
}

function Verdict({ title, run: { data, error, isPending } }: { title: string; run: Run }): ReactNode {
  const tone = error !== null || data?.valid === false ? 'refused' : data?.valid === true ? 'settled' : isPending ? 'proving' : undefined
  return (
    <div className="verdict" data-tone={tone}>
      <span className="small quiet">{title}</span>
      <strong>
        {tone === undefined ? null : <Glyph tone={tone} />}
        {error !== null
          ? 'Could not check'
          : data === undefined
            ? isPending
              ? 'Checking'
              : 'Not checked yet'
            : data.valid
              ? 'Valid'
              : 'Not valid'}
      </strong>
      <span className="small quiet">{error?.message.split('\n')[0] ?? (data === undefined ? '' : `in ${data.ms.toFixed(0)} ms`)}</span>
    </div>
  )
}

interface StandingProps {
  facts: TaskFacts | undefined
  task: TaskRow | undefined
  state: string
  read: { dataUpdatedAt: number; isError: boolean; isFetching: boolean }
}

function Standing({ facts, task, state, read }: StandingProps): ReactNode {
  const token = useToken()
  const proof = facts?.proof ?? null
  const settling = facts?.settling ?? null
  const device = proof?.device.toLowerCase() ?? task?.device
  const prover = facts !== undefined && facts.record.state !== 'none' ? facts.record.prover : task?.prover
  const wait = facts === undefined ? <Skeleton chars={12} /> : <span className="quiet">not yet</span>
  const pay = proof === null ? undefined : proof.terms.pricePerReading * BigInt(proof.statistics.count)
  return (
    <Card title="Settlement" note={<Source from="chain" read={read} />}>
      <dl className="facts">
        <Fact label="State">
          <State state={state} pill />
        </Fact>
        <Fact label="Way">
          <Track state={state} />
        </Fact>
        <Fact label="Device">{device === undefined ? wait : <Address value={device} to={`/devices/${device}`} what="device" />}</Fact>
        <Fact label="Prover">
          {prover === undefined || prover === null ? wait : <Address value={prover} to={`/provers/${prover}`} what="prover" />}
        </Fact>
        <Fact label="Transaction">{settling === null ? wait : <Address value={settling.transaction} what="transaction" />}</Fact>
        <Fact label="Block">{settling === null ? wait : count(settling.block)}</Fact>
        <Fact label="Settled">{settling === null ? wait : exact(settling.at)}</Fact>
        <Fact label="Gas">
          {settling === null
            ? wait
            : settling.tasks === 1
              ? count(settling.gasUsed)
              : `${count(settling.gasUsed)} for ${settling.tasks} tasks`}
        </Fact>
        <Fact label="Paid to device">{pay === undefined ? wait : `${amount(pay, token?.decimals)} ${token?.symbol ?? ''}`}</Fact>
        <Fact label="Paid to prover">
          {proof === null ? wait : `${amount(proof.terms.proverFee, token?.decimals)} ${token?.symbol ?? ''}`}
        </Fact>
        {task?.reason === null || task === undefined ? null : <Fact label="Reason">{words(task.reason)}</Fact>}
      </dl>
    </Card>
  )
}
