// SPDX-License-Identifier: Apache-2.0
/** What the portal's server answers under /api/v1, as types only: one place for the server that writes it and the page that reads it. */
import type { Hex } from '../protocol/ids.ts'
import type { TermsJson } from '../protocol/terms.ts'

/** Times are Unix milliseconds unless they are called `time`: those are seconds of the project's clock. */
type Millis = number

/** `GET /network`: what is deployed where, who may configure what, and who answers. */
export interface Network {
  chainId: number
  genesisHash: Hex
  kind: string
  /** Decimal ids. */
  projects: string[]
  contracts: NetworkContract[]
  /** By project, of those that published terms. */
  terms: Record<string, { version: number; termsId: Hex; terms: TermsJson }>
  services: { name: string; url: string; ready: boolean }[]
  /** No event of this deployment lies before it. */
  deployedAtBlock: number
}

export interface NetworkContract {
  name: string
  address: Hex
  /** Name of the ABI. */
  abi: string
  upgradeable: boolean
  /** As the access manager has them. */
  roles: { role: string; members: Hex[]; functions: string[] }[]
}

/** `GET /totals`, and the event `totals` once a second. */
export interface Totals {
  devices: number
  readings: number
  readingsPerSecond: number
  windows: number
  /** Tasks by the coordinator's states. */
  tasks: Record<string, number>
  /** Verified on chain. */
  proofs: number
  /** Readings settled. */
  settled: number
  /** Units by token, decimal. */
  paid: Record<string, string>
  gasUsed: string
  refusedByReason: Record<string, number>
  at: Millis
  /** Why the figures of a source are not current; no entry where they are. */
  stale: Partial<Record<'gateway' | 'coordinator' | 'chain' | 'indexer', string>>
}

export interface LastReading {
  sequence: string
  time: string
  channel: string
  /** Decimal, in the unit of the channel. */
  value: string
}

/** Event `readings`, at most four a second. */
export interface ReadingsEvent {
  at: Millis
  accepted: number
  refused: number
  perDevice: { device: Hex; count: number; last: LastReading }[]
}

/** Event `window`. */
export interface WindowEvent {
  root: Hex
  project: string
  device: Hex
  index: number
  channel: string
  firstSequence: string
  count: number
  receivedAt: Millis
}

/** Event `refusal`. */
export interface RefusalEvent {
  device: Hex | null
  reason: string
  at: Millis
}

/** Event `task`, at each change of state. */
export interface TaskEvent {
  id: Hex
  project: string
  device: Hex
  index: number
  root: Hex
  state: string
  prover: Hex | null
  transaction: Hex | null
  reason: string | null
  at: Millis
}

/** Event `chain`. */
export interface ChainEvent {
  block: number
  genesisHash: Hex
}

/** A page of a list; `next` is the `after` of the one that follows, null at the end. */
export interface Page<T> {
  items: T[]
  next: string | number | null
}

/** Item of `GET /gateway/v1/projects/:id/devices?after&limit`. */
export interface DeviceRow {
  device: Hex
  readings: number
  windows: number
  last: LastReading | null
}

/** `GET /gateway/v1/projects/:id/devices/:device/readings?channel&from&to&points`: readings, or what lies between two times where there are more. */
export interface History {
  channel: string
  points: HistoryPoint[]
}

export interface HistoryPoint {
  /** Seconds of the project's clock. */
  time: number
  min: number
  max: number
  mean: number
}

/** Item of `GET /gateway/v1/projects/:id/devices/:device/windows?limit`, newest first. */
export interface StoredWindow {
  index: number
  root: Hex
  firstSequence: string
  count: number
  firstTime: string
  lastTime: string
  channel: string
  receivedAt: Millis
}

/** `GET /indexer/…`: the indexer's own answers. */
export type * from '../protocol/history.ts'
