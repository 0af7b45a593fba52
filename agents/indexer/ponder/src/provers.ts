// SPDX-License-Identifier: Apache-2.0
/** Provers: what they say of themselves. What they did is counted with the tasks. */
import { ponder, type Context } from 'ponder:registry'
import { prover, proverChange } from 'ponder:schema'
import type { Hex } from '../../../protocol/ids.ts'
import { placeOf, when } from './row.ts'

const none = { paused: false, assigned: 0, settled: 0, recalled: 0 }

export async function upsert({ db }: Pick<Context, 'db'>, address: Hex, what: Partial<typeof prover.$inferInsert>): Promise<void> {
  await db
    .insert(prover)
    .values({ ...none, prover: address, ...what })
    .onConflictDoUpdate(what)
}

ponder.on('ProverStore:ProverRegistered', async ({ event, context }) => {
  const { prover: address, device, tokenId } = event.args
  const { at, tx } = when(event)
  await upsert(context, address, { device, tokenId, registeredAt: at })
  await context.db
    .insert(proverChange)
    .values({ place: placeOf(event), prover: address, change: 'registered', value: tokenId.toString(), at, tx })
})

ponder.on('ProverStore:Heartbeat', async ({ event, context }) => {
  await upsert(context, event.args.prover, { heartbeatAt: when(event).at })
})

ponder.on('ProverStore:CapacitySet', async ({ event, context }) => {
  const { prover: address, capacity } = event.args
  const { at, tx } = when(event)
  await upsert(context, address, { capacity })
  await context.db
    .insert(proverChange)
    .values({ place: placeOf(event), prover: address, change: 'capacity', value: String(capacity), at, tx })
})

ponder.on('ProverStore:BeneficiarySet', async ({ event, context }) => {
  const { prover: address, beneficiary } = event.args
  const { at, tx } = when(event)
  await upsert(context, address, { beneficiary })
  await context.db
    .insert(proverChange)
    .values({ place: placeOf(event), prover: address, change: 'beneficiary', value: beneficiary, at, tx })
})

ponder.on('ProverStore:ProverPaused', async ({ event, context }) => {
  const { at, tx } = when(event)
  await upsert(context, event.args.prover, { paused: true })
  await context.db.insert(proverChange).values({ place: placeOf(event), prover: event.args.prover, change: 'paused', at, tx })
})

ponder.on('ProverStore:ProverResumed', async ({ event, context }) => {
  const { at, tx } = when(event)
  await upsert(context, event.args.prover, { paused: false })
  await context.db.insert(proverChange).values({ place: placeOf(event), prover: event.args.prover, change: 'resumed', at, tx })
})
