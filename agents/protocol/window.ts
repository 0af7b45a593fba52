// SPDX-License-Identifier: Apache-2.0
/**
 * A window of readings: packing into lanes and field elements, readings root, statistics, the message that the data key signs, the key commitment.
 * The same layout is in circuits/sensing/window and in the contracts; the vectors are test/fixtures/protocol/window.json.
 */
import { bytesToHex, hexToBytes, keccak256, toBytes } from 'viem'
import type { Point } from '../crypto/babyjubjub.ts'
import { packSignature, type Signature, unpackSignature } from '../crypto/eddsa.ts'
import { poseidon } from '../crypto/poseidon.ts'
import { TIME_LIMIT } from './clock.ts'
import { TrellisError } from './errors.ts'
import type { Address, Hex, ReadingsRoot } from './ids.ts'

/** Most readings of a window. */
export const WINDOW_CAPACITY = 64
/** 64 readings, first time, channel. */
export const WINDOW_LANES = 66
/** Field elements of a packed window, three lanes each. */
export const WINDOW_ELEMENTS = 22
/** Largest lane value and largest `sequence mod 2^24`. */
export const LANE_VALUE_LIMIT = 2 ** 24
/** Exclusive bound of the seconds between two readings of a window. */
export const LANE_GAP_LIMIT = 2 ** 16
/** Exclusive bound of a reading's sequence. */
export const SEQUENCE_LIMIT = 2 ** 40
/** Exclusive bound of a window's index. */
export const WINDOW_INDEX_LIMIT = 2 ** 32

/** One reading as a window holds it. */
export interface WindowReading {
  /** Project seconds. */
  time: number
  /** Scaled value less the terms' `rangeMin`. */
  laneValue: number
}

/** The readings of a window and where they stand. 1..64 lanes. */
export interface WindowContent {
  firstSequence: number
  firstTime: number
  /** Channel id of the terms. */
  channel: bigint
  /** value | dt << 24 | (sequence mod 2^24) << 40, one per reading. */
  lanes: readonly bigint[]
}

/** What `packStatistics` packs; the third public signal of the circuit. */
export interface WindowStatistics {
  sum: number
  min: number
  max: number
  count: number
  above: number
  windowIndex: number
  firstSequence: number
  firstTime: number
  threshold: number
  rangeMax: number
}

/** Who signs which window where: all of it goes into the signed message. */
export interface WindowSubject {
  chainId: bigint | number
  dataKeyRegistry: Address
  project: bigint
  device: Address
  windowIndex: number
  firstSequence: number
  count: number
  root: bigint
}

function invalid(why: string, details: Record<string, unknown>): TrellisError {
  return new TrellisError({ code: 'WINDOW_INVALID', message: `This is not a window: ${why}.`, details })
}

/**
 * Packs readings into lanes.
 * @throws TrellisError WINDOW_INVALID unless there are 1..64 readings, in time order with gaps of 1..65535 s, with lane values and sequences in range.
 */
export function packWindow(channel: bigint, firstSequence: number, readings: readonly WindowReading[]): WindowContent {
  const first = readings[0]
  if (first === undefined || readings.length > WINDOW_CAPACITY)
    throw invalid('it has no readings or more than 64', { count: readings.length })
  if (!Number.isSafeInteger(firstSequence) || firstSequence < 0 || firstSequence + readings.length > SEQUENCE_LIMIT) {
    throw invalid('its sequence leaves 40 bits', { firstSequence })
  }
  if (!Number.isSafeInteger(first.time) || first.time < 0 || first.time >= TIME_LIMIT)
    throw invalid('its time leaves 40 bits', { time: first.time })
  const lanes = readings.map(({ time, laneValue }, index) => {
    const gap = index === 0 ? 0 : time - readings[index - 1]!.time
    if (index > 0 && !(gap >= 1 && gap < LANE_GAP_LIMIT)) throw invalid('two readings are not 1 to 65535 s apart', { index, gap })
    if (!Number.isInteger(laneValue) || laneValue < 0 || laneValue >= LANE_VALUE_LIMIT)
      throw invalid('a value leaves 24 bits', { index, laneValue })
    return packLane(laneValue, gap, firstSequence + index)
  })
  return { firstSequence, firstTime: first.time, channel, lanes }
}

/** One lane, 64 bits. */
export function packLane(laneValue: number, gap: number, sequence: number): bigint {
  // The high half holds bits 32..63: 8 bits of the gap, then 24 bits of the sequence.
  const high = ((sequence % LANE_VALUE_LIMIT) * 2 ** 8 + (gap >>> 8)) >>> 0
  const low = ((gap & 0xff) * 2 ** 24 + laneValue) >>> 0
  return (BigInt(high) << 32n) | BigInt(low)
}

/** Opens one lane. */
export function unpackLane(lane: bigint): { laneValue: number; gap: number; sequence24: number } {
  const low = Number(lane & 0xffff_ffffn)
  const high = Number(lane >> 32n)
  return { laneValue: low & 0xff_ffff, gap: (low >>> 24) | ((high & 0xff) << 8), sequence24: high >>> 8 }
}

/** Why a window breaks a rule of the protocol, or its readings. */
export type OpenedWindow =
  { ok: true; readings: WindowReading[] } | { ok: false; why: 'count' | 'gap' | 'sequence' | 'time'; index: number }

/** Opens a window and checks what does not depend on terms: 1..64 lanes, first gap 0, others >= 1, sequence gap-free, bounds of 40 bits. */
export function openWindow(window: WindowContent): OpenedWindow {
  const { lanes, firstSequence, firstTime } = window
  if (lanes.length < 1 || lanes.length > WINDOW_CAPACITY || firstSequence + lanes.length > SEQUENCE_LIMIT)
    return { ok: false, why: 'count', index: 0 }
  const readings: WindowReading[] = []
  let time = firstTime
  for (let index = 0; index < lanes.length; index++) {
    const { laneValue, gap, sequence24 } = unpackLane(lanes[index]!)
    if (index === 0 ? gap !== 0 : gap === 0) return { ok: false, why: 'gap', index }
    if (sequence24 !== (firstSequence + index) % LANE_VALUE_LIMIT) return { ok: false, why: 'sequence', index }
    time += gap
    readings.push({ time, laneValue })
  }
  if (!(firstTime >= 0 && time < TIME_LIMIT)) return { ok: false, why: 'time', index: lanes.length - 1 }
  return { ok: true, readings }
}

/** Lanes as the envelope carries them: count × 8 bytes, big-endian. */
export function lanesToHex(lanes: readonly bigint[]): Hex {
  return `0x${lanes.map((lane) => lane.toString(16).padStart(16, '0')).join('')}`
}

/** Reverse of `lanesToHex`; undefined unless it is 1..64 lanes of lower-case hexadecimal. */
export function lanesFromHex(hex: string): bigint[] | undefined {
  const digits = hex.length - 2
  if (digits < 16 || digits > 16 * WINDOW_CAPACITY || digits % 16 !== 0 || !/^0x[0-9a-f]+$/.test(hex)) return undefined
  const lanes: bigint[] = []
  for (let at = 2; at < hex.length; at += 16) lanes.push(BigInt(`0x${hex.slice(at, at + 16)}`))
  return lanes
}

/** The 66 lanes, padded with zeros after the last reading. */
export function paddedLanes(window: WindowContent): bigint[] {
  const lanes = new Array<bigint>(WINDOW_LANES).fill(0n)
  window.lanes.forEach((lane, index) => (lanes[index] = lane))
  lanes[WINDOW_CAPACITY] = BigInt(window.firstTime)
  lanes[WINDOW_CAPACITY + 1] = window.channel
  return lanes
}

/** The 22 field elements: e_k = lane[3k] + lane[3k+1]·2^64 + lane[3k+2]·2^128. */
export function windowElements(window: WindowContent): bigint[] {
  const lanes = paddedLanes(window)
  return Array.from({ length: WINDOW_ELEMENTS }, (_, k) => lanes[3 * k]! | (lanes[3 * k + 1]! << 64n) | (lanes[3 * k + 2]! << 128n))
}

/** Poseidon7(Poseidon16(e0..e15), e16..e21). */
export function readingsRoot(window: WindowContent): bigint {
  const elements = windowElements(window)
  return poseidon([poseidon(elements.slice(0, 16)), ...elements.slice(16)])
}

/** A root as the chain and JSON carry it: 32 bytes big-endian. */
export function rootToHex(root: bigint): ReadingsRoot {
  return `0x${root.toString(16).padStart(64, '0')}` as ReadingsRoot
}

/** The statistics that the circuit proves for this window under a threshold and a range. */
export function statisticsOf(window: WindowContent, windowIndex: number, threshold: number, rangeMax: number): WindowStatistics {
  const values = window.lanes.map((lane) => Number(lane & 0xff_ffffn))
  return {
    sum: values.reduce((sum, value) => sum + value, 0),
    min: Math.min(...values),
    max: Math.max(...values),
    count: values.length,
    above: values.filter((value) => value > threshold).length,
    windowIndex,
    firstSequence: window.firstSequence,
    firstTime: window.firstTime,
    threshold,
    rangeMax,
  }
}

/** Fields of the packed statistics, lowest bits first; 252 bits. */
const statisticsFields = [
  ['sum', 30],
  ['min', 24],
  ['max', 24],
  ['count', 7],
  ['above', 7],
  ['windowIndex', 32],
  ['firstSequence', 40],
  ['firstTime', 40],
  ['threshold', 24],
  ['rangeMax', 24],
] as const satisfies readonly (readonly [keyof WindowStatistics, number])[]

/** @throws TrellisError WINDOW_INVALID when a field leaves its bits. */
export function packStatistics(statistics: WindowStatistics): bigint {
  let packed = 0n
  let shift = 0n
  for (const [field, bits] of statisticsFields) {
    const value = statistics[field]
    if (!Number.isSafeInteger(value) || value < 0 || value >= 2 ** bits)
      throw invalid('a statistic leaves its bits', { field, value, bits })
    packed |= BigInt(value) << shift
    shift += BigInt(bits)
  }
  return packed
}

/** @throws TrellisError WINDOW_INVALID when bits above 252 are set. */
export function unpackStatistics(packed: bigint): WindowStatistics {
  let rest = packed
  const entries = statisticsFields.map(([field, bits]) => {
    const value = Number(rest & ((1n << BigInt(bits)) - 1n))
    rest >>= BigInt(bits)
    return [field, value] as const
  })
  if (rest !== 0n) throw invalid('its statistics have more than 252 bits', { packed })
  return Object.fromEntries(entries) as Record<keyof WindowStatistics, number>
}

/** uint248(keccak256("trellis.sensing.window") >> 8): keeps this signature apart from every other use of a data key. */
export const WINDOW_DOMAIN = BigInt(keccak256(toBytes('trellis.sensing.window'))) >> 8n
/** Version of the signed message. */
export const WINDOW_VERSION = 1n

/** M, the field element that the data key signs. */
export function windowMessage(subject: WindowSubject): bigint {
  return poseidon([
    WINDOW_DOMAIN,
    WINDOW_VERSION,
    BigInt(subject.chainId),
    BigInt(subject.dataKeyRegistry),
    subject.project,
    BigInt(subject.device),
    BigInt(subject.windowIndex),
    BigInt(subject.firstSequence),
    BigInt(subject.count),
    subject.root,
  ])
}

/** Where a data key is bound, and the key. */
export interface KeySubject {
  chainId: bigint | number
  dataKeyRegistry: Address
  project: bigint
  device: Address
  key: Point
}

/** K, computed on chain when a key is bound and again in the circuit. */
export function keyCommitment({ chainId, dataKeyRegistry, project, device, key }: KeySubject): bigint {
  return poseidon([BigInt(chainId), BigInt(dataKeyRegistry), project, BigInt(device), key.x, key.y])
}

/** R8.x | R8.y | S, 32 bytes big-endian each. */
export function encodeDataSignature(signature: Signature): Hex {
  return bytesToHex(packSignature(signature))
}

/** Undefined unless it is 96 bytes of lower-case hexadecimal that some signer could have written: R8 on the curve, S below the order. */
export function decodeDataSignature(hex: string): Signature | undefined {
  if (!/^0x[0-9a-f]{192}$/.test(hex)) return undefined
  try {
    return unpackSignature(hexToBytes(hex as Hex))
  } catch {
    return undefined
  }
}
