// SPDX-License-Identifier: Apache-2.0
/**
 * What people look at: devices, windows and readings over time. Reads the same tables on SQLite and PostgreSQL, in pages, so that a long history
 * holds nothing else up. Readings are taken out of the windows' lanes, which is what was signed and is proven, and singly after the last window.
 */
import type { Hex } from '../protocol/ids.ts'
import { formatFixed } from '../protocol/fixed-point.ts'
import type { Terms } from '../protocol/terms.ts'
import type { WindowItem } from './ledger.ts'

type Row = Record<string, unknown>

/** Runs one statement with `$1`, `$2`, … */
export type Query = (sql: string, values: readonly (string | number)[]) => Promise<Row[]> | Row[]

/** A device as its rows hold it. */
export interface DeviceItem {
  device: Hex
  readings: number
  windows: number
  last: { sequence: number; time: number; laneValue: number; channel: string } | null
}

export interface Measured {
  time: number
  laneValue: number
}

export interface LedgerReads {
  /** In order of their ids, those after `after`. */
  devices(project: string, after: string, limit: number): Promise<DeviceItem[]>
  /** Newest first, those with a smaller index than `before`. */
  deviceWindows(project: string, device: string, before: number, limit: number): Promise<WindowItem[]>
  /** Channel of a device's newest window; '' before the first. */
  channel(project: string, device: string): Promise<string>
  /** Readings between two times, both included, in order, in pieces. */
  measured(project: string, device: string, from: number, to: number): AsyncGenerator<Measured[]>
}

/** Windows, and single readings, in one piece. */
const WINDOWS = 64
const SINGLE = 2_048

/** @param windowItem  a window from its row */
export function ledgerReads(query: Query, windowItem: (row: Row) => WindowItem): LedgerReads {
  const deviceOf = async (project: string, device: string): Promise<Row | undefined> =>
    (await query('select id, next_sequence, windowed from devices where project = $1 and device = $2', [project, device]))[0]
  return {
    async devices(project, after, limit) {
      const rows = await query(
        `select d.device, d.next_sequence, d.next_window, d.windowed, d.last_time,
           (select lane_value from readings r where r.device_id = d.id and r.sequence = d.next_sequence - 1) as lane_value,
           (select lanes from windows w where w.device_id = d.id and w.idx = d.next_window - 1) as lanes,
           (select channel from windows w where w.device_id = d.id and w.idx = d.next_window - 1) as channel
         from devices d where d.project = $1 and d.device > $2 order by d.device limit $3`,
        [project, after, limit],
      )
      return rows.map((row) => {
        const readings = Number(row['next_sequence'])
        const last = Number(row['windowed']) === readings ? lanesOf(row).at(-1)?.value : Number(row['lane_value'])
        return {
          device: row['device'] as Hex,
          readings,
          windows: Number(row['next_window']),
          last:
            last === undefined
              ? null
              : {
                  sequence: readings - 1,
                  time: Number(row['last_time']),
                  laneValue: last,
                  channel: (row['channel'] as string | null) ?? '',
                },
        }
      })
    },

    async deviceWindows(project, device, before, limit) {
      const found = await deviceOf(project, device)
      if (found === undefined) return []
      const rows = await query('select * from windows where device_id = $1 and idx < $2 order by idx desc limit $3', [
        Number(found['id']),
        before,
        limit,
      ])
      return rows.map(windowItem)
    },

    async channel(project, device) {
      const [row] = await query(
        `select channel from windows where device_id = (select id from devices where project = $1 and device = $2) order by idx desc limit 1`,
        [project, device],
      )
      return (row?.['channel'] as string | null | undefined) ?? ''
    },

    async *measured(project, device, from, to) {
      const found = await deviceOf(project, device)
      if (found === undefined) return
      const [id, windowed, end] = [Number(found['id']), Number(found['windowed']), Number(found['next_sequence'])]
      // The window that `from` lies in, or after.
      const [start] = await query(
        'select first_sequence from windows where device_id = $1 and first_time <= $2 order by first_time desc limit 1',
        [id, from],
      )
      let at = Number(start?.['first_sequence'] ?? 0)
      while (at < windowed) {
        const rows = await query(
          'select first_sequence, first_time, count, lanes from windows where device_id = $1 and first_sequence >= $2 order by first_sequence limit $3',
          [id, at, WINDOWS],
        )
        if (rows.length === 0) return
        const inside: Measured[] = []
        for (const row of rows) {
          if (Number(row['first_time']) > to) {
            yield inside
            return
          }
          let time = Number(row['first_time'])
          for (const [i, { gap, value }] of lanesOf(row).entries()) {
            if (i > 0) time += gap
            if (time >= from && time <= to) inside.push({ time, laneValue: value })
          }
        }
        yield inside
        const last = rows.at(-1)!
        at = Number(last['first_sequence']) + Number(last['count'])
      }
      for (; at < end; at += SINGLE) {
        const rows = await query(
          `select time, lane_value from readings where device_id = $1 and sequence >= $2 and sequence < $3 and time >= $4 and time <= $5 order by sequence`,
          [id, Math.max(at, windowed), at + SINGLE, from, to],
        )
        yield rows.map((row) => ({ time: Number(row['time']), laneValue: Number(row['lane_value']) }))
      }
    },
  }
}

/** Lanes of a window's row: seconds since the one before, and value. */
function lanesOf(row: Row): { gap: number; value: number }[] {
  if (row['lanes'] === null || row['lanes'] === undefined) return []
  const lanes = Buffer.from(row['lanes'] as Uint8Array)
  return Array.from({ length: lanes.length / 8 }, (_, i) => ({ gap: lanes.readUInt16BE(8 * i + 3), value: lanes.readUIntBE(8 * i + 5, 3) }))
}

type Scale = Pick<Terms, 'rangeMin' | 'decimals'>

/** A value in the unit of its channel, decimal. */
export const valueText = (laneValue: number, { rangeMin, decimals }: Scale): string => formatFixed(BigInt(laneValue) + rangeMin, decimals)

/** Time of the last reading of a window. */
export const lastTimeOf = (item: Pick<WindowItem, 'firstTime' | 'lanes'>): number =>
  lanesOf({ lanes: Buffer.from(item.lanes.slice(2), 'hex') })
    .slice(1)
    .reduce((time, { gap }) => time + gap, Number(item.firstTime))

interface Bucket {
  time: number
  min: number
  max: number
  sum: number
  count: number
}

/**
 * At most `points` buckets of equally many readings: each a reading of its own where they fit. Neighbours are joined whenever there are too many, so any
 * number of readings is read once, and low and high are never lost.
 */
export async function sampled(
  pages: AsyncIterable<Measured[]>,
  points: number,
  { rangeMin, decimals }: Scale,
): Promise<{ time: number; min: number; max: number; mean: number }[]> {
  let buckets: Bucket[] = []
  let size = 1
  for await (const page of pages) {
    for (const { time, laneValue } of page) {
      const one = { time, min: laneValue, max: laneValue, sum: laneValue, count: 1 }
      const isFull = (): boolean => (buckets.at(-1)?.count ?? size) >= size
      if (isFull() && buckets.length === points) {
        buckets = joined(buckets)
        size *= 2
      }
      // An odd number of buckets leaves the last one half full.
      if (isFull()) buckets.push(one)
      else buckets.push(join(buckets.pop()!, one))
    }
    // A turn for devices between pieces.
    await new Promise((resolve) => setImmediate(resolve))
  }
  const value = (lane: number): number => (lane + Number(rangeMin)) / 10 ** decimals
  return buckets.map(({ time, min, max, sum, count }) => ({ time, min: value(min), max: value(max), mean: value(sum / count) }))
}

const join = (a: Bucket, b: Bucket): Bucket => ({
  time: a.time,
  min: Math.min(a.min, b.min),
  max: Math.max(a.max, b.max),
  sum: a.sum + b.sum,
  count: a.count + b.count,
})

function joined(buckets: readonly Bucket[]): Bucket[] {
  const half: Bucket[] = []
  for (let i = 0; i < buckets.length; i += 2) half.push(i + 1 < buckets.length ? join(buckets[i]!, buckets[i + 1]!) : buckets[i]!)
  return half
}
