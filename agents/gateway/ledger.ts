// SPDX-License-Identifier: Apache-2.0
/**
 * The gateway's store: what was accepted, by content and by place, and what was refused.
 *
 * `next_sequence` of a device is at once its number of accepted readings (sequences are gap-free from 0), `windowed` the number that is in windows,
 * `next_window` the number of windows: the accounting cannot drift from the data.
 */
import { join } from 'node:path'
import type { Migration } from '../kit/migrations.ts'
import {
  type Batcher,
  createBatcher,
  type DatabaseSync,
  ledgerFolder,
  openStore,
  type SQLInputValue,
  type StatementSync,
} from '../kit/store.ts'
import type { Ack } from '../protocol/ack.ts'
import { positionOf, type RefusalCode } from '../protocol/envelope.ts'
import type { Address, Hex } from '../protocol/ids.ts'
import { lanesToHex, SEQUENCE_LIMIT } from '../protocol/window.ts'
import { ledgerReads, type LedgerReads } from './reads.ts'

export const migrations: readonly Migration[] = [
  {
    up: `create table devices (
     id integer primary key,
     project text not null,
     device text not null,
     next_sequence integer not null default 0,
     windowed integer not null default 0,
     next_window integer not null default 0,
     last_time integer not null default -1,
     unique (project, device)
   ) strict;
   create table readings (
     device_id integer not null references devices (id),
     sequence integer not null,
     time integer not null,
     lane_value integer not null,
     digest blob not null,
     signature blob not null,
     received_at integer not null,
     primary key (device_id, sequence)
   ) strict, without rowid;
   create table windows (
     cursor integer primary key autoincrement,
     device_id integer not null references devices (id),
     project text not null,
     device text not null,
     idx integer not null,
     root blob not null,
     digest blob not null,
     first_sequence integer not null,
     count integer not null,
     first_time integer not null,
     channel text not null,
     lanes blob not null,
     data_signature blob not null,
     signature blob not null,
     received_at integer not null,
     unique (device_id, idx)
   ) strict;
   create index windows_by_root on windows (root);
   create index windows_by_project on windows (project, cursor);
   create index windows_by_sequence on windows (device_id, first_sequence);
   create table refusals (
     id integer primary key autoincrement,
     at integer not null,
     project text,
     device text,
     kind text,
     position integer,
     reason text not null,
     detail text
   ) strict;
   create table refusal_counts (
     project text not null,
     reason text not null,
     count integer not null,
     primary key (project, reason)
   ) strict, without rowid;
   create table documents (
     hash text primary key,
     body text not null,
     received_at integer not null
   ) strict, without rowid`,
    down: `drop table documents; drop table refusal_counts; drop table refusals; drop table windows; drop table readings; drop table devices`,
  },
  {
    // Cursors are good for one store: its readers tell a new one by its name.
    up: `create table identity (store_id text not null) strict;
   insert into identity values (lower(hex(randomblob(16))))`,
    down: 'drop table identity',
  },
  {
    // The highest cursor that a reader asked after, per project; the key that signs answers on an outside broker.
    up: `create table pulled (project text primary key, cursor integer not null) strict, without rowid;
   create table ack_key (pkcs8 blob not null) strict`,
    down: 'drop table ack_key; drop table pulled',
  },
  {
    // Readings are looked up by time, too.
    up: 'create index windows_by_time on windows (device_id, first_time)',
    down: 'drop index windows_by_time',
  },
]

/** Where a device stands. */
export interface DeviceState {
  id: number
  nextSequence: number
  /** Sequences below it are in windows. */
  windowed: number
  nextWindow: number
  /** Project seconds of the newest reading; -1 before the first. */
  lastTime: number
}

export interface ReadingRecord {
  sequence: number
  time: number
  laneValue: number
  digest: Uint8Array
  signature: Uint8Array
}

export interface WindowRecord {
  index: number
  root: Uint8Array
  digest: Uint8Array
  firstSequence: number
  firstTime: number
  channel: string
  lanes: readonly bigint[]
  dataSignature: Uint8Array
  signature: Uint8Array
}

/** A window as the data availability interface gives it out. */
export interface WindowItem {
  cursor: number
  receivedAt: number
  root: Hex
  project: string
  device: Hex
  index: number
  firstSequence: string
  count: number
  firstTime: string
  channel: string
  lanes: Hex
  dataSignature: Hex
  signature: Hex
}

export interface RefusalItem {
  cursor: number
  at: number
  project: string | null
  device: string | null
  kind: string | null
  position: number | null
  reason: RefusalCode
  detail: string | null
}

export interface Accounting {
  acceptedReadings: number
  windowedReadings: number
  windows: number
  refused: Partial<Record<RefusalCode, number>>
}

/** Writes that run inside a commit, in the order they were submitted. */
export interface LedgerWrites {
  state(project: string, device: string): DeviceState
  /** Time and lane value of accepted readings, by sequence, wherever they are kept: singly or in a window. */
  reading(device: DeviceState, sequence: number): { time: number; laneValue: number; digest: Uint8Array | null } | undefined
  readings(device: DeviceState, from: number, to: number): { sequence: number; time: number; laneValue: number }[]
  windowDigest(device: DeviceState, index: number): Uint8Array | undefined
  addReading(device: DeviceState, reading: ReadingRecord, receivedAt: number): void
  addWindow(project: string, deviceName: string, device: DeviceState, window: WindowRecord, lastTime: number, receivedAt: number): void
  /** `counted` is the project that the refusal counts for: '' where the one that the message names is nobody's. */
  addRefusal(project: string, ack: Ack, at: number, counted?: string): void
  countRefusals(project: string, reason: RefusalCode, count: number): void
}

export interface Ledger {
  /** Names this store: random, made with it. */
  readonly storeId: string
  /** Other gateways write to it, too: the message before one may be on its way through another. */
  readonly shared: boolean
  /** What people look at. */
  readonly reads: LedgerReads
  /** Runs `work` within the next commit; resolves with its result once that is on disk. `needs` says what it may ask of a device. */
  commit<T>(work: (writes: LedgerWrites) => T, needs?: LedgerNeeds): Promise<T>
  /** Writes waiting for a commit. */
  readonly waiting: number
  windows(project: string, after: number, limit: number): Promise<WindowItem[]> | WindowItem[]
  windowsByRoot(root: Uint8Array): Promise<WindowItem[]> | WindowItem[]
  refusals(after: number, limit: number): Promise<RefusalItem[]> | RefusalItem[]
  accounting(project: string | null): Promise<Accounting> | Accounting
  /** Windows of a project that no reader has asked beyond, counted up to `limit`. */
  unpulled(project: string, limit: number): Promise<number> | number
  /** Notes that a reader has everything up to this cursor; one that was never given out counts as the newest. */
  addPulled(project: string, cursor: number): Promise<void>
  /** The private key that signs answers on an outside broker (PKCS #8); `make` gives it to a store that has none. */
  ackKey(make: () => Uint8Array): Promise<Uint8Array>
  /** False when the store holds as many documents as it may. */
  addDocument(hash: Hex, body: string, receivedAt: number): Promise<boolean>
  document(hash: Hex): Promise<string | undefined> | string | undefined
  close(): Promise<void> | void
}

/** The device that a message is of, and the place that it asks for: what a store that is not in this process reads before the commit. */
export interface LedgerNeeds {
  project: string
  device: string
  /** Of a reading. */
  sequence?: number
  /** Of a window: its index, and its readings `first` to `end` - 1. */
  window?: { index: number; first: number; end: number }
}

/** A store in this process answers at once. */
export interface LocalLedger extends Ledger {
  windows(project: string, after: number, limit: number): WindowItem[]
  windowsByRoot(root: Uint8Array): WindowItem[]
  refusals(after: number, limit: number): RefusalItem[]
  accounting(project: string | null): Accounting
  unpulled(project: string, limit: number): number
  document(hash: Hex): string | undefined
  close(): void
}

export interface LedgerOptions {
  dataFolder: string
  genesisHash: Hex
  /** Address of IoIDRegistry: the ledger belongs to one deployment on one chain. */
  deployment: Address
  /** Refusals kept; older ones are only counted. */
  refusalsKept: number
  /** DID documents kept; they come from anybody. */
  documentsKept: number
}

/** The store of one deployment. */
export const storeFile = (dataFolder: string, genesisHash: string, deployment: string): string =>
  join(ledgerFolder(dataFolder, genesisHash, deployment), 'gateway.sqlite')

/** Opens the ledger. @throws what `openStore` throws */
export function openLedger({ dataFolder, genesisHash, deployment, refusalsKept, documentsKept }: LedgerOptions): LocalLedger {
  const store = openStore({ file: storeFile(dataFolder, genesisHash, deployment), migrations, service: 'gateway' })
  const { db } = store
  // Reads of the door go through a cursor or a key; the cache keeps the tip of every index in memory.
  db.exec('pragma cache_size = -32000')
  const batcher: Batcher = createBatcher(store, { maxBatch: 1_024, maxWaiting: 32_768 })
  const writes = prepareWrites(db, refusalsKept)

  const windowsAfter = db.prepare('select * from windows where project = ? and cursor > ? order by cursor limit ?')
  const windowsOfRoot = db.prepare('select * from windows where root = ? order by cursor')
  // A position beyond what a number holds, as an earlier version kept it, would throw when it is read.
  const refusalsAfter = db.prepare(
    `select id, at, project, device, kind, case when position between 0 and ${SEQUENCE_LIMIT - 1} then position end position, reason, detail
     from refusals where id > ? order by id limit ?`,
  )
  const sums = db.prepare(
    `select coalesce(sum(next_sequence), 0) accepted, coalesce(sum(windowed), 0) windowed, coalesce(sum(next_window), 0) windows
     from devices where ?1 is null or project = ?1`,
  )
  const counts = db.prepare(
    'select reason, sum(count) count from refusal_counts where ?1 is null or project = ?1 group by reason order by reason',
  )
  const unpulled = db.prepare(
    `select count(*) count from (select 1 from windows where project = ?1
     and cursor > coalesce((select cursor from pulled where project = ?1), 0) limit ?2)`,
  )
  const addPulled = db.prepare(
    `insert into pulled (project, cursor) select ?1, min(?2, max(cursor)) from windows where project = ?1 having max(cursor) is not null
     on conflict (project) do update set cursor = max(cursor, excluded.cursor)`,
  )
  const looks = new Map<string, StatementSync>()
  const look = (sql: string): StatementSync => {
    const known = looks.get(sql) ?? db.prepare(sql.replaceAll(/\$(\d)/g, '?$1'))
    looks.set(sql, known)
    return known
  }
  const documentOf = db.prepare('select body from documents where hash = ?')
  // Counted once: rows carry their documents, so each count reads through all of them.
  let documents = Number(db.prepare('select count(*) count from documents').get()?.['count'])
  const addDocument = db.prepare('insert into documents (hash, body, received_at) values (?, ?, ?) on conflict do nothing')

  return {
    commit: (work) => batcher.submit(() => work(writes)),
    get waiting() {
      return batcher.waiting
    },
    shared: false,
    reads: ledgerReads((sql, values) => look(sql).all(...values), windowItem),
    storeId: String(db.prepare('select store_id from identity').get()?.['store_id']),
    windows: (project, after, limit) => windowsAfter.all(project, after, limit).map(windowItem),
    windowsByRoot: (root) => windowsOfRoot.all(root).map(windowItem),
    refusals: (after, limit) =>
      refusalsAfter.all(after, limit).map((row) => ({
        cursor: Number(row['id']),
        at: Number(row['at']),
        project: row['project'] as string | null,
        device: row['device'] as string | null,
        kind: row['kind'] as string | null,
        position: row['position'] as number | null,
        reason: row['reason'] as RefusalCode,
        detail: row['detail'] as string | null,
      })),
    accounting(project) {
      const row = sums.get(project) ?? {}
      return {
        acceptedReadings: Number(row['accepted']),
        windowedReadings: Number(row['windowed']),
        windows: Number(row['windows']),
        refused: Object.fromEntries(counts.all(project).map((count) => [count['reason'] as RefusalCode, Number(count['count'])] as const)),
      }
    },
    unpulled: (project, limit) => Number(unpulled.get(project, limit)?.['count']),
    addPulled: (project, cursor) => batcher.submit(() => void addPulled.run(project, cursor)),
    ackKey: (make) =>
      batcher.submit(() => {
        const known = db.prepare('select pkcs8 from ack_key').get()
        if (known !== undefined) return known['pkcs8'] as Uint8Array
        const made = make()
        db.prepare('insert into ack_key (pkcs8) values (?)').run(made)
        return made
      }),
    addDocument: (hash, body, receivedAt) =>
      batcher.submit(() => {
        if (documentOf.get(hash) !== undefined) return true
        if (documents >= documentsKept) return false
        addDocument.run(hash, body, receivedAt)
        documents += 1
        return true
      }),
    document: (hash) => documentOf.get(hash)?.['body'] as string | undefined,
    close: () => store.close(),
  }
}

function prepareWrites(db: DatabaseSync, refusalsKept: number): LedgerWrites {
  const stateOf = db.prepare('select id, next_sequence, windowed, next_window, last_time from devices where project = ? and device = ?')
  const addDevice = db.prepare('insert into devices (project, device) values (?, ?)')
  const readingOf = db.prepare('select time, lane_value, digest from readings where device_id = ? and sequence = ?')
  const readingsOf = db.prepare(
    'select sequence, time, lane_value from readings where device_id = ? and sequence >= ? and sequence < ? order by sequence',
  )
  const windowHolding = db.prepare(
    'select first_sequence, first_time, count, lanes from windows where device_id = ? and first_sequence <= ? order by first_sequence desc limit 1',
  )
  const digestOf = db.prepare('select digest from windows where device_id = ? and idx = ?')
  const addReading = db.prepare(
    'insert into readings (device_id, sequence, time, lane_value, digest, signature, received_at) values (?, ?, ?, ?, ?, ?, ?)',
  )
  const advance = db.prepare('update devices set next_sequence = ?, last_time = ? where id = ?')
  const addWindow = db.prepare(
    `insert into windows (device_id, project, device, idx, root, digest, first_sequence, count, first_time, channel, lanes, data_signature, signature, received_at)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const advanceWindow = db.prepare('update devices set next_sequence = ?, last_time = ?, windowed = ?, next_window = ? where id = ?')
  const addRefusal = db.prepare('insert into refusals (at, project, device, kind, position, reason, detail) values (?, ?, ?, ?, ?, ?, ?)')
  const forget = db.prepare('delete from refusals where id <= ?')
  const count = db.prepare(
    `insert into refusal_counts (project, reason, count) values (?, ?, ?)
     on conflict (project, reason) do update set count = count + excluded.count`,
  )

  return {
    state(project, device) {
      const row = stateOf.get(project, device)
      if (row === undefined)
        return { id: Number(addDevice.run(project, device).lastInsertRowid), nextSequence: 0, windowed: 0, nextWindow: 0, lastTime: -1 }
      return {
        id: Number(row['id']),
        nextSequence: Number(row['next_sequence']),
        windowed: Number(row['windowed']),
        nextWindow: Number(row['next_window']),
        lastTime: Number(row['last_time']),
      }
    },
    reading(device, sequence) {
      const row = readingOf.get(device.id, sequence)
      if (row !== undefined) return { time: Number(row['time']), laneValue: Number(row['lane_value']), digest: row['digest'] as Uint8Array }
      const window = windowHolding.get(device.id, sequence)
      if (window === undefined || sequence >= Number(window['first_sequence']) + Number(window['count'])) return undefined
      return readingInWindow(window, sequence)
    },
    readings: (device, from, to) =>
      readingsOf.all(device.id, from, to).map((row) => ({
        sequence: Number(row['sequence']),
        time: Number(row['time']),
        laneValue: Number(row['lane_value']),
      })),
    windowDigest: (device, index) => digestOf.get(device.id, index)?.['digest'] as Uint8Array | undefined,
    addReading(device, { sequence, time, laneValue, digest, signature }, receivedAt) {
      addReading.run(device.id, sequence, time, laneValue, digest, signature, receivedAt)
      advance.run(sequence + 1, time, device.id)
    },
    addWindow(project, deviceName, device, window, lastTime, receivedAt) {
      const { index, root, digest, firstSequence, firstTime, channel, lanes, dataSignature, signature } = window
      const packed = Buffer.from(lanesToHex(lanes).slice(2), 'hex')
      const place: SQLInputValue[] = [device.id, project, deviceName, index, root, digest, firstSequence, lanes.length, firstTime, channel]
      addWindow.run(...place, packed, dataSignature, signature, receivedAt)
      const end = firstSequence + lanes.length
      advanceWindow.run(Math.max(end, device.nextSequence), Math.max(lastTime, device.lastTime), end, index + 1, device.id)
    },
    addRefusal(project, { subject, reason, detail }, at, counted = project) {
      const { lastInsertRowid } = run(
        addRefusal,
        at,
        project === '' ? null : project,
        subject.device,
        subject.kind,
        positionOf(subject.kind, subject.position),
        reason,
        detail,
      )
      forget.run(Number(lastInsertRowid) - refusalsKept)
      count.run(counted, reason, 1)
    },
    countRefusals: (project, reason, times) => void count.run(project, reason, times),
  }
}

function run(statement: StatementSync, ...values: SQLInputValue[]): { lastInsertRowid: number | bigint } {
  return statement.run(...values)
}

/** A reading of a window, from the window's row. */
export function readingInWindow(window: Record<string, unknown>, sequence: number): { time: number; laneValue: number; digest: null } {
  const lanes = Buffer.from(window['lanes'] as Uint8Array)
  const at = sequence - Number(window['first_sequence'])
  let time = Number(window['first_time'])
  for (let lane = 1; lane <= at; lane++) time += lanes.readUInt16BE(8 * lane + 3)
  return { time, laneValue: lanes.readUIntBE(8 * at + 5, 3), digest: null }
}

/** A window as it is given out, from its row. */
export function windowItem(row: Record<string, unknown>): WindowItem {
  const hex = (name: string): Hex => `0x${Buffer.from(row[name] as Uint8Array).toString('hex')}`
  return {
    cursor: Number(row['cursor']),
    receivedAt: Number(row['received_at']),
    root: hex('root'),
    project: row['project'] as string,
    device: row['device'] as Hex,
    index: Number(row['idx']),
    firstSequence: String(row['first_sequence']),
    count: Number(row['count']),
    firstTime: String(row['first_time']),
    channel: row['channel'] as string,
    lanes: hex('lanes'),
    dataSignature: hex('data_signature'),
    signature: hex('signature'),
  }
}
