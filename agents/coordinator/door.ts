// SPDX-License-Identifier: Apache-2.0
/** The coordinator's HTTP routes: leases and results for provers, who sign each request; tasks and accounting for everybody. */
import { closeSync, createReadStream, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { z } from 'zod'
import { TrellisError, overloaded } from '../kit/errors.ts'
import type { EventHub } from '../kit/events.ts'
import type { HttpApp, HttpContext } from '../kit/http.ts'
import type { Hex } from '../protocol/ids.ts'
import {
  REQUEST_TTL_MS,
  backupSchema,
  failureSchema,
  leaseRequestSchema,
  resultSchema,
  retrySchema,
  verifyRequest,
} from '../protocol/lease.ts'
import { proverUnknown } from './errors.ts'
import type { Leases } from './leases.ts'
import type { Modules } from './modules.ts'
import { takeFailure, takeResult } from './results.ts'
import { openStates, type TaskState } from './schema.ts'

export function routes(modules: Modules, leases: Leases, hub: EventHub): (app: HttpApp) => void {
  const guard = createGuard(modules)
  const signed = async <S extends z.ZodType>(c: HttpContext, schema: S, own = false): Promise<{ address: Hex; content: z.output<S> }> => {
    const body = await c.req.text()
    const { path } = c.req
    const { address, unixMs } = await verifyRequest(c.req.header('authorization'), {
      method: c.req.method,
      host: c.req.header('host') ?? '',
      path,
      body,
      nowMs: modules.now(),
    })
    if (own && address !== modules.sender.address.toLowerCase())
      throw new TrellisError({
        code: 'FORBIDDEN',
        message: 'Only the key of this coordinator may ask for this.',
        details: { coordinator: modules.sender.address },
        next: 'sign with the key in the configuration of this coordinator: its commands take --config FILE',
      })
    await guard(address, unixMs, own)
    const parsed = schema.safeParse(json(body))
    if (!parsed.success)
      throw new TrellisError({ code: 'MALFORMED', message: parsed.error.issues.map((issue) => issue.message).join('; ') })
    return { address, content: parsed.data }
  }
  const fromProver = async <S extends z.ZodType<{ prover: Hex }>>(c: HttpContext, schema: S): Promise<z.output<S>> => {
    const { address, content } = await signed(c, schema)
    if (content.prover !== address) throw new TrellisError({ code: 'FORBIDDEN', message: 'A prover speaks for itself only.' })
    return content
  }

  return (app) => {
    // Tasks for a prover, signed by its key; waits up to `longPollMs` for one.
    app.post('/v1/lease', async (c) => {
      const request = await fromProver(c, leaseRequestSchema)
      return c.json({ tasks: await leases.lease(modules, request, c.req.raw.signal) })
    })
    // A proof, signed by the prover that leased the task.
    app.post('/v1/results', async (c) => c.json(await takeResult(modules, await fromProver(c, resultSchema))))
    // That a proof could not be made, signed by the prover that leased the task.
    app.post('/v1/failures', async (c) => c.json(await takeFailure(modules, await fromProver(c, failureSchema))))
    // Another try for tasks that were put aside, signed by the coordinator's own key (`trellis tasks retry`).
    app.post('/v1/tasks/retry', async (c) => {
      const { content } = await signed(c, retrySchema, true)
      const outcomes = await modules.ledger.retry(content.taskIds)
      modules.log.info({ tasks: outcomes }, 'dead tasks tried again')
      modules.wake.assign()
      return c.json({ tasks: outcomes })
    })
    // Every row of the ledger as lines, signed by the coordinator's own key (`trellis backup`): the folder of the ledger has one opener, which is this process.
    app.post('/v1/backup', async (c) => {
      await signed(c, backupSchema, true)
      const { file, close } = await dumpToFile(modules.ledger)
      c.header('content-type', 'text/plain; charset=utf-8')
      return c.body(Readable.toWeb(createReadStream(file).once('close', close)) as ReadableStream)
    })
    // Tasks in the order in which the coordinator took them: `state` names one state, `limit` is 1 to 500; `next` is the `after` of the page that follows,
    // null at the end.
    app.get('/v1/tasks', async (c) => {
      const { state, limit, after } = taskQuery(c.req.query())
      if (after !== null && (await modules.ledger.get(after)) === null)
        throw badRequest('after is the taskId of a task that this coordinator listed.', { after })
      const tasks = await modules.ledger.list(state, limit, after)
      return c.json({
        tasks: tasks.map(({ item: _item, proof: _proof, job: _job, ...task }) => ({ ...task, project: task.project.toString() })),
        next: tasks.length < limit ? null : (tasks.at(-1)?.id ?? null),
      })
    })
    // One task, by its id.
    app.get('/v1/tasks/:id', async (c) => {
      const id = c.req.param('id')
      const task = /^0x[0-9a-f]{64}$/.test(id) ? await modules.ledger.get(id as Hex) : null
      if (task === null) throw new TrellisError({ code: 'NOT_FOUND', message: 'This coordinator knows no such task.' })
      const { item: _item, proof: _proof, job: _job, ...rest } = task
      return c.json({ ...rest, project: task.project.toString() })
    })
    // Server-sent events: `task` at each change of a task's state; `gap` where a reader fell behind. Resumes after `Last-Event-ID`.
    app.get('/v1/events', (c) => hub.answer(c))
    // Tasks and readings by state, how many are pending, and the reasons of those put aside.
    app.get('/v1/accounting', async (c) => {
      const [states, refused] = await Promise.all([modules.ledger.counts(), modules.ledger.reasons()])
      const pending = openStates.reduce((sum, state) => sum + states[state].tasks, 0)
      return c.json({ states, pending, refused })
    })
  }
}

/** The reader may be slow: what it reads lies on disk, and nothing waits for it. */
async function dumpToFile(ledger: Modules['ledger']): Promise<{ file: string; close: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'trellis-backup-'))
  const close = (): void => rmSync(folder, { recursive: true, force: true })
  const file = join(folder, 'ledger')
  const handle = openSync(file, 'wx', 0o600)
  try {
    await ledger.dump((line) => writeSync(handle, `${line}\n`))
    return { file, close }
  } catch (error) {
    close()
    throw error
  } finally {
    closeSync(handle)
  }
}

/** Requests of one prover that are remembered at once: more of them within the life of a signature are refused, and no other prover is. */
const usesOfOne = 2_000
/** Provers whose requests are remembered. */
const maxProvers = 10_000

/** Registered on chain (unless `own`, the coordinator's own key), and each signature once. */
function createGuard({ view, now }: Modules) {
  const used = new Map<Hex, Map<number, number>>()
  const known = new Map<Hex, number>()
  return async (address: Hex, unixMs: number, own: boolean): Promise<void> => {
    if (!own && (known.get(address) ?? 0) < now()) {
      if (!(await view.isProver(address))) throw proverUnknown(address)
      if (known.size >= maxProvers) known.clear()
      known.set(address, now() + 60_000)
    }
    const before = now() - 2 * REQUEST_TTL_MS
    const mine = used.get(address) ?? new Map<number, number>()
    for (const [signedAt, at] of mine) {
      if (at >= before) break
      mine.delete(signedAt)
    }
    if (mine.size >= usesOfOne) throw overloaded('The request memory of this prover', usesOfOne)
    if (!used.has(address) && used.size >= maxProvers) {
      for (const [other, uses] of used) if ([...uses.values()].every((at) => at < before)) used.delete(other)
      if (used.size >= maxProvers) throw overloaded('The request memory', maxProvers)
    }
    if (mine.has(unixMs))
      throw new TrellisError({ code: 'UNAUTHENTICATED', message: 'This signature was used already.', next: 'sign each request anew' })
    mine.set(unixMs, now())
    used.set(address, mine)
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new TrellisError({ code: 'MALFORMED', message: 'The body is not JSON.' })
  }
}

const taskParameters = ['state', 'limit', 'after'] as const
const taskStates: readonly TaskState[] = [...openStates, 'settled', 'dead']

const badRequest = (message: string, details: Record<string, unknown>): TrellisError =>
  new TrellisError({ code: 'BAD_REQUEST', message, details })

/** The parameters of `GET /v1/tasks`: pages of 1 to 500 tasks, 100 when nothing is said. @throws TrellisError BAD_REQUEST */
export function taskQuery(given: Readonly<Record<string, string>>): { state: TaskState | null; limit: number; after: Hex | null } {
  const unknown = Object.keys(given).filter((name) => !taskParameters.some((known) => known === name))
  if (unknown.length > 0) throw badRequest(`There is no parameter ${unknown[0]!.slice(0, 40)}.`, { known: taskParameters })
  const { state, limit = '100', after } = given
  const found = taskStates.find((name) => name === state)
  if (state !== undefined && found === undefined) throw badRequest(`There is no state ${state.slice(0, 20)}.`, { known: taskStates })
  if (!/^[0-9]{1,3}$/.test(limit) || Number(limit) < 1 || Number(limit) > 500)
    throw badRequest('limit is 1 to 500.', { limit: limit.slice(0, 40) })
  if (after !== undefined && !/^0x[0-9a-f]{64}$/.test(after))
    throw badRequest('after is a taskId: 0x and 64 lower-case hex digits.', { after: after.slice(0, 80) })
  return { state: found ?? null, limit: Number(limit), after: (after as Hex | undefined) ?? null }
}
