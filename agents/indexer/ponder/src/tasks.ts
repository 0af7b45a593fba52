// SPDX-License-Identifier: Apache-2.0
/** Tasks from assignment to pay, with the proofs that settled them. */
import { ponder, type Context } from 'ponder:registry'
import { counted, device, earning, payment, proof, project, prover, refusal, task, terms, wallet } from 'ponder:schema'
import type { Hex } from '../../../protocol/ids.ts'
import { unpackStatistics } from '../../../protocol/window.ts'
import { assignedBy, provenBy, reasonOf, refusalOf } from './calls.ts'
import { upsert } from './provers.ts'
import { add, placeOf, when } from './row.ts'

/** Adds the gas of a transaction to a sum, once. */
async function countGas(context: Pick<Context, 'db'>, name: string, tx: Hex, gasUsed: bigint): Promise<void> {
  if ((await context.db.insert(counted).values({ tx }).onConflictDoNothing()) !== null) await add(context, { [name]: gasUsed })
}

async function countFor(context: Pick<Context, 'db'>, address: Hex, what: 'assigned' | 'settled' | 'recalled'): Promise<void> {
  await upsert(context, address, {})
  await context.db.update(prover, { prover: address }).set((row) => ({ [what]: row[what] + 1 }))
}

ponder.on('TaskManager:TaskAssigned', async ({ event, context }) => {
  const { projectId, taskId: id, prover: address, deadline } = event.args
  const { at, block, tx } = when(event)
  const { device: of = null, window = null, root = null, sequencer = null } = assignedBy(event.transaction).get(id) ?? {}
  const before = await context.db.find(task, { id })
  // Read now: the row that is found changes with the table.
  const again = before?.state === 'recalled'
  const assignment = {
    state: 'assigned' as const,
    prover: address,
    sequencer,
    deadline: Number(deadline),
    termsVersion: (await context.db.find(project, { id: projectId }))?.termsVersion ?? 0,
    assignedAt: at,
    assignedBlock: block,
    assignedTx: tx,
  }
  if (before === null)
    await context.db.insert(task).values({ id, place: placeOf(event), projectId, device: of, window, root, assignments: 1, ...assignment })
  else await context.db.update(task, { id }).set((row) => ({ ...assignment, assignments: row.assignments + 1 }))
  await countFor(context, address, 'assigned')
  await add(context, { assigned: 1, recalled: again ? -1 : 0 })
  await countGas(context, 'gas:assign', tx, event.transactionReceipt.gasUsed)
})

ponder.on('TaskManager:TaskRecalled', async ({ event, context }) => {
  const { at, block, tx } = when(event)
  await context.db.update(task, { id: event.args.taskId }).set({ state: 'recalled', endedAt: at, endedBlock: block, endedTx: tx })
  await countFor(context, event.args.prover, 'recalled')
  await add(context, { assigned: -1, recalled: 1, recalls: 1 })
})

ponder.on('TaskManager:TaskSettled', async ({ event, context }) => {
  const { taskId: id, prover: address } = event.args
  const { at, block, tx } = when(event)
  await context.db.update(task, { id }).set({ state: 'settled', endedAt: at, endedBlock: block, endedTx: tx })
  const proven = provenBy(event.transaction)
  const own = proven.get(id)
  if (own !== undefined) {
    const values = { ...own, points: [...own.points], gasUsed: event.transactionReceipt.gasUsed, items: proven.size }
    await context.db.insert(proof).values({ taskId: id, ...values })
  }
  await countFor(context, address, 'settled')
  await add(context, { assigned: -1, settled: 1 })
  await countGas(context, 'gas:settle', tx, event.transactionReceipt.gasUsed)
})

ponder.on('TaskEscrow:TaskPaid', async ({ event, context }) => {
  const { taskId, wallet: address, devicePay: amount } = event.args
  const { db } = context
  const { at, block, tx } = when(event)
  const paid = await db.find(task, { id: taskId })
  const agreed = paid === null ? null : await db.find(terms, { projectId: paid.projectId, version: paid.termsVersion })
  const holder = await db.find(wallet, { wallet: address })
  const of = holder === null ? null : await db.find(device, { tokenId: holder.tokenId })
  const token = agreed?.token ?? null
  const fees = { proverFee: agreed?.proverFee ?? null, sequencerFee: agreed?.sequencerFee ?? null }
  await db
    .insert(payment)
    .values({ place: placeOf(event), taskId, wallet: address, device: of?.device ?? paid?.device ?? null, token, amount, at, block, tx })
  if (paid !== null) await db.update(task, { id: taskId }).set({ wallet: address, pay: amount, token, ...fees })
  const proven = await db.find(proof, { taskId })
  const readings = proven === null ? readingsPaid(amount, agreed?.pricePerReading) : unpackStatistics(proven.statistics).count
  if (of !== null) {
    await db.update(device, { tokenId: of.tokenId }).set((row) => ({
      settledTasks: row.settledTasks + 1,
      settledReadings: row.settledReadings + readings,
      lastSettledAt: at,
    }))
    if (proven !== null) await db.update(proof, { taskId }).set({ tokenId: of.tokenId })
  }
  await add(context, { readings })
  if (token === null || paid === null) return
  const fee = agreed?.proverFee ?? 0n
  await add(context, { [`paid:${token}`]: amount, [`fees:${token}`]: fee + (agreed?.sequencerFee ?? 0n) })
  await db
    .insert(earning)
    .values({ prover: paid.prover, token, amount: fee })
    .onConflictDoUpdate((row) => ({ amount: row.amount + fee }))
})

const readingsPaid = (amount: bigint, price = 0n): number => (price === 0n ? 0 : Number(amount / price))

ponder.on('TaskEscrow:PushFailed', async ({ event, context }) => {
  await add(context, { [`credited:${event.args.token.toLowerCase()}`]: event.args.amount })
})

ponder.on('TaskManager:TaskSkipped', async ({ event, context }) => {
  const { projectId, taskId, reason } = event.args
  await refused(context, { place: placeOf(event), of: 'assignment', projectId, taskId, reason: refusalOf(reason), ...when(event) })
})

ponder.on('Router:ItemRefused', async ({ event, context }) => {
  const { projectId, taskId, reason } = event.args
  await refused(context, { place: placeOf(event), of: 'proof', projectId, taskId, reason: reasonOf(reason), ...when(event) })
})

async function refused(context: Pick<Context, 'db'>, row: typeof refusal.$inferInsert): Promise<void> {
  await context.db.insert(refusal).values(row)
  await add(context, { [`refused:${row.reason}`]: 1 })
}
