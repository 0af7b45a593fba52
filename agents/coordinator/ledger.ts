// SPDX-License-Identifier: Apache-2.0
/**
 * The ledger of tasks: what its coordinators know, one row per task, and the jobs that provers lease. The chain is right where they differ.
 *
 * Several coordinators may share it. A row that one of them works on carries its claim for a few seconds, renewed while the work lasts: the others
 * leave it alone. Claims save work and gas; that a window settles once is the chain's doing, and holds when a claim is lost.
 */
import { randomUUID } from 'node:crypto'
import { dumpTables } from '../kit/backup.ts'
import { openQueue, type Queue, type QueuePlace } from '../kit/queue.ts'
import type { Hex } from '../protocol/ids.ts'
import type { WindowItemJson } from '../protocol/lease.ts'
import { migrations, openStates, taskOf, type Task, type TaskRow, type TaskState } from './schema.ts'

/** A window that was checked, as a task to be. */
export interface NewTask {
  id: Hex
  project: bigint
  device: Hex
  window: number
  root: Hex
  readings: number
  item: WindowItemJson
  receivedAt: number
  /** Set when the window can never be a task. */
  dead: string | null
}

/** Fields that an update may set. */
export type Change = Partial<
  Pick<
    Task,
    'state' | 'prover' | 'deadline' | 'termsVersion' | 'job' | 'attempts' | 'notBefore' | 'reason' | 'proof' | 'provenAt' | 'tx' | 'block'
  >
>

const columns: Readonly<Record<keyof Change, string>> = {
  state: 'state',
  prover: 'prover',
  deadline: 'deadline',
  termsVersion: 'terms_version',
  job: 'job',
  attempts: 'attempts',
  notBefore: 'not_before',
  reason: 'reason',
  proof: 'proof',
  provenAt: 'proven_at',
  tx: 'tx',
  block: 'block',
}

export interface LedgerOptions extends QueuePlace {
  leaseSeconds: number
  /** Told the task of each row that changes; the change may still be undone. */
  onChange?: (id: Hex) => void
}

/** Reasons of dead tasks that no other try makes provable: the chain, or the window itself, is against them. */
const hopeless: ReadonlySet<string> = new Set(['WINDOW_TAKEN', 'BAD_WINDOW', 'BAD_DATA_SIGNATURE'])

/** A claim that is not renewed ends after this time: its coordinator died. */
const CLAIM = `interval '15 seconds'`

export type Ledger = Awaited<ReturnType<typeof openLedger>>

/** Opens the ledger. @throws TrellisError FOLDER_IN_USE when another coordinator has it */
export async function openLedger({ leaseSeconds, onChange, ...place }: LedgerOptions) {
  const queue: Queue = await openQueue({ ...place, migrations })
  const { jobs } = queue
  const query = <R>(text: string, values?: unknown[]): Promise<R[]> => queue.query<R>(text, values)
  const prepared = new Set<string>()
  /** This coordinator among those that share the ledger. */
  const instance = randomUUID()
  const columnsOfTask = `tasks.*, coalesce(claimed_by <> '${instance}' and claimed_until > now(), false) as held`
  const unclaimed = `(claimed_until is null or claimed_until < now() or claimed_by = '${instance}')`

  /** A queue of jobs per prover: a task is assigned to one prover on chain, so only that one may lease it. */
  const jobsOf = async (prover: Hex): Promise<string> => {
    const name = `prove.${prover}`
    if (!prepared.has(name)) {
      const options = {
        expireInSeconds: leaseSeconds,
        retryLimit: 1_000,
        retryDelay: 1,
        retryBackoff: true,
        retryDelayMax: 30,
        deleteAfterSeconds: 60,
      }
      if ((await jobs.getQueue(name)) === null) await jobs.createQueue(name, options)
      else await jobs.updateQueue(name, options)
      prepared.add(name)
    }
    return name
  }

  const tasks = async (where: string, values: unknown[], limit: number): Promise<Task[]> =>
    (await query<TaskRow>(`select ${columnsOfTask} from tasks where ${where} order by seq limit ${limit}`, values)).map(taskOf)

  /** Rows to work on, that no other coordinator works on. Alone there is nothing to claim. */
  const claim = async (where: string, values: unknown[], limit: number): Promise<Task[]> => {
    if (!queue.shared) return tasks(where, values, limit)
    const rows = await query<TaskRow & { seq: number }>(
      `update tasks set claimed_by = '${instance}', claimed_until = now() + ${CLAIM} where id in
         (select id from tasks where ${where} and ${unclaimed} order by seq limit ${limit} for update skip locked)
       returning *, false as held`,
      values,
    )
    return rows.sort((a, b) => a.seq - b.seq).map(taskOf)
  }

  /** Changes a row unless it changed since `task` was read. True when it did. */
  const update = async (task: Pick<Task, 'id' | 'rev'>, change: Change): Promise<boolean> => {
    const keys = Object.keys(change) as (keyof Change)[]
    const sets = keys.map((key, i) => `${columns[key]} = $${i + 3}`)
    const values = keys.map((key) => (key === 'proof' && change.proof !== null ? JSON.stringify(change.proof) : change[key]))
    const rows = await query(`update tasks set ${['rev = rev + 1', ...sets].join(', ')} where id = $1 and rev = $2 returning id`, [
      task.id,
      task.rev,
      ...values,
    ])
    if (rows.length === 1 && change.state !== undefined) onChange?.(task.id)
    return rows.length === 1
  }

  const dropJob = async (task: Pick<Task, 'prover' | 'job'>): Promise<void> => {
    if (task.job !== null && task.prover !== null) await jobs.deleteJob(await jobsOf(task.prover), task.job)
  }

  /** A lease that could not be handed over is free again at once. */
  const released = (task: Task): Promise<boolean> =>
    queue.transaction(async () => {
      if (task.prover === null) return false
      await dropJob(task)
      return update(task, { state: 'assigned', job: await jobs.send(await jobsOf(task.prover), { task: task.id }) })
    })

  return {
    /** True when other coordinators may use this ledger, too. */
    shared: queue.shared,
    get: async (id: Hex): Promise<Task | null> => (await tasks('id = $1', [id], 1))[0] ?? null,
    /** Those of these that are known. */
    some: (ids: readonly Hex[]): Promise<Task[]> => tasks('id = any($1)', [ids], Math.max(1, ids.length)),
    update,

    /** Where to read on in a store; null while another coordinator reads it. */
    async pulling(project: bigint, store: string): Promise<number | null> {
      const at = [project.toString(), store]
      await query('insert into pulled (project, store) values ($1, $2) on conflict do nothing', at)
      const rows = await query<{ cursor: number }>(
        `update pulled set claimed_by = '${instance}', claimed_until = now() + ${CLAIM}
         where project = $1 and store = $2 and ${unclaimed} returning cursor`,
        at,
      )
      return rows[0]?.cursor ?? null
    },

    /** The store was not read: another coordinator may try at once. */
    async notPulling(project: bigint, store: string): Promise<void> {
      if (!queue.shared) return
      const at = [project.toString(), store]
      await query(`update pulled set claimed_until = null where project = $1 and store = $2 and claimed_by = '${instance}'`, at)
    },

    /** Takes windows of a store and the cursor after them, at once. A window that is known stays as it is. Returns how many were new. */
    take: (project: bigint, store: string, fresh: readonly NewTask[], cursor: number): Promise<number> =>
      queue.transaction(async () => {
        let taken = 0
        for (const task of fresh) {
          const rows = await query(
            `insert into tasks (id, project, device, window_index, root, readings, item, state, reason, received_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             on conflict (id) do update set item = excluded.item, state = excluded.state, reason = null, rev = tasks.rev + 1
               where tasks.state = 'dead' and tasks.reason = 'BAD_WINDOW' and excluded.state = 'received'
             returning id`,
            [
              task.id,
              task.project.toString(),
              task.device,
              task.window,
              task.root,
              task.readings,
              JSON.stringify(task.item),
              task.dead === null ? 'received' : 'dead',
              task.dead,
              task.receivedAt,
            ],
          )
          taken += rows.length
          if (rows.length > 0) onChange?.(task.id)
        }
        await query(
          `insert into pulled (project, store, cursor) values ($1, $2, $3)
           on conflict (project, store) do update set cursor = greatest(pulled.cursor, excluded.cursor)`,
          [project.toString(), store, cursor],
        )
        return taken
      }),

    /** To be assigned. */
    due: (now: number, limit: number) => claim(`state = 'received' and not_before <= $1 and not final`, [now], limit),
    /** To be settled. */
    proofs: (now: number, limit: number) => claim(`state = 'proven' and not_before <= $1 and not final`, [now], limit),
    /** To be recalled. */
    overdue: (chainTime: number, limit: number) =>
      claim(`not final and deadline < $1 and state in ('assigned', 'leased', 'dead')`, [chainTime], limit),
    /** Keeps the claims of work that goes on. */
    async renew(ids: readonly Hex[]): Promise<void> {
      if (!queue.shared || ids.length === 0) return
      await query(`update tasks set claimed_until = now() + ${CLAIM} where id = any($1) and claimed_by = '${instance}'`, [ids])
    },
    /** Work on these ended, or was not begun: whoever wants them next may have them. */
    async unclaim(claimed: readonly Pick<Task, 'id'>[]): Promise<void> {
      if (!queue.shared || claimed.length === 0) return
      const ids = claimed.map(({ id }) => id)
      await query(`update tasks set claimed_until = null where id = any($1) and claimed_by = '${instance}'`, [ids])
    },
    /** What the chain may have an opinion on, a page at a time by id. */
    unsettled: async (after: Hex | null, limit: number): Promise<Task[]> =>
      (
        await query<TaskRow>(
          `select ${columnsOfTask} from tasks where not final and state <> 'dead' and id > $1 order by id limit ${limit}`,
          [after ?? ''],
        )
      ).map(taskOf),
    /** In order of arrival, those after the task `after`. */
    list: (state: TaskState | null, limit: number, after: Hex | null = null) =>
      tasks(
        '($1::text is null or state = $1) and ($2::text is null or seq > (select seq from tasks where id = $2))',
        [state, after],
        limit,
      ),

    async counts(): Promise<Record<TaskState, { tasks: number; readings: number }>> {
      const rows = await query<{ state: TaskState; tasks: number; readings: number }>(
        'select state, count(*)::int as tasks, coalesce(sum(readings), 0)::int as readings from tasks group by state',
      )
      const none = Object.fromEntries([...openStates, 'settled', 'dead'].map((state) => [state, { tasks: 0, readings: 0 }]))
      return { ...none, ...Object.fromEntries(rows.map(({ state, ...sums }) => [state, sums])) } as Record<
        TaskState,
        { tasks: number; readings: number }
      >
    },
    async open(): Promise<number> {
      const rows = await query<{ n: number }>('select count(*)::int as n from tasks where state = any($1) and not final', [openStates])
      return rows[0]?.n ?? 0
    },
    /** When the gateway took the oldest window that is not settled, milliseconds; null when there is none. */
    async oldestOpen(): Promise<number | null> {
      const rows = await query<{ at: number | null }>('select min(received_at) as at from tasks where state = any($1) and not final', [
        openStates,
      ])
      return rows[0]?.at ?? null
    },
    async reasons(): Promise<Record<string, number>> {
      const rows = await query<{ reason: string; n: number }>(
        `select reason, count(*)::int as n from (select reason from faults union all select reason from tasks where state = 'dead') as all_reasons
         where reason is not null group by reason`,
      )
      return Object.fromEntries(rows.map(({ reason, n }) => [reason, n]))
    },

    /** The chain assigned this task: from here its prover may lease it, unless its proof is here already. */
    assigned: (task: Task, to: { prover: Hex; deadline: number; termsVersion: number }): Promise<boolean> =>
      queue.transaction(async () => {
        await dropJob(task)
        const proven = task.proof !== null && task.proof.prover === to.prover && task.proof.termsVersion === to.termsVersion
        const job = proven ? null : await jobs.send(await jobsOf(to.prover), { task: task.id })
        const kept = proven ? {} : { proof: null, provenAt: null }
        const changed = await update(task, { ...to, ...kept, state: proven ? 'proven' : 'assigned', job, reason: null })
        if (!changed && job !== null) await jobs.deleteJob(await jobsOf(to.prover), job)
        return changed
      }),

    /** The task has nobody on chain: it waits for another assignment. */
    unassigned: (task: Task, reason: string | null, notBefore: number): Promise<boolean> =>
      queue.transaction(async () => {
        await dropJob(task)
        return update(task, { state: 'received', prover: null, deadline: null, termsVersion: null, job: null, reason, notBefore })
      }),

    ended: (task: Task, change: Change & { state: 'settled' | 'dead' }): Promise<boolean> =>
      queue.transaction(async () => {
        await dropJob(task)
        return update(task, { ...change, job: null })
      }),

    /** Nothing changes these by itself any more. What was needed to work on them goes, but for tasks that somebody may want tried again. */
    async finish(block: number): Promise<void> {
      await query(
        `update tasks set final = true, proof = null, item = case when state = 'dead' and reason not in ('WINDOW_TAKEN', 'BAD_DATA_SIGNATURE') then item end
         where not final and ((state = 'settled' and block <= $1) or (state = 'dead' and deadline is null and reason <> 'BAD_WINDOW'))`,
        [block],
      )
    },

    /** Tasks that were put aside begin anew, with all their tries. Says for each why not, or null. */
    retry: (ids: readonly Hex[]): Promise<{ id: Hex; refused: string | null }[]> =>
      queue.transaction(async () => {
        const found = new Map((await tasks('id = any($1)', [ids], ids.length)).map((task) => [task.id, task]))
        const outcomes: { id: Hex; refused: string | null }[] = []
        for (const id of new Set(ids)) {
          const task = found.get(id)
          let refused = task === undefined ? 'UNKNOWN_TASK' : task.state !== 'dead' ? 'NOT_DEAD' : null
          if (refused === null && hopeless.has(task?.reason ?? '')) refused = task!.reason
          if (refused === null && !(await update(task!, { state: 'received', attempts: 0, notBefore: 0, reason: null })))
            refused = 'CHANGED_MEANWHILE'
          if (refused === null) {
            await query('delete from faults where task = $1', [id])
            await query('update tasks set final = false where id = $1', [id])
          }
          outcomes.push({ id, refused })
        }
        return outcomes
      }),

    /** Leases at most `max` tasks of a prover. */
    lease: (prover: Hex, max: number): Promise<Task[]> =>
      queue.transaction(async () => {
        const name = await jobsOf(prover)
        const found: Task[] = []
        for (const job of await jobs.fetch<{ task: Hex }>(name, { batchSize: max })) {
          const [task] = await tasks(
            `id = $1 and prover = $2 and job = $3 and state in ('assigned', 'leased')`,
            [job.data.task, prover, job.id],
            1,
          )
          if (task !== undefined && (await update(task, { state: 'leased' }))) found.push({ ...task, state: 'leased', rev: task.rev + 1 })
          else await jobs.deleteJob(name, job.id)
        }
        return found
      }),

    /** Leases of a prover that it does not hold go back to its queue, but for those that it got within `freshSeconds`. */
    async lost(prover: Hex, holding: readonly Hex[], freshSeconds = 0): Promise<void> {
      const fresh = `select id::text from ${queue.jobsTable} where name = $3 and started_on > now() - make_interval(secs => $4)`
      const missing = `state = 'leased' and prover = $1 and not (id = any($2)) and not (job in (${fresh}))`
      for (const task of await tasks(missing, [prover, holding, await jobsOf(prover), freshSeconds], 256)) await released(task)
    },

    /** Leases that ran out go back to their prover's queue. Returns how many tasks that were. */
    expire: (): Promise<number> =>
      queue.transaction(async () => {
        let expired = 0
        for (const name of prepared) {
          await jobs.supervise(name)
          const rows = await query<{ id: Hex }>(
            `update tasks set state = 'assigned', rev = rev + 1 where state = 'leased' and job in
               (select id::text from ${queue.jobsTable} where name = $1 and state in ('created', 'retry')) returning id`,
            [name],
          )
          for (const { id } of rows) onChange?.(id)
          expired += rows.length
        }
        return expired
      }),

    /** A proof that was checked. False when the task is not this prover's to prove any more. */
    proven: (task: Task, proof: NonNullable<Task['proof']>, now: number): Promise<boolean> =>
      queue.transaction(async () => {
        if (!(await update(task, { state: 'proven', proof, provenAt: now, job: null, reason: null }))) return false
        await dropJob(task)
        return true
      }),

    /**
     * A proof failed. Its prover tries again after a delay; when it has failed this task `perProver` times the task waits for its deadline
     * and goes to another; when it has failed `limit` times in all it is put aside.
     */
    failed: (task: Task, reason: string, { limit, perProver, now }: { limit: number; perProver: number; now: number }): Promise<boolean> =>
      queue.transaction(async () => {
        const { prover } = task
        if (prover === null) return false
        const attempts = task.attempts + 1
        const dead = attempts >= limit
        const before = await query<{ n: number }>('select count(*)::int as n from faults where task = $1 and prover = $2', [
          task.id,
          prover,
        ])
        const again = !dead && (before[0]?.n ?? 0) + 1 < perProver
        await dropJob(task)
        const job = again ? await jobs.send(await jobsOf(prover), { task: task.id }, { startAfter: Math.min(30, 2 ** attempts) }) : null
        const change: Change = {
          state: dead ? 'dead' : 'assigned',
          attempts,
          job,
          reason: dead ? 'TOO_MANY_ATTEMPTS' : reason,
          proof: null,
          provenAt: null,
        }
        if (!(await update(task, change))) return false
        await query('insert into faults values ($1, $2, $3, $4)', [task.id, prover, reason, now])
        return true
      }),

    released,

    async fault(task: Hex, prover: Hex, reason: string, now: number): Promise<void> {
      await query('insert into faults values ($1, $2, $3, $4)', [task, prover, reason, now])
    },
    /** Provers that failed this task, by silence or by bad proofs. */
    async faulty(ids: readonly Hex[]): Promise<Map<Hex, Set<Hex>>> {
      const rows = await query<{ task: Hex; prover: Hex }>('select distinct task, prover from faults where task = any($1)', [ids])
      const found = new Map<Hex, Set<Hex>>()
      for (const { task, prover } of rows) found.set(task, (found.get(task) ?? new Set()).add(prover))
      return found
    },

    /** Provers that registered on chain, and the cursor of that scan. */
    async provers(): Promise<Hex[]> {
      return (await query<{ address: Hex }>('select address from provers order by block, address')).map((row) => row.address)
    },
    async scanned(name: string): Promise<string | null> {
      return (await query<{ position: string }>('select position from scans where name = $1', [name]))[0]?.position ?? null
    },
    rostered: (
      name: string,
      found: readonly { address: Hex; block: bigint }[],
      rollbackTo: bigint | null,
      position: string,
    ): Promise<void> =>
      queue.transaction(async () => {
        if (rollbackTo !== null) await query('delete from provers where block > $1', [rollbackTo.toString()])
        for (const { address, block } of found) {
          await query('insert into provers values ($1, $2) on conflict do nothing', [address, block.toString()])
        }
        await query('insert into scans values ($1, $2) on conflict (name) do update set position = excluded.position', [name, position])
      }),

    /** Every row, for a backup: at one moment, and nothing else happens meanwhile. */
    dump: (write: (line: string) => void): Promise<number> => dumpTables(queue.engine, write),

    close: () => queue.close(),
  }
}
