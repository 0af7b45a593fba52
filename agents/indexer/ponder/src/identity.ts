// SPDX-License-Identifier: Apache-2.0
/** Projects, their terms, devices with owners and keys. */
import { ponder } from 'ponder:registry'
import { activation, dataKey, device, live, project, terms, transfer, wallet } from 'ponder:schema'
import { zeroAddress } from 'viem'
import { deviceOfDid } from '../../../protocol/did.ts'
import { projectStoreAbi } from '../../../protocol/generated/abi.ts'
import { job } from '../job.ts'
import { add, placeOf, when } from './row.ts'

ponder.on('Project:Transfer', async ({ event, context }) => {
  const { to: owner, tokenId: id } = event.args
  await context.db
    .insert(project)
    .values({ id, owner, name: '', paused: false, termsVersion: 0, createdAt: when(event).at })
    .onConflictDoUpdate({ owner })
})

ponder.on('Project:SetName', async ({ event, context }) => {
  const { projectId: id, name } = event.args
  await context.db
    .insert(project)
    .values({ id, owner: zeroAddress, name, paused: false, termsVersion: 0, createdAt: when(event).at })
    .onConflictDoUpdate({ name })
})

ponder.on('ProjectStore:TermsPublished', async ({ event, context }) => {
  const { projectId, version, termsId } = event.args
  const { programId, token, pricePerReading, proverFee, sequencerFee } = await context.client.readContract({
    abi: projectStoreAbi,
    address: job.contracts['ProjectStore']!.address,
    functionName: 'terms',
    args: [projectId, version],
    // A version never changes: nodes that keep no old state answer, too.
    cache: 'immutable',
  })
  const { at } = when(event)
  await context.db
    .insert(terms)
    .values({ projectId, version, termsId, programId, token, pricePerReading, proverFee, sequencerFee, at })
    .onConflictDoNothing()
  await context.db
    .insert(project)
    .values({ id: projectId, owner: zeroAddress, name: '', paused: false, termsVersion: version, createdAt: at })
    .onConflictDoUpdate({ termsVersion: version })
})

ponder.on('ProjectStore:ProjectPaused', async ({ event, context }) => {
  await context.db.update(project, { id: event.args.projectId }).set({ paused: true })
})
ponder.on('ProjectStore:ProjectResumed', async ({ event, context }) => {
  await context.db.update(project, { id: event.args.projectId }).set({ paused: false })
})

ponder.on('IoIDStore:ActiveIoID', async ({ event, context }) => {
  const last = { tx: event.transaction.hash, projectId: event.args.projectId }
  await context.db
    .insert(activation)
    .values({ id: 0, ...last })
    .onConflictDoUpdate(last)
})

ponder.on('IoID:CreateIoID', async ({ event, context }) => {
  const { owner, id: tokenId, wallet: address, did } = event.args
  const { at, block, tx } = when(event)
  const id = deviceOfDid(did)
  const last = await context.db.find(activation, { id: 0 })
  await context.db.insert(device).values({
    tokenId,
    device: id,
    projectId: last?.tx === tx ? last.projectId : 0n,
    owner,
    wallet: address,
    signer: id,
    registeredAt: at,
    registeredBlock: block,
    registeredTx: tx,
    settledTasks: 0,
    settledReadings: 0,
  })
  // Neither can be there: a device has one live ioID, and a wallet is of one ioID. An insert that may meet another row asks the database first.
  await context.db.insert(live).values({ device: id, tokenId })
  await context.db.insert(wallet).values({ wallet: address, tokenId })
  await add(context, { registered: 1, devices: 1 })
})

ponder.on('IoID:Transfer', async ({ event, context }) => {
  const { from, to, tokenId } = event.args
  const { at, tx, block } = when(event)
  await context.db.insert(transfer).values({ place: placeOf(event), tokenId, from, to, at, block, tx })
  if (from === zeroAddress) return
  if (to !== zeroAddress) {
    await context.db.update(device, { tokenId }).set({ owner: to })
    return
  }
  const row = await context.db.update(device, { tokenId }).set({ removedAt: at, removedTx: tx })
  await context.db.delete(live, { device: row.device })
  await add(context, { devices: -1 })
})

ponder.on('IoIDRegistry:NewDevice', async ({ event, context }) => {
  await describe(context.db, event.args.device, { documentHash: event.args.hash, documentUri: event.args.uri })
})
ponder.on('IoIDRegistry:UpdateDevice', async ({ event, context }) => {
  await describe(context.db, event.args.device, { documentHash: event.args.hash, documentUri: event.args.uri })
})
ponder.on('IoIDRegistry:RotateSigner', async ({ event, context }) => {
  await describe(context.db, event.args.device, { signer: event.args.newSigner })
})

ponder.on('DataKeyRegistry:DataKeyBound', async ({ event, context }) => {
  const { projectId, device: id, tokenId, commitment, ax: x, ay: y, fromWindow } = event.args
  const { at, tx } = when(event)
  await context.db.insert(dataKey).values({ place: placeOf(event), projectId, device: id, tokenId, commitment, x, y, fromWindow, at, tx })
})

type Db = Parameters<Parameters<typeof ponder.on<'IoIDRegistry:NewDevice'>>[1]>[0]['context']['db']

async function describe(db: Db, id: `0x${string}`, what: Partial<typeof device.$inferInsert>): Promise<void> {
  const found = await db.find(live, { device: id })
  if (found !== null) await db.update(device, { tokenId: found.tokenId }).set(what)
}
