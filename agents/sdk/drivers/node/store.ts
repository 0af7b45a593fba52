// SPDX-License-Identifier: Apache-2.0
/**
 * What a device must not forget: where its source stands, its next sequence and window, and every message that no gateway has acknowledged yet.
 * One transaction per step, synced: after a kill at any instant nothing is lost, and what is sent twice is the same message.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { RefusalCode } from '../../../protocol/envelope.ts'
import { backOut, migrate, type BackOut, type Migration } from '../../../protocol/migrations.ts'
import type { WindowReading } from '../../../protocol/window.ts'
import type { ClosedWindow } from '../../window-cutter.ts'
import { deviceError } from './errors.ts'
import { initialState, type ReplayReading, type ReplayState } from './replay.ts'

/** A message that waits for its acknowledgement. `position` is a reading's sequence or a window's index. */
export interface OutboxMessage {
  kind: 'reading' | 'window'
  position: number
  payload: string
}

/** Messages by answer. */
export interface DeliveryCounts {
  sent: number
  accepted: number
  duplicate: number
  refused: Partial<Record<RefusalCode, number>>
}

/** A reading with the payload that carries it, or none where windows carry all. */
export interface NewReading extends ReplayReading {
  sequence: number
  payload: string | null
}

export interface NewWindow extends ClosedWindow {
  payload: string
}

export interface DeviceStore {
  readonly replay: ReplayState
  readonly delivery: DeliveryCounts
  readonly nextSequence: number
  readonly nextWindow: number
  /** Readings that no window holds yet, oldest first. */
  openReadings(): WindowReading[]
  /** Unacknowledged messages: readings before windows, each in order. */
  outbox(limit: number): OutboxMessage[]
  outboxSize(): number
  /** Position of the oldest message of a kind that waits. */
  oldest(kind: OutboxMessage['kind']): number | undefined
  /** Every reading up to and with this sequence is acknowledged (or travels in a window only). */
  readingsAcknowledged(sequence: number): boolean
  /** Last sequence of a window that is not acknowledged. */
  windowEnd(index: number): number | undefined
  /** A step of the source: its new state, readings, and windows that they closed. */
  append(state: ReplayState, readings: readonly NewReading[], windows: readonly NewWindow[]): void
  acknowledge(messages: readonly Pick<OutboxMessage, 'kind' | 'position'>[], counts: DeliveryCounts): void
  close(): void
}

/** Version 1 of stores from before versions were counted is there already, uncounted: hence `if not exists`. */
export const migrations: readonly Migration[] = [
  {
    up: `
  create table if not exists meta (key text primary key, value text not null) strict, without rowid;
  create table if not exists readings (
    sequence integer primary key, time integer not null, lane_value integer not null, payload text, window integer
  ) strict;
  create index if not exists readings_waiting on readings (sequence) where payload is not null;
  create table if not exists windows (
    idx integer primary key, first_sequence integer not null, count integer not null, payload text not null
  ) strict`,
    down: 'drop table windows; drop table readings; drop table meta',
  },
]

/**
 * Opens or creates the store of one device.
 * @param owner  names device, project and contracts; a store of another owner is refused
 * @throws TrellisError STORE_OF_ANOTHER | STORE_TOO_NEW
 */
export function openDeviceStore(file: string, owner: string): DeviceStore {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const db = new DatabaseSync(file, { timeout: 5_000 })
  db.exec('pragma journal_mode = wal; pragma synchronous = full')
  try {
    migrate(db, { file, migrations, service: 'device' })
  } catch (error) {
    db.close()
    throw error
  }
  const get = db.prepare('select value from meta where key = ?')
  const put = db.prepare('insert into meta (key, value) values (?, ?) on conflict (key) do update set value = excluded.value')
  const load = <T>(key: string, initial: T): T => {
    const row = get.get(key)
    return row === undefined ? initial : (JSON.parse(row['value'] as string) as T)
  }

  const known = load('owner', owner)
  if (known !== owner) {
    db.close()
    throw deviceError(
      'STORE_OF_ANOTHER',
      'This store belongs to another device, project or deployment.',
      { file, have: known, want: owner },
      'give each device a store of its own, or remove this one',
    )
  }
  put.run('owner', JSON.stringify(owner))
  let replay = load('replay', initialState())
  let delivery = load<DeliveryCounts>('delivery', { sent: 0, accepted: 0, duplicate: 0, refused: {} })
  let next = load('next', { sequence: 0, window: 0 })

  const transaction = (work: () => void): void => {
    db.exec('begin immediate')
    try {
      work()
      db.exec('commit')
    } catch (error) {
      if (db.isTransaction) db.exec('rollback')
      throw error
    }
  }

  const addReading = db.prepare('insert into readings (sequence, time, lane_value, payload) values (?, ?, ?, ?)')
  const addWindow = db.prepare('insert into windows (idx, first_sequence, count, payload) values (?, ?, ?, ?)')
  const putInWindow = db.prepare('update readings set window = ? where sequence >= ? and sequence < ?')
  const ackReading = db.prepare('update readings set payload = null where sequence = ?')
  const windowOf = db.prepare('select first_sequence, count from windows where idx = ?')
  const dropReadings = db.prepare('delete from readings where window = ?')
  const dropWindow = db.prepare('delete from windows where idx = ?')
  const open = db.prepare('select time, lane_value from readings where window is null order by sequence')
  const waitingReadings = db.prepare('select sequence, payload from readings where payload is not null order by sequence limit ?')
  const waitingWindows = db.prepare('select idx, payload from windows order by idx limit ?')
  const size = db.prepare('select (select count(*) from readings where payload is not null) + (select count(*) from windows) size')
  const firstWindow = db.prepare('select min(idx) idx from windows')
  const firstWaiting = db.prepare('select min(sequence) sequence from readings where payload is not null')

  return {
    get replay() {
      return replay
    },
    get delivery() {
      return delivery
    },
    get nextSequence() {
      return next.sequence
    },
    get nextWindow() {
      return next.window
    },
    openReadings: () => open.all().map((row) => ({ time: Number(row['time']), laneValue: Number(row['lane_value']) })),
    outbox(limit) {
      const readings = waitingReadings
        .all(limit)
        .map((row): OutboxMessage => ({ kind: 'reading', position: Number(row['sequence']), payload: row['payload'] as string }))
      const windows = waitingWindows
        .all(limit)
        .map((row): OutboxMessage => ({ kind: 'window', position: Number(row['idx']), payload: row['payload'] as string }))
      return [...readings, ...windows]
    },
    outboxSize: () => Number(size.get()?.['size']),
    oldest(kind) {
      const found = (kind === 'reading' ? firstWaiting.get()?.['sequence'] : firstWindow.get()?.['idx']) ?? undefined
      return found === undefined ? undefined : Number(found)
    },
    readingsAcknowledged(sequence) {
      const first = firstWaiting.get()?.['sequence']
      return first === null || first === undefined || Number(first) > sequence
    },
    windowEnd(index) {
      const row = windowOf.get(index)
      return row === undefined ? undefined : Number(row['first_sequence']) + Number(row['count']) - 1
    },
    append(state, readings, windows) {
      const after = { sequence: next.sequence + readings.length, window: next.window + windows.length }
      transaction(() => {
        for (const { sequence, time, laneValue, payload } of readings) addReading.run(sequence, time, laneValue, payload)
        for (const { index, content, payload } of windows) {
          addWindow.run(index, content.firstSequence, content.lanes.length, payload)
          putInWindow.run(index, content.firstSequence, content.firstSequence + content.lanes.length)
        }
        put.run('replay', JSON.stringify(state))
        put.run('next', JSON.stringify(after))
      })
      replay = state
      next = after
    },
    acknowledge(messages, counts) {
      transaction(() => {
        for (const { kind, position } of messages) {
          if (kind === 'reading') ackReading.run(position)
          else {
            // The gateway has the window, and with it its readings.
            dropReadings.run(position)
            dropWindow.run(position)
          }
        }
        put.run('delivery', JSON.stringify(counts))
      })
      delivery = counts
    },
    close: () => {
      if (db.isOpen) db.close()
    },
  }
}

/** Takes a store that a newer version of the SDK wrote back to this one (or to version `to`). @throws TrellisError STORE_IN_USE | STORE_TOO_NEW */
export function backOutDeviceStore(file: string, to: number = migrations.length): BackOut {
  if (!existsSync(file)) return { file, from: to, to }
  const db = new DatabaseSync(file, { timeout: 0 })
  try {
    db.exec('pragma synchronous = full')
    return backOut(db, { file, to, service: 'device' })
  } finally {
    db.close()
  }
}
