// SPDX-License-Identifier: Apache-2.0
/** Tables of the index. `place` orders rows of a chain: block number and log index in one number. Times are unix seconds. */
import { index, onchainTable, primaryKey } from 'ponder'

/** One row for each ioID that was minted: a device that was removed and registered again has two. */
export const device = onchainTable(
  'device',
  (t) => ({
    tokenId: t.bigint().primaryKey(),
    device: t.hex().notNull(),
    projectId: t.bigint().notNull(),
    owner: t.hex().notNull(),
    wallet: t.hex().notNull(),
    signer: t.hex().notNull(),
    documentHash: t.hex(),
    documentUri: t.text(),
    registeredAt: t.int8({ mode: 'number' }).notNull(),
    registeredBlock: t.int8({ mode: 'number' }).notNull(),
    registeredTx: t.hex().notNull(),
    removedAt: t.int8({ mode: 'number' }),
    removedTx: t.hex(),
    settledTasks: t.int8({ mode: 'number' }).notNull(),
    settledReadings: t.int8({ mode: 'number' }).notNull(),
    lastSettledAt: t.int8({ mode: 'number' }),
  }),
  (table) => ({
    byDevice: index().on(table.device, table.tokenId),
    byOwner: index().on(table.owner, table.tokenId),
    byProject: index().on(table.projectId, table.tokenId),
  }),
)

/** ioID of a live device, and of a wallet: addresses by which events name a device. */
export const live = onchainTable('live', (t) => ({ device: t.hex().primaryKey(), tokenId: t.bigint().notNull() }))
export const wallet = onchainTable('wallet', (t) => ({ wallet: t.hex().primaryKey(), tokenId: t.bigint().notNull() }))

/** The last activation of an ioID: the registry pays for one right before it mints, and only the payment names the project. */
export const activation = onchainTable('activation', (t) => ({
  id: t.integer().primaryKey(),
  tx: t.hex().notNull(),
  projectId: t.bigint().notNull(),
}))

export const transfer = onchainTable(
  'transfer',
  (t) => ({
    place: t.bigint().primaryKey(),
    tokenId: t.bigint().notNull(),
    from: t.hex().notNull(),
    to: t.hex().notNull(),
    at: t.int8({ mode: 'number' }).notNull(),
    block: t.int8({ mode: 'number' }).notNull(),
    tx: t.hex().notNull(),
  }),
  (table) => ({ byToken: index().on(table.tokenId, table.place) }),
)

export const dataKey = onchainTable(
  'data_key',
  (t) => ({
    place: t.bigint().primaryKey(),
    projectId: t.bigint().notNull(),
    device: t.hex().notNull(),
    tokenId: t.bigint().notNull(),
    commitment: t.bigint().notNull(),
    x: t.bigint().notNull(),
    y: t.bigint().notNull(),
    fromWindow: t.int8({ mode: 'number' }).notNull(),
    at: t.int8({ mode: 'number' }).notNull(),
    tx: t.hex().notNull(),
  }),
  (table) => ({ byToken: index().on(table.tokenId, table.projectId, table.fromWindow) }),
)

export const project = onchainTable('project', (t) => ({
  id: t.bigint().primaryKey(),
  owner: t.hex().notNull(),
  name: t.text().notNull(),
  paused: t.boolean().notNull(),
  termsVersion: t.integer().notNull(),
  createdAt: t.int8({ mode: 'number' }).notNull(),
}))

export const terms = onchainTable(
  'terms',
  (t) => ({
    projectId: t.bigint().notNull(),
    version: t.integer().notNull(),
    termsId: t.hex().notNull(),
    programId: t.hex().notNull(),
    token: t.hex().notNull(),
    pricePerReading: t.bigint().notNull(),
    proverFee: t.bigint().notNull(),
    sequencerFee: t.bigint().notNull(),
    at: t.int8({ mode: 'number' }).notNull(),
  }),
  (table) => ({ pk: primaryKey({ columns: [table.projectId, table.version] }) }),
)

/** `device`, `window` and `root` are of the call that assigned it; null when a contract in between made that call. */
export const task = onchainTable(
  'task',
  (t) => ({
    id: t.hex().primaryKey(),
    place: t.bigint().notNull(),
    projectId: t.bigint().notNull(),
    state: t.text({ enum: ['assigned', 'settled', 'recalled'] }).notNull(),
    device: t.hex(),
    window: t.int8({ mode: 'number' }),
    root: t.hex(),
    prover: t.hex().notNull(),
    sequencer: t.hex(),
    deadline: t.int8({ mode: 'number' }).notNull(),
    termsVersion: t.integer().notNull(),
    assignments: t.integer().notNull(),
    assignedAt: t.int8({ mode: 'number' }).notNull(),
    assignedBlock: t.int8({ mode: 'number' }).notNull(),
    assignedTx: t.hex().notNull(),
    /** Settled, or recalled last. */
    endedAt: t.int8({ mode: 'number' }),
    endedBlock: t.int8({ mode: 'number' }),
    endedTx: t.hex(),
    wallet: t.hex(),
    pay: t.bigint(),
    proverFee: t.bigint(),
    sequencerFee: t.bigint(),
    token: t.hex(),
  }),
  (table) => ({
    byPlace: index().on(table.place),
    byState: index().on(table.state, table.place),
    byDevice: index().on(table.device, table.place),
    byProver: index().on(table.prover, table.place),
  }),
)

/** What was proven, as the call to the router carried it; a settlement through a contract in between has none. */
export const proof = onchainTable('proof', (t) => ({
  taskId: t.hex().primaryKey(),
  tokenId: t.bigint(),
  statistics: t.bigint().notNull(),
  points: t.bigint().array().notNull(),
  gasUsed: t.bigint().notNull(),
  /** Items of that call: `gasUsed` is of all of them. */
  items: t.integer().notNull(),
}))

export const payment = onchainTable(
  'payment',
  (t) => ({
    place: t.bigint().primaryKey(),
    taskId: t.hex().notNull(),
    wallet: t.hex().notNull(),
    device: t.hex(),
    token: t.hex(),
    amount: t.bigint().notNull(),
    at: t.int8({ mode: 'number' }).notNull(),
    block: t.int8({ mode: 'number' }).notNull(),
    tx: t.hex().notNull(),
  }),
  (table) => ({ byDevice: index().on(table.device, table.place), byWallet: index().on(table.wallet, table.place) }),
)

export const prover = onchainTable('prover', (t) => ({
  prover: t.hex().primaryKey(),
  device: t.hex(),
  tokenId: t.bigint(),
  beneficiary: t.hex(),
  capacity: t.integer(),
  paused: t.boolean().notNull(),
  registeredAt: t.int8({ mode: 'number' }),
  heartbeatAt: t.int8({ mode: 'number' }),
  assigned: t.int8({ mode: 'number' }).notNull(),
  settled: t.int8({ mode: 'number' }).notNull(),
  recalled: t.int8({ mode: 'number' }).notNull(),
}))

export const earning = onchainTable(
  'earning',
  (t) => ({ prover: t.hex().notNull(), token: t.hex().notNull(), amount: t.bigint().notNull() }),
  (table) => ({ pk: primaryKey({ columns: [table.prover, table.token] }) }),
)

/** Registrations, pauses, capacities and beneficiaries of provers; heartbeats are not kept. */
export const proverChange = onchainTable(
  'prover_change',
  (t) => ({
    place: t.bigint().primaryKey(),
    prover: t.hex().notNull(),
    change: t.text({ enum: ['registered', 'paused', 'resumed', 'capacity', 'beneficiary'] }).notNull(),
    value: t.text(),
    at: t.int8({ mode: 'number' }).notNull(),
    tx: t.hex().notNull(),
  }),
  (table) => ({ byProver: index().on(table.prover, table.place) }),
)

export const refusal = onchainTable('refusal', (t) => ({
  place: t.bigint().primaryKey(),
  of: t.text({ enum: ['assignment', 'proof'] }).notNull(),
  projectId: t.bigint().notNull(),
  /** As the caller gave it: of a refused proof it says nothing about the task of that id. */
  taskId: t.hex().notNull(),
  reason: t.text().notNull(),
  block: t.int8({ mode: 'number' }).notNull(),
  at: t.int8({ mode: 'number' }).notNull(),
  tx: t.hex().notNull(),
}))

/** Who holds a role of the authority, and which functions a role may call. */
export const member = onchainTable(
  'member',
  (t) => ({
    role: t.bigint().notNull(),
    account: t.hex().notNull(),
    since: t.int8({ mode: 'number' }).notNull(),
    delay: t.integer().notNull(),
  }),
  (table) => ({ pk: primaryKey({ columns: [table.role, table.account] }) }),
)
export const permission = onchainTable(
  'permission',
  (t) => ({ target: t.hex().notNull(), selector: t.hex().notNull(), role: t.bigint().notNull() }),
  (table) => ({ pk: primaryKey({ columns: [table.target, table.selector] }) }),
)

/** Transactions whose gas is counted. */
export const counted = onchainTable('counted', (t) => ({ tx: t.hex().primaryKey() }))

/** Sums that would be slow to count: `devices`, `assigned`, `readings`, `gas`, `paid:<token>`, `refused:<reason>`, … */
export const total = onchainTable('total', (t) => ({ name: t.text().primaryKey(), value: t.bigint().notNull() }))
