// SPDX-License-Identifier: Apache-2.0
/** What the indexer answers. Integers that may pass 2^53 are decimal strings, times are unix seconds, addresses and hashes are lower case. */
import type { Address, Hex } from './ids.ts'
import type { WindowStatistics } from './window.ts'

/** Most rows of a page. */
export const HISTORY_PAGE = 200

/** `after` of the next page is `next`; null at the end. */
export interface HistoryPage<T> {
  items: T[]
  next: string | null
}

/** `GET /v1/status`. `lag` is in blocks; a new `generation` or `genesisHash` means that all was read again. */
export interface IndexStatus {
  genesisHash: Hex | null
  block: number | null
  head: number | null
  lag: number | null
  generation: number
  ready: boolean
  reason: string | null
}

/** `GET /v1/totals`. Sums by token are in its smallest unit. */
export interface IndexTotals {
  devices: number
  registered: number
  tasks: { assigned: number; settled: number; recalled: number }
  recalls: number
  readings: number
  gas: { assign: string; settle: string }
  paid: Record<Address, string>
  /** Paid, but credited in the escrow because the push failed. */
  credited: Record<Address, string>
  fees: Record<Address, string>
  refused: Record<string, number>
}

/** `GET /v1/projects` */
export interface IndexProject {
  id: string
  owner: Address
  name: string
  paused: boolean
  termsVersion: number
  createdAt: number
}

/** `GET /v1/devices?after&limit&owner&project`, by token id. A device that was removed and registered again is there twice. */
export interface IndexDevice {
  tokenId: string
  device: Address
  projectId: string
  owner: Address
  wallet: Address
  signer: Address
  status: 'live' | 'removed'
  documentHash: Hex | null
  documentUri: string | null
  registeredAt: number
  registeredBlock: number
  registeredTx: Hex
  removedAt: number | null
  removedTx: Hex | null
  settledTasks: number
  settledReadings: number
  lastSettledAt: number | null
}

export interface IndexTransfer {
  tokenId: string
  from: Address
  to: Address
  at: number
  block: number
  tx: Hex
}

export interface IndexDataKey {
  projectId: string
  tokenId: string
  commitment: string
  x: string
  y: string
  fromWindow: number
  at: number
  tx: Hex
}

/** `GET /v1/devices/:id`: the newest ioID of the device, those before it, who had them, and its data keys; the newest 200 of each. */
export interface IndexDeviceHistory {
  device: IndexDevice
  earlier: IndexDevice[]
  transfers: IndexTransfer[]
  dataKeys: IndexDataKey[]
  /** To the wallet, by token. */
  paid: Record<Address, string>
}

export type IndexTaskState = 'assigned' | 'settled' | 'recalled'

/** `GET /v1/tasks?state&device&prover&after&limit`, newest first. Null: a contract in between made the call, or it is not settled. */
export interface IndexTask {
  id: Hex
  projectId: string
  state: IndexTaskState
  device: Address | null
  window: number | null
  root: Hex | null
  prover: Address
  sequencer: Address | null
  deadline: number
  termsVersion: number
  assignments: number
  assignedAt: number
  assignedBlock: number
  assignedTx: Hex
  endedAt: number | null
  endedBlock: number | null
  endedTx: Hex | null
  wallet: Address | null
  pay: string | null
  proverFee: string | null
  sequencerFee: string | null
  token: Address | null
}

/** `GET /v1/provers`, by address. */
export interface IndexProver {
  prover: Address
  device: Address | null
  tokenId: string | null
  beneficiary: Address | null
  capacity: number | null
  paused: boolean
  registeredAt: number | null
  heartbeatAt: number | null
  assigned: number
  settled: number
  recalled: number
  earned: Record<Address, string>
}

export interface IndexProverChange {
  change: 'registered' | 'paused' | 'resumed' | 'capacity' | 'beneficiary'
  value: string | null
  at: number
  tx: Hex
}

/** `GET /v1/provers/:address` */
export interface IndexProverHistory {
  prover: IndexProver
  changes: IndexProverChange[]
}

/** `GET /v1/proofs/:taskId`. `signals` are those of the circuit; `gasUsed` is of all `items` of the transaction. */
export interface IndexProof {
  task: IndexTask
  statistics: WindowStatistics
  signals: [context: string, root: string, statistics: string, commitment: string] | null
  points: string[]
  programId: Hex
  termsId: Hex
  gasUsed: string
  items: number
}

/** `GET /v1/payments?device&wallet&after&limit`, newest first. */
export interface IndexPayment {
  taskId: Hex
  wallet: Address
  device: Address | null
  token: Address | null
  amount: string
  at: number
  block: number
  tx: Hex
}

/** `GET /v1/refusals?after&limit`, newest first. Of a refused proof, `taskId` is what the caller named. */
export interface IndexRefusal {
  of: 'assignment' | 'proof'
  projectId: string
  taskId: Hex
  reason: string
  at: number
  block: number
  tx: Hex
}

/** `GET /v1/roles` of the authority. */
export interface IndexRoles {
  members: { role: string; account: Address; since: number; delay: number }[]
  permissions: { target: Address; selector: Hex; role: string }[]
}
