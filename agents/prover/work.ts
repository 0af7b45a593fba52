// SPDX-License-Identifier: GPL-3.0-or-later
/** Work on disk: what was leased, and what was proved or failed and is not acknowledged yet. */
import type { Migration } from '../kit/migrations.ts'
import { openStore, type Store } from '../kit/store.ts'
import type { Hex } from '../protocol/ids.ts'
import { leasedTaskSchema, type LeasedTask } from '../protocol/lease.ts'

export type WorkState = 'leased' | 'proven' | 'failed'

export interface Outcome {
  taskId: Hex
  state: 'proven' | 'failed'
  /** Set when proven. */
  proof: string[]
  publicSignals: string[]
  /** Set when failed. */
  reason: string
  /** URL of the coordinator that leased the task. */
  coordinator: string | null
  /** Unix seconds of the chain. */
  deadline: number
}

export const migrations: readonly Migration[] = [
  {
    up: `create table work (
     task text primary key,
     lease text not null,
     state text not null check (state in ('leased', 'proven', 'failed')),
     attempts int not null default 0,
     outcome text,
     at int not null
   ) strict`,
    down: 'drop table work',
  },
  {
    up: `alter table work add column coordinator text;
   create table delivered (task text primary key, lease text not null, outcome text not null, at int not null) strict`,
    down: `alter table work drop column coordinator;
   drop table delivered`,
  },
]

/** How long a proof is kept after its coordinator took it: another coordinator, or the same one after a loss, may ask for it again. */
const deliveredMs = 600_000

export type Work = ReturnType<typeof openWork>

export function openWork(file: string) {
  const store: Store = openStore({ file, migrations, service: 'prover' })
  const { db } = store
  const insert = db.prepare(`insert into work (task, lease, coordinator, at, state, outcome) values (?, ?, ?, ?, ?, ?)
    on conflict (task) do update set lease = excluded.lease, coordinator = excluded.coordinator`)
  const deliveredBefore = db.prepare('select lease, outcome from delivered where task = ?')
  const keep = db.prepare(`insert into delivered (task, lease, outcome, at) select task, lease, outcome, ?2 from work where task = ?1
    on conflict (task) do update set lease = excluded.lease, outcome = excluded.outcome, at = excluded.at`)
  const forget = db.prepare('delete from delivered where at < ?')
  const leased = db.prepare(`select lease from work where state = 'leased' order by at, task`)
  const held = db.prepare('select task from work order by at desc limit 256')
  // Those that a coordinator did not take come last: they hold up no other.
  const outcomes = db.prepare(
    `select task, state, outcome, coordinator, lease from work where state <> 'leased' order by attempts, at, task limit ?`,
  )
  const finish = db.prepare(`update work set state = ?, outcome = ? where task = ? and state = 'leased'`)
  const retry = db.prepare('update work set attempts = attempts + 1 where task = ? returning attempts')
  const remove = db.prepare('delete from work where task = ?')
  const count = db.prepare('select state, count(*) as n from work group by state')

  return {
    /**
     * Takes leases, as the coordinator sent them. One that is held already keeps its place; one that was proved for the same context lately is
     * proven at once.
     */
    take(coordinator: string, leases: readonly { task: LeasedTask; json: unknown }[], now: number): void {
      store.transaction(() => {
        for (const { task, json } of leases) {
          const before = deliveredBefore.get(task.taskId)
          const same = before !== undefined && (JSON.parse(before['lease'] as string) as LeasedTask).context === task.context
          const outcome = same ? (before['outcome'] as string) : null
          insert.run(task.taskId, JSON.stringify(json), coordinator, now, outcome === null ? 'leased' : 'proven', outcome)
        }
      })
    },
    /** Every task that is here, in whatever state. */
    held: (): Hex[] => held.all().map((row) => row['task'] as Hex),
    leased: (): LeasedTask[] => leased.all().map((row) => leasedTaskSchema.parse(JSON.parse(row['lease'] as string))),
    /** What the coordinator has to be told, oldest first. */
    outcomes: (limit: number): Outcome[] =>
      outcomes.all(limit).map((row) => ({
        proof: [],
        publicSignals: [],
        reason: '',
        ...(JSON.parse(row['outcome'] as string) as Partial<Outcome>),
        taskId: row['task'] as Hex,
        state: row['state'] as 'proven' | 'failed',
        coordinator: row['coordinator'] as string | null,
        deadline: (JSON.parse(row['lease'] as string) as LeasedTask).deadline,
      })),
    /** On disk before this returns: a proof costs seconds and is never made twice for want of a write. */
    proven: (task: Hex, proof: { proof: string[]; publicSignals: string[] }): void =>
      store.transaction(() => finish.run('proven', JSON.stringify(proof), task)) as never,
    failed: (task: Hex, reason: string): void =>
      store.transaction(() => finish.run('failed', JSON.stringify({ reason: reason.slice(0, 500) }), task)) as never,
    /** Counts a failed try; the number of tries so far. */
    tried: (task: Hex): number => Number(retry.get(task)?.['attempts'] ?? 0),
    remove: (task: Hex): void => void remove.run(task),
    /** A coordinator took the proof. */
    delivered: (task: Hex, now: number): void =>
      store.transaction(() => {
        keep.run(task, now)
        remove.run(task)
        forget.run(now - deliveredMs)
      }),
    counts(): Record<WorkState, number> {
      const found = Object.fromEntries(count.all().map((row) => [row['state'] as string, row['n'] as number]))
      return { leased: 0, proven: 0, failed: 0, ...found }
    },
    close: () => store.close(),
  }
}
