// SPDX-License-Identifier: Apache-2.0
/**
 * The gateway's store on a PostgreSQL database that several gateways share. The same placement code as over SQLite: what a batch may ask for is read
 * beforehand under row locks of its devices, the writes are gathered and go out as one statement per table, then the batch is committed and answered.
 *
 * Cursors are commit-ordered: they are taken from one row that stays locked until the commit, so a reader never passes a row that commits later.
 */
import { basename } from 'node:path'
import { isTrellisError, overloaded } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Migration } from '../kit/migrations.ts'
import { openPostgres, type Postgres } from '../kit/postgres.ts'
import { migrateTables, type QueuePlace } from '../kit/queue.ts'
import { ledgerFolder } from '../kit/store.ts'
import type { Ack } from '../protocol/ack.ts'
import { positionOf, type RefusalCode } from '../protocol/envelope.ts'
import { lanesToHex } from '../protocol/window.ts'
import {
  type DeviceState,
  type Ledger,
  type LedgerNeeds,
  type LedgerWrites,
  type ReadingRecord,
  readingInWindow,
  type RefusalItem,
  windowItem,
  type WindowRecord,
} from './ledger.ts'
import { ledgerReads } from './reads.ts'

export const sharedMigrations: readonly Migration[] = [
  {
    up: `create table devices (
     id bigint generated always as identity primary key,
     project text not null,
     device text not null,
     next_sequence bigint not null default 0,
     windowed bigint not null default 0,
     next_window bigint not null default 0,
     last_time bigint not null default -1,
     unique (project, device)
   );
   create table readings (
     device_id bigint not null references devices (id),
     sequence bigint not null,
     time bigint not null,
     lane_value int not null,
     digest bytea not null,
     signature bytea not null,
     received_at bigint not null,
     primary key (device_id, sequence)
   );
   create table windows (
     cursor bigint primary key,
     device_id bigint not null references devices (id),
     project text not null,
     device text not null,
     idx bigint not null,
     root bytea not null,
     digest bytea not null,
     first_sequence bigint not null,
     count int not null,
     first_time bigint not null,
     channel text not null,
     lanes bytea not null,
     data_signature bytea not null,
     signature bytea not null,
     received_at bigint not null,
     unique (device_id, idx)
   );
   create index windows_by_root on windows (root);
   create index windows_by_project on windows (project, cursor);
   create index windows_by_sequence on windows (device_id, first_sequence);
   create table refusals (
     id bigint primary key,
     at bigint not null,
     project text,
     device text,
     kind text,
     position bigint,
     reason text not null,
     detail text
   );
   create table refusal_counts (project text not null, reason text not null, count bigint not null, primary key (project, reason));
   create table documents (hash text primary key, body text not null, received_at bigint not null);
   create table pulled (project text primary key, cursor bigint not null);
   create table ack_key (one boolean primary key default true check (one), pkcs8 bytea not null);
   create table identity (one boolean primary key default true check (one), store_id text not null, cursor bigint not null default 0, refusal bigint not null default 0);
   insert into identity (store_id) values (replace(gen_random_uuid()::text, '-', ''))`,
    down: `drop table identity; drop table ack_key; drop table pulled; drop table documents; drop table refusal_counts; drop table refusals;
   drop table windows; drop table readings; drop table devices`,
  },
  { up: 'create index windows_by_time on windows (device_id, first_time)', down: 'drop index windows_by_time' },
]

/** What a restored store is called: cursors of the one that was copied may be ahead of it. */
export const NEW_SHARED_NAME = `update identity set store_id = replace(gen_random_uuid()::text, '-', '')`

export interface SharedLedgerOptions extends QueuePlace {
  databaseUrl: string
  refusalsKept: number
  documentsKept: number
}

/** The schema of a deployment in a database. */
export function sharedPlace(
  databaseUrl: string,
  genesisHash: string,
  deployment: string,
  log: Logger,
): QueuePlace & { databaseUrl: string } {
  const schema = `gateway_${basename(ledgerFolder('', genesisHash, deployment)).replaceAll('-', '_')}`
  return { folder: '', databaseUrl, schema, log, service: 'gateway' }
}

const BATCH = 1_024
const WAITING_MAX = 32_768

interface Waiting {
  work: (writes: LedgerWrites) => unknown
  needs: LedgerNeeds | undefined
  resolve: (result: never) => void
  reject: (error: unknown) => void
}

type Row = Record<string, unknown>

/** @throws TrellisError DATABASE_FAILED | DATABASE_REFUSED | STORE_TOO_NEW */
export async function openSharedLedger({ refusalsKept, documentsKept, ...place }: SharedLedgerOptions): Promise<Ledger> {
  const db = await openPostgres({ url: place.databaseUrl, schema: place.schema, log: place.log })
  try {
    await migrateTables(db, sharedMigrations, place)
    const [identity] = await db.query<{ store_id: string }>('select store_id from identity')
    return sharedLedger(db, String(identity?.store_id), refusalsKept, documentsKept)
  } catch (error) {
    await db.close().catch(() => undefined)
    throw error
  }
}

function sharedLedger(db: Postgres, storeId: string, refusalsKept: number, documentsKept: number): Ledger {
  let queue: Waiting[] = []
  let running: Promise<void> | undefined

  const run = async (batch: readonly Waiting[]): Promise<void> => {
    const settle: (() => void)[] = []
    try {
      await db.transaction(async () => {
        const view = await loadView(
          db,
          batch.flatMap(({ needs }) => (needs === undefined ? [] : [needs])),
        )
        for (const { work, resolve, reject } of batch) {
          try {
            const result = work(view) as never
            settle.push(() => resolve(result))
          } catch (error) {
            settle.push(() => reject(error))
          }
        }
        await view.write(refusalsKept)
      })
      for (const tell of settle) tell()
    } catch (error) {
      // What the database refuses for good is one message's fault: the others of its batch are written without it.
      if (batch.length > 1 && !(isTrellisError(error) && error.retryable)) for (const one of batch) await run([one])
      else for (const { reject } of batch) reject(error)
    }
  }
  const drain = async (): Promise<void> => {
    // What arrives in this turn goes along.
    await new Promise((resolve) => setImmediate(resolve))
    while (queue.length > 0) {
      const batch = queue.slice(0, BATCH)
      queue = queue.slice(BATCH)
      await run(batch)
    }
    running = undefined
  }

  return {
    storeId,
    shared: true,
    reads: ledgerReads((sql, values) => db.query<Row>(sql, [...values]), windowItem),
    commit<T>(work: (writes: LedgerWrites) => T, needs?: LedgerNeeds): Promise<T> {
      if (queue.length >= WAITING_MAX) return Promise.reject(overloaded('The store', WAITING_MAX))
      return new Promise<T>((resolve, reject) => {
        queue.push({ work, needs, resolve, reject })
        running ??= drain()
      })
    },
    get waiting() {
      return queue.length
    },
    windows: async (project, after, limit) =>
      (
        await db.query<Row>('select * from windows where project = $1 and cursor > $2 order by cursor limit $3', [project, after, limit])
      ).map(windowItem),
    windowsByRoot: async (root) =>
      (await db.query<Row>('select * from windows where root = $1 order by cursor', [Buffer.from(root)])).map(windowItem),
    refusals: async (after, limit) =>
      (await db.query<Row>('select * from refusals where id > $1 order by id limit $2', [after, limit])).map(
        ({ id, ...row }) => ({ ...row, cursor: Number(id) }) as unknown as RefusalItem,
      ),
    async accounting(project) {
      const [sums] = await db.query<Row>(
        `select coalesce(sum(next_sequence), 0)::bigint accepted, coalesce(sum(windowed), 0)::bigint windowed, coalesce(sum(next_window), 0)::bigint windows
         from devices where $1::text is null or project = $1`,
        [project],
      )
      const counts = await db.query<{ reason: RefusalCode; count: number }>(
        'select reason, sum(count)::bigint count from refusal_counts where $1::text is null or project = $1 group by reason order by reason',
        [project],
      )
      return {
        acceptedReadings: Number(sums?.['accepted']),
        windowedReadings: Number(sums?.['windowed']),
        windows: Number(sums?.['windows']),
        refused: Object.fromEntries(counts.map(({ reason, count }) => [reason, count] as const)),
      }
    },
    async unpulled(project, limit) {
      const [row] = await db.query<{ count: number }>(
        `select count(*)::int count from (select 1 from windows where project = $1
         and cursor > coalesce((select cursor from pulled where project = $1), 0) limit $2) beyond`,
        [project, limit],
      )
      return row?.count ?? 0
    },
    async addPulled(project, cursor) {
      await db.query(
        `insert into pulled (project, cursor) select $1, least($2::bigint, max(cursor)) from windows where project = $1 having max(cursor) is not null
         on conflict (project) do update set cursor = greatest(pulled.cursor, excluded.cursor)`,
        [project, cursor],
      )
    },
    async ackKey(make) {
      await db.query('insert into ack_key (pkcs8) values ($1) on conflict do nothing', [Buffer.from(make())])
      const [row] = await db.query<{ pkcs8: Buffer }>('select pkcs8 from ack_key')
      return row!.pkcs8
    },
    addDocument: (hash, body, receivedAt) =>
      db.transaction(async () => {
        // One at a time, or two would both find room for the last.
        await db.query('lock table documents in share row exclusive mode')
        const [row] = await db.query<{ known: boolean; count: number }>(
          'select exists (select 1 from documents where hash = $1) known, (select count(*)::int from documents) count',
          [hash],
        )
        if (row?.known === true) return true
        if ((row?.count ?? 0) >= documentsKept) return false
        await db.query('insert into documents (hash, body, received_at) values ($1, $2, $3)', [hash, body, receivedAt])
        return true
      }),
    document: async (hash) => (await db.query<{ body: string }>('select body from documents where hash = $1', [hash]))[0]?.body,
    async close() {
      await running
      await db.close()
    },
  }
}

interface View extends LedgerWrites {
  write(refusalsKept: number): Promise<void>
}

/** Locks the devices of a batch, in one order for all gateways, and reads what its messages may ask. */
async function loadView(db: Postgres, needs: readonly LedgerNeeds[]): Promise<View> {
  const states = new Map<string, DeviceState>()
  const nameOf = (project: string, device: string): string => `${project}/${device}`
  const names = [...new Map(needs.map(({ project, device }) => [nameOf(project, device), { project, device }])).entries()].sort(
    ([a], [b]) => (a < b ? -1 : 1),
  )
  if (names.length > 0) {
    const keys = [names.map(([, { project }]) => project), names.map(([, { device }]) => device)]
    const lock = `select id, d.project, d.device, next_sequence, windowed, next_window, last_time from devices d
       join unnest($1::text[], $2::text[]) k (project, device) on d.project = k.project and d.device = k.device order by id for update of d`
    let rows = await db.query<Row>(lock, keys)
    if (rows.length < names.length) {
      await db.query(
        `insert into devices (project, device) select * from unnest($1::text[], $2::text[]) k (project, device) order by 1, 2 on conflict do nothing`,
        keys,
      )
      rows = await db.query<Row>(lock, keys)
    }
    for (const row of rows)
      states.set(nameOf(String(row['project']), String(row['device'])), {
        id: Number(row['id']),
        nextSequence: Number(row['next_sequence']),
        windowed: Number(row['windowed']),
        nextWindow: Number(row['next_window']),
        lastTime: Number(row['last_time']),
      })
  }

  const single = new Map<string, { time: number; laneValue: number; digest: Uint8Array | null }>()
  const digests = new Map<string, Uint8Array>()
  const at = (id: number, position: number): string => `${id}/${position}`
  const known = needs.map((need) => ({ ...need, state: states.get(nameOf(need.project, need.device))! }))
  const again = known.filter(({ sequence, state }) => sequence !== undefined && sequence < state.nextSequence)
  if (again.length > 0) {
    const keys = [again.map(({ state }) => state.id), again.map(({ sequence }) => sequence)]
    const held = await db.query<Row>(
      `select k.device_id, k.sequence wanted, w.first_sequence, w.first_time, w.count, w.lanes from unnest($1::bigint[], $2::bigint[]) k (device_id, sequence)
       join lateral (select * from windows where device_id = k.device_id and first_sequence <= k.sequence order by first_sequence desc limit 1) w on true`,
      keys,
    )
    for (const row of held) {
      const wanted = Number(row['wanted'])
      if (wanted < Number(row['first_sequence']) + Number(row['count']))
        single.set(at(Number(row['device_id']), wanted), readingInWindow(row, wanted))
    }
  }
  // Ranges of windows, and readings that come again, are read alike.
  const ranges = [
    ...again.map(({ state, sequence }) => ({ id: state.id, first: sequence!, end: sequence! + 1 })),
    ...known.flatMap(({ state, window }) => (window === undefined ? [] : [{ id: state.id, first: window.first, end: window.end }])),
  ]
  if (ranges.length > 0) {
    const rows = await db.query<Row>(
      `select distinct r.device_id, r.sequence, r.time, r.lane_value, r.digest from unnest($1::bigint[], $2::bigint[], $3::bigint[]) k (device_id, first, after)
       join readings r on r.device_id = k.device_id and r.sequence >= k.first and r.sequence < k.after`,
      [ranges.map(({ id }) => id), ranges.map(({ first }) => first), ranges.map(({ end }) => end)],
    )
    for (const row of rows)
      single.set(at(Number(row['device_id']), Number(row['sequence'])), {
        time: Number(row['time']),
        laneValue: Number(row['lane_value']),
        digest: row['digest'] as Uint8Array,
      })
  }
  const indices = known.flatMap(({ state, window }) =>
    window !== undefined && window.index < state.nextWindow ? [{ id: state.id, index: window.index }] : [],
  )
  if (indices.length > 0) {
    const rows = await db.query<Row>(
      `select w.device_id, w.idx, w.digest from windows w
       join unnest($1::bigint[], $2::bigint[]) k (device_id, idx) on w.device_id = k.device_id and w.idx = k.idx`,
      [indices.map(({ id }) => id), indices.map(({ index }) => index)],
    )
    for (const row of rows) digests.set(at(Number(row['device_id']), Number(row['idx'])), row['digest'] as Uint8Array)
  }

  const readings: { id: number; reading: ReadingRecord; receivedAt: number }[] = []
  const windows: { id: number; project: string; device: string; window: WindowRecord; packed: Buffer; receivedAt: number }[] = []
  const refusals: { project: string; ack: Ack; at: number }[] = []
  const counts = new Map<string, { project: string; reason: RefusalCode; count: number }>()
  const changed = new Set<DeviceState>()
  const count = (project: string, reason: RefusalCode, times: number): void => {
    const key = `${project}/${reason}`
    counts.set(key, { project, reason, count: (counts.get(key)?.count ?? 0) + times })
  }

  return {
    state(project, device) {
      const state = states.get(nameOf(project, device))
      if (state === undefined) throw new Error(`device ${device} of project ${project} was not asked for before the commit`)
      return state
    },
    reading: ({ id }, sequence) => single.get(at(id, sequence)),
    readings({ id }, from, to) {
      const found = []
      for (let sequence = from; sequence < to; sequence++) {
        const reading = single.get(at(id, sequence))
        if (reading !== undefined) found.push({ sequence, time: reading.time, laneValue: reading.laneValue })
      }
      return found
    },
    windowDigest: ({ id }, index) => digests.get(at(id, index)),
    addReading(state, reading, receivedAt) {
      const { sequence, time, laneValue, digest } = reading
      readings.push({ id: state.id, reading, receivedAt })
      single.set(at(state.id, sequence), { time, laneValue, digest })
      Object.assign(state, { nextSequence: sequence + 1, lastTime: time })
      changed.add(state)
    },
    addWindow(project, device, state, window, lastTime, receivedAt) {
      const { index, digest, firstSequence, firstTime, lanes } = window
      const packed = Buffer.from(lanesToHex(lanes).slice(2), 'hex')
      windows.push({ id: state.id, project, device, window, packed, receivedAt })
      digests.set(at(state.id, index), digest)
      const end = firstSequence + lanes.length
      const row = { lanes: packed, first_sequence: firstSequence, first_time: firstTime }
      for (let sequence = firstSequence; sequence < end; sequence++) {
        const key = at(state.id, sequence)
        if (!single.has(key)) single.set(key, readingInWindow(row, sequence))
      }
      Object.assign(state, {
        nextSequence: Math.max(end, state.nextSequence),
        lastTime: Math.max(lastTime, state.lastTime),
        windowed: end,
        nextWindow: index + 1,
      })
      changed.add(state)
    },
    addRefusal(project, ack, at, counted = project) {
      refusals.push({ project, ack, at })
      count(counted, ack.reason ?? 'MALFORMED', 1)
    },
    countRefusals: count,

    async write(refusalsKept) {
      if (readings.length > 0) {
        await db.query(
          `insert into readings (device_id, sequence, time, lane_value, digest, signature, received_at)
           select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::int[], $5::bytea[], $6::bytea[], $7::bigint[])`,
          [
            readings.map(({ id }) => id),
            ...(['sequence', 'time', 'laneValue'] as const).map((name) => readings.map(({ reading }) => reading[name])),
            ...(['digest', 'signature'] as const).map((name) => readings.map(({ reading }) => Buffer.from(reading[name]))),
            readings.map(({ receivedAt }) => receivedAt),
          ],
        )
      }
      if (changed.size > 0) {
        const all = [...changed]
        await db.query(
          `update devices d set next_sequence = k.next_sequence, windowed = k.windowed, next_window = k.next_window, last_time = k.last_time
           from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) k (id, next_sequence, windowed, next_window, last_time)
           where d.id = k.id`,
          (['id', 'nextSequence', 'windowed', 'nextWindow', 'lastTime'] as const).map((name) => all.map((state) => state[name])),
        )
      }
      const sorted = [...counts.values()].sort((a, b) => (`${a.project}/${a.reason}` < `${b.project}/${b.reason}` ? -1 : 1))
      if (sorted.length > 0) {
        await db.query(
          `insert into refusal_counts (project, reason, count) select * from unnest($1::text[], $2::text[], $3::bigint[])
           on conflict (project, reason) do update set count = refusal_counts.count + excluded.count`,
          [sorted.map(({ project }) => project), sorted.map(({ reason }) => reason), sorted.map((one) => one.count)],
        )
      }
      if (windows.length === 0 && refusals.length === 0) return
      // Last before the commit: from here on the other gateways wait.
      const [end] = await db.query<{ cursor: number; refusal: number }>(
        'update identity set cursor = cursor + $1, refusal = refusal + $2 returning cursor, refusal',
        [windows.length, refusals.length],
      )
      if (windows.length > 0) {
        const first = end!.cursor - windows.length + 1
        await db.query(
          `insert into windows (cursor, device_id, project, device, idx, root, digest, first_sequence, count, first_time, channel, lanes, data_signature, signature, received_at)
           select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bigint[], $9::int[], $10::bigint[], $11::text[], $12::bytea[], $13::bytea[], $14::bytea[], $15::bigint[])`,
          [
            windows.map((_, n) => first + n),
            windows.map(({ id }) => id),
            windows.map(({ project }) => project),
            windows.map(({ device }) => device),
            windows.map(({ window }) => window.index),
            ...(['root', 'digest'] as const).map((name) => windows.map(({ window }) => Buffer.from(window[name]))),
            windows.map(({ window }) => window.firstSequence),
            windows.map(({ window }) => window.lanes.length),
            windows.map(({ window }) => window.firstTime),
            windows.map(({ window }) => window.channel),
            windows.map(({ packed }) => packed),
            ...(['dataSignature', 'signature'] as const).map((name) => windows.map(({ window }) => Buffer.from(window[name]))),
            windows.map(({ receivedAt }) => receivedAt),
          ],
        )
      }
      if (refusals.length > 0) {
        const last = end!.refusal
        await db.query(
          `insert into refusals (id, at, project, device, kind, position, reason, detail)
           select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[])`,
          [
            refusals.map((_, n) => last - refusals.length + 1 + n),
            refusals.map((one) => one.at),
            refusals.map(({ project }) => (project === '' ? null : project)),
            refusals.map(({ ack }) => ack.subject.device),
            refusals.map(({ ack }) => ack.subject.kind),
            refusals.map(({ ack }) => positionOf(ack.subject.kind, ack.subject.position)),
            refusals.map(({ ack }) => ack.reason),
            refusals.map(({ ack }) => ack.detail),
          ],
        )
        await db.query('delete from refusals where id <= $1', [last - refusalsKept])
      }
    },
  }
}
