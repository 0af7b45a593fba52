// SPDX-License-Identifier: Apache-2.0
/** The coordinator's tables, and a task as its rows hold it. */
import type { Migration } from '../kit/migrations.ts'
import type { Hex } from '../protocol/ids.ts'
import type { WindowItemJson } from '../protocol/lease.ts'

/**
 * received → assigned → leased → proven → submitted → settled | dead, and back to received when the chain says so.
 * `final` tasks are settled or dead beyond any reorganisation and are not looked at again.
 */
export type TaskState = 'received' | 'assigned' | 'leased' | 'proven' | 'submitted' | 'settled' | 'dead'

export const openStates: readonly TaskState[] = ['received', 'assigned', 'leased', 'proven', 'submitted']

export interface Task {
  id: Hex
  project: bigint
  device: Hex
  window: number
  root: Hex
  readings: number
  item: WindowItemJson
  state: TaskState
  /** Counts changes: an update of a row that changed since it was read does nothing. */
  rev: number
  prover: Hex | null
  /** Unix seconds of the chain. */
  deadline: number | null
  termsVersion: number | null
  job: string | null
  /** Failed proofs so far, over all provers. */
  attempts: number
  /** Not to be assigned before, milliseconds. */
  notBefore: number
  reason: string | null
  proof: { words: string[]; signals: string[]; prover: Hex; termsVersion: number } | null
  provenAt: number | null
  tx: Hex | null
  block: number | null
  receivedAt: number
  /** Another coordinator works on it now. */
  held: boolean
}

/** What every line of the log says of a task. */
export const about = ({ id, root, project, device, window, prover }: Task) => ({ task: id, root, project, device, window, prover })

export const migrations: readonly Migration[] = [
  {
    up: `create table tasks (
     id text primary key,
     project text not null,
     device text not null,
     window_index bigint not null,
     root text not null,
     readings int not null,
     item jsonb,
     seq bigserial,
     state text not null,
     rev int not null default 0,
     prover text,
     deadline bigint,
     terms_version int,
     job text,
     attempts int not null default 0,
     not_before bigint not null default 0,
     reason text,
     proof jsonb,
     proven_at bigint,
     tx text,
     block bigint,
     received_at bigint not null,
     final boolean not null default false
   );
   create index tasks_open on tasks (state, seq) where not final;
   create index tasks_by_window on tasks (project, device, window_index);
   create table pulled (project text primary key, cursor bigint not null);
   create table provers (address text primary key, block bigint not null);
   create table scans (name text primary key, position text not null);
   create table faults (task text not null, prover text not null, reason text not null, at bigint not null);
   create index faults_by_task on faults (task);`,
    down: 'drop table faults; drop table scans; drop table provers; drop table pulled; drop table tasks',
  },
  {
    // Claims say which of several coordinators works on a row now. Cursors belong to a store, not to the gateway that speaks for it; those of
    // version 1 named no store, so windows are read again from the first, which changes nothing that is known.
    up: `alter table tasks add column claimed_by text, add column claimed_until timestamptz;
     drop table pulled;
     create table pulled (
       project text not null,
       store text not null,
       cursor bigint not null default 0,
       claimed_by text,
       claimed_until timestamptz,
       primary key (project, store)
     )`,
    down: `alter table tasks drop column claimed_by, drop column claimed_until;
     drop table pulled;
     create table pulled (project text primary key, cursor bigint not null)`,
  },
]

/** A bigint column that fits a double comes as a number; all of these do. */
interface Row {
  id: Hex
  project: string
  device: Hex
  window_index: number
  root: Hex
  readings: number
  item: WindowItemJson
  state: TaskState
  rev: number
  prover: Hex | null
  deadline: number | null
  terms_version: number | null
  job: string | null
  attempts: number
  not_before: number
  reason: string | null
  proof: Task['proof']
  proven_at: number | null
  tx: Hex | null
  block: number | null
  received_at: number
  held: boolean
}

export type TaskRow = Row

export function taskOf(row: Row): Task {
  return {
    id: row.id,
    project: BigInt(row.project),
    device: row.device,
    window: row.window_index,
    root: row.root,
    readings: row.readings,
    item: row.item,
    state: row.state,
    rev: row.rev,
    prover: row.prover,
    deadline: row.deadline,
    termsVersion: row.terms_version,
    job: row.job,
    attempts: row.attempts,
    notBefore: row.not_before,
    reason: row.reason,
    proof: row.proof,
    provenAt: row.proven_at,
    tx: row.tx,
    block: row.block,
    receivedAt: row.received_at,
    held: row.held,
  }
}
