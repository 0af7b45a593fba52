// SPDX-License-Identifier: Apache-2.0
/** Reads of the index, by REST and GraphQL. Answers: agents/protocol/history.ts. */
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { and, asc, desc, eq, graphql, gt, inArray, lt, lte, sql } from 'ponder'
import { db } from 'ponder:api'
import schema, {
  dataKey,
  device,
  earning,
  member,
  payment,
  permission,
  project,
  proof,
  prover,
  proverChange,
  refusal,
  task,
  terms,
  total,
  transfer,
} from 'ponder:schema'
import { TrellisError } from '../../../../protocol/errors.ts'
import {
  HISTORY_PAGE,
  type HistoryPage,
  type IndexDevice,
  type IndexDeviceHistory,
  type IndexPayment,
  type IndexProject,
  type IndexProof,
  type IndexProver,
  type IndexProverHistory,
  type IndexRefusal,
  type IndexRoles,
  type IndexTask,
  type IndexTotals,
} from '../../../../protocol/history.ts'
import { contextOf, type Address, type Hex } from '../../../../protocol/ids.ts'
import { unpackStatistics } from '../../../../protocol/window.ts'
import { job } from '../../job.ts'
import { address, hash, json, limitOf, oneOf, onlyKnown, page, refuse, whole } from './query.ts'

type Where = ReturnType<typeof eq>

const app = new Hono()

app.use(async (c, next) => {
  if (c.req.header('x-trellis-door') !== job.door) throw refuse(403, 'FORBIDDEN', 'The indexer answers at its own door only.')
  await next()
})

app.onError((error, c) => {
  if (error instanceof HTTPException) return error.getResponse()
  // What nobody foresaw may carry statements or paths: it goes to the log, not to the caller.
  process.stderr.write(`${error.stack ?? error.message}\n`)
  return c.json({ error: new TrellisError({ code: 'INTERNAL', message: 'The index failed.', retryable: true }).toJSON() }, 500)
})

/** Sums over the whole history. */
app.get('/v1/totals', async (c) => {
  onlyKnown(c, [])
  const sums = new Map((await db.select().from(total)).map(({ name, value }) => [name, value]))
  const count = (name: string): number => Number(sums.get(name) ?? 0n)
  const by = <T>(kind: string, as: (value: bigint) => T): Record<string, T> =>
    Object.fromEntries(
      [...sums].flatMap(([name, value]) => (name.startsWith(`${kind}:`) ? [[name.slice(kind.length + 1), as(value)] as const] : [])),
    )
  return c.json({
    devices: count('devices'),
    registered: count('registered'),
    tasks: { assigned: count('assigned'), settled: count('settled'), recalled: count('recalled') },
    recalls: count('recalls'),
    readings: count('readings'),
    gas: { assign: String(sums.get('gas:assign') ?? 0n), settle: String(sums.get('gas:settle') ?? 0n) },
    paid: by('paid', String),
    credited: by('credited', String),
    fees: by('fees', String),
    refused: by('refused', Number),
  } satisfies IndexTotals)
})

/** Projects by id. `after`, `limit`. */
app.get('/v1/projects', async (c) => {
  onlyKnown(c, ['after', 'limit'])
  const limit = limitOf(c)
  const after = whole('after', c.req.query('after')) ?? 0n
  const rows = await db
    .select()
    .from(project)
    .where(gt(project.id, after))
    .orderBy(asc(project.id))
    .limit(limit + 1)
  return c.json(page(rows, limit, ({ id }) => id.toString(), json) satisfies HistoryPage<IndexProject>)
})

const deviceOut = (row: typeof device.$inferSelect): IndexDevice => ({
  ...json(row),
  status: row.removedAt === null ? 'live' : 'removed',
})

/** Devices by token id. `owner`, `project`, `after`, `limit`. */
app.get('/v1/devices', async (c) => {
  onlyKnown(c, ['after', 'limit', 'owner', 'project'])
  const limit = limitOf(c)
  const owner = address('owner', c.req.query('owner'))
  const projectId = whole('project', c.req.query('project'))
  const rows = await db
    .select()
    .from(device)
    .where(
      and(
        gt(device.tokenId, whole('after', c.req.query('after')) ?? 0n),
        ...(owner === undefined ? [] : [eq(device.owner, owner)]),
        ...(projectId === undefined ? [] : [eq(device.projectId, projectId)]),
      ),
    )
    .orderBy(asc(device.tokenId))
    .limit(limit + 1)
  return c.json(page(rows, limit, ({ tokenId }) => tokenId.toString(), deviceOut) satisfies HistoryPage<IndexDevice>)
})

/** One device: its ioIDs, who had them, its data keys, its pay. */
app.get('/v1/devices/:id', async (c) => {
  onlyKnown(c, [])
  const id = address('device', c.req.param('id'))!
  const [newest, ...earlier] = await db.select().from(device).where(eq(device.device, id)).orderBy(desc(device.tokenId)).limit(HISTORY_PAGE)
  if (newest === undefined) throw refuse(404, 'NOT_FOUND', 'No ioID of this device is known.')
  const ids = [newest, ...earlier].map(({ tokenId }) => tokenId)
  const transfers = await db.select().from(transfer).where(inArray(transfer.tokenId, ids)).orderBy(desc(transfer.place)).limit(HISTORY_PAGE)
  const keys = await db.select().from(dataKey).where(inArray(dataKey.tokenId, ids)).orderBy(desc(dataKey.place)).limit(HISTORY_PAGE)
  const paid = await db
    .select({ token: payment.token, amount: sql<string>`sum(${payment.amount})` })
    .from(payment)
    .where(eq(payment.device, id))
    .groupBy(payment.token)
  return c.json({
    device: deviceOut(newest),
    earlier: earlier.map(deviceOut),
    transfers: transfers.map(({ place: _, ...row }) => json(row)),
    dataKeys: keys.map(({ place: _, device: __, ...row }) => json(row)),
    paid: Object.fromEntries(paid.flatMap(({ token, amount }) => (token === null ? [] : [[token, amount] as const]))),
  } satisfies IndexDeviceHistory)
})

const taskOut = ({ place: _, ...row }: typeof task.$inferSelect): IndexTask => json(row)

/** Tasks, newest first. `state`, `device`, `prover`, `after`, `limit`. */
app.get('/v1/tasks', async (c) => {
  onlyKnown(c, ['after', 'limit', 'state', 'device', 'prover'])
  const limit = limitOf(c)
  const after = whole('after', c.req.query('after'))
  const state = oneOf('state', c.req.query('state'), ['assigned', 'settled', 'recalled'])
  const of = address('device', c.req.query('device'))
  const by = address('prover', c.req.query('prover'))
  const where: Where[] = [
    ...(after === undefined ? [] : [lt(task.place, after)]),
    ...(state === undefined ? [] : [eq(task.state, state)]),
    ...(of === undefined ? [] : [eq(task.device, of)]),
    ...(by === undefined ? [] : [eq(task.prover, by)]),
  ]
  const rows = await db
    .select()
    .from(task)
    .where(and(...where))
    .orderBy(desc(task.place))
    .limit(limit + 1)
  return c.json(page(rows, limit, ({ place }) => place.toString(), taskOut) satisfies HistoryPage<IndexTask>)
})

/** What settled a task: statistics, public signals, proof, gas. */
app.get('/v1/proofs/:taskId', async (c) => {
  onlyKnown(c, [])
  const taskId = hash('taskId', c.req.param('taskId'))
  const [row] = await db
    .select({ proof, task, terms })
    .from(proof)
    .innerJoin(task, eq(task.id, proof.taskId))
    .innerJoin(terms, and(eq(terms.projectId, task.projectId), eq(terms.version, task.termsVersion)))
    .where(eq(proof.taskId, taskId))
  if (row === undefined) throw refuse(404, 'NOT_FOUND', 'No proof of this task is known.')
  const { statistics, points, gasUsed, items } = row.proof
  const { programId, termsId } = row.terms
  return c.json({
    task: taskOut(row.task),
    statistics: unpackStatistics(statistics),
    signals: await signalsOf(row),
    points: points.map(String),
    programId,
    termsId,
    gasUsed: gasUsed.toString(),
    items,
  } satisfies IndexProof)
})

/** Public signals of the proof, as the router built them; null where the assignment was not opened. */
async function signalsOf({
  proof: { tokenId, statistics },
  task: { id, device: of, window, root, prover: by, projectId },
  terms: { programId, termsId },
}: {
  proof: typeof proof.$inferSelect
  task: typeof task.$inferSelect
  terms: typeof terms.$inferSelect
}): Promise<IndexProof['signals']> {
  if (of === null || window === null || root === null || tokenId === null) return null
  const [key] = await db
    .select()
    .from(dataKey)
    .where(and(eq(dataKey.tokenId, tokenId), eq(dataKey.projectId, projectId), lte(dataKey.fromWindow, window)))
    .orderBy(desc(dataKey.fromWindow), desc(dataKey.place))
    .limit(1)
  if (key === undefined) return null
  const subject = { chainId: job.chainId, router: job.contracts['Router']!.address, project: projectId, device: of, taskIds: [id] }
  const context = contextOf({ ...subject, prover: by, window, programId, termsId })
  return [String(context), String(BigInt(root)), String(statistics), String(key.commitment)]
}

async function earnedBy(provers: readonly Hex[]): Promise<(of: Hex) => Record<Address, string>> {
  const rows = await db
    .select()
    .from(earning)
    .where(inArray(earning.prover, [...provers]))
  return (of) =>
    Object.fromEntries(rows.flatMap(({ prover: by, token, amount }) => (by === of ? [[token, amount.toString()] as const] : [])))
}

/** Provers by address, with what they earned. `after`, `limit`. */
app.get('/v1/provers', async (c) => {
  onlyKnown(c, ['after', 'limit'])
  const limit = limitOf(c)
  const rows = await db
    .select()
    .from(prover)
    .where(gt(prover.prover, address('after', c.req.query('after')) ?? '0x'))
    .orderBy(asc(prover.prover))
    .limit(limit + 1)
  const earned = await earnedBy(rows.map((row) => row.prover))
  return c.json(
    page(
      rows,
      limit,
      (row) => row.prover,
      (row) => ({ ...json(row), earned: earned(row.prover) }),
    ) satisfies HistoryPage<IndexProver>,
  )
})

/** One prover and what it changed. */
app.get('/v1/provers/:address', async (c) => {
  onlyKnown(c, [])
  const id = address('prover', c.req.param('address'))!
  const [row] = await db.select().from(prover).where(eq(prover.prover, id))
  if (row === undefined) throw refuse(404, 'NOT_FOUND', 'No prover of this address is known.')
  const changes = await db
    .select()
    .from(proverChange)
    .where(eq(proverChange.prover, id))
    .orderBy(desc(proverChange.place))
    .limit(HISTORY_PAGE)
  return c.json({
    prover: { ...json(row), earned: (await earnedBy([id]))(id) },
    changes: changes.map(({ change, value, at, tx }) => ({ change, value, at, tx })),
  } satisfies IndexProverHistory)
})

/** Pay to wallets, newest first. `device`, `wallet`, `after`, `limit`. */
app.get('/v1/payments', async (c) => {
  onlyKnown(c, ['after', 'limit', 'device', 'wallet'])
  const limit = limitOf(c)
  const after = whole('after', c.req.query('after'))
  const of = address('device', c.req.query('device'))
  const to = address('wallet', c.req.query('wallet'))
  const where: Where[] = [
    ...(after === undefined ? [] : [lt(payment.place, after)]),
    ...(of === undefined ? [] : [eq(payment.device, of)]),
    ...(to === undefined ? [] : [eq(payment.wallet, to)]),
  ]
  const rows = await db
    .select()
    .from(payment)
    .where(and(...where))
    .orderBy(desc(payment.place))
    .limit(limit + 1)
  return c.json(
    page(
      rows,
      limit,
      ({ place }) => place.toString(),
      ({ place: _, ...row }) => json(row),
    ) satisfies HistoryPage<IndexPayment>,
  )
})

/** Assignments and proofs that the contracts refused, newest first. `after`, `limit`. */
app.get('/v1/refusals', async (c) => {
  onlyKnown(c, ['after', 'limit'])
  const limit = limitOf(c)
  const after = whole('after', c.req.query('after'))
  const rows = await db
    .select()
    .from(refusal)
    .where(after === undefined ? undefined : lt(refusal.place, after))
    .orderBy(desc(refusal.place))
    .limit(limit + 1)
  return c.json(
    page(
      rows,
      limit,
      ({ place }) => place.toString(),
      ({ place: _, ...row }) => json(row),
    ) satisfies HistoryPage<IndexRefusal>,
  )
})

/** Who holds which role of the authority, and which functions a role may call. */
app.get('/v1/roles', async (c) => {
  onlyKnown(c, [])
  const members = await db.select().from(member).orderBy(asc(member.role), asc(member.account)).limit(1_000)
  const permissions = await db.select().from(permission).orderBy(asc(permission.target), asc(permission.selector)).limit(1_000)
  return c.json({ members: members.map(json), permissions: permissions.map(json) } satisfies IndexRoles)
})

app.use('/graphql', graphql({ db, schema }))

export default app
