// SPDX-License-Identifier: Apache-2.0
/** The coordinator's HTTP routes: leases and results for provers, who sign each request; tasks and accounting for everybody. */
import type { z } from 'zod'
import { TrellisError, overloaded } from '../kit/errors.ts'
import type { HttpApp, HttpContext } from '../kit/http.ts'
import type { Hex } from '../protocol/ids.ts'
import { REQUEST_TTL_MS, failureSchema, leaseRequestSchema, resultSchema, verifyRequest } from '../protocol/lease.ts'
import { proverUnknown } from './errors.ts'
import type { Leases } from './leases.ts'
import type { Modules } from './modules.ts'
import { takeFailure, takeResult } from './results.ts'
import { openStates, type TaskState } from './schema.ts'

export function routes(modules: Modules, leases: Leases): (app: HttpApp) => void {
  const guard = createGuard(modules)
  const signed = async <S extends z.ZodType<{ prover: Hex }>>(c: HttpContext, schema: S): Promise<z.output<S>> => {
    const body = await c.req.text()
    const { path } = c.req
    const { address, unixMs } = await verifyRequest(c.req.header('authorization'), {
      method: c.req.method,
      host: c.req.header('host') ?? '',
      path,
      body,
      nowMs: modules.now(),
    })
    await guard(address, unixMs)
    const parsed = schema.safeParse(json(body))
    if (!parsed.success)
      throw new TrellisError({ code: 'MALFORMED', message: parsed.error.issues.map((issue) => issue.message).join('; ') })
    if (parsed.data.prover !== address) throw new TrellisError({ code: 'FORBIDDEN', message: 'A prover speaks for itself only.' })
    return parsed.data
  }

  return (app) => {
    app.post('/v1/lease', async (c) => {
      const request = await signed(c, leaseRequestSchema)
      return c.json({ tasks: await leases.lease(modules, request, c.req.raw.signal) })
    })
    app.post('/v1/results', async (c) => c.json(await takeResult(modules, await signed(c, resultSchema))))
    app.post('/v1/failures', async (c) => c.json(await takeFailure(modules, await signed(c, failureSchema))))
    app.get('/v1/tasks', async (c) => {
      const limit = Math.min(500, Math.max(1, Number(c.req.query('limit') ?? '100') || 100))
      const tasks = await modules.ledger.list(stateOf(c.req.query('state')), limit)
      return c.json({
        tasks: tasks.map(({ item: _item, proof: _proof, job: _job, ...task }) => ({ ...task, project: task.project.toString() })),
      })
    })
    app.get('/v1/accounting', async (c) => {
      const [states, refused] = await Promise.all([modules.ledger.counts(), modules.ledger.reasons()])
      const pending = openStates.reduce((sum, state) => sum + states[state].tasks, 0)
      return c.json({ states, pending, refused })
    })
  }
}

/** Registered on chain, and each signature once. */
function createGuard({ view, now }: Modules) {
  const maxUses = 20_000
  const used = new Map<string, number>()
  const known = new Map<Hex, number>()
  return async (address: Hex, unixMs: number): Promise<void> => {
    for (const [key, at] of used) {
      if (now() - at < 2 * REQUEST_TTL_MS) break
      used.delete(key)
    }
    if (used.size >= maxUses) throw overloaded('The request memory', maxUses)
    if ((known.get(address) ?? 0) < now()) {
      if (!(await view.isProver(address))) throw proverUnknown(address)
      if (known.size > 10_000) known.clear()
      known.set(address, now() + 60_000)
    }
    const key = `${address}.${unixMs}`
    if (used.has(key))
      throw new TrellisError({ code: 'UNAUTHENTICATED', message: 'This signature was used already.', next: 'sign each request anew' })
    used.set(key, now())
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new TrellisError({ code: 'MALFORMED', message: 'The body is not JSON.' })
  }
}

function stateOf(text: string | undefined): TaskState | null {
  if (text === undefined) return null
  const known = [...openStates, 'settled', 'dead'] as const
  const state = known.find((name) => name === text)
  if (state === undefined)
    throw new TrellisError({ code: 'BAD_REQUEST', message: `There is no state ${text.slice(0, 20)}.`, details: { known } })
  return state
}
