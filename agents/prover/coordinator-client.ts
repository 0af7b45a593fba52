// SPDX-License-Identifier: GPL-3.0-or-later
/** The coordinator's API, each request signed with the prover's key. */
import type { LocalAccount } from 'viem'
import { TrellisError } from '../kit/errors.ts'
import type { Hex } from '../protocol/ids.ts'
import {
  authorizeRequest,
  leaseAnswerSchema,
  leasedTaskSchema,
  resultAnswerSchema,
  type LeasedTask,
  type ResultAnswer,
} from '../protocol/lease.ts'
import { coordinatorFailed } from './errors.ts'

/** The coordinator holds a lease request for 20 s at most. */
const leaseTimeoutMs = 30_000
const timeoutMs = 15_000
const maxBytes = 1 << 20

export type CoordinatorClient = ReturnType<typeof createCoordinatorClient>

export function createCoordinatorClient(baseUrl: string, account: LocalAccount) {
  let lastMs = 0
  const prover = account.address.toLowerCase() as Hex

  const post = async (path: string, content: object, limitMs: number, signal?: AbortSignal): Promise<unknown> => {
    const { href: url, host } = new URL(path, baseUrl)
    const body = JSON.stringify({ prover, ...content })
    // Each signature is good once: two requests never carry the same millisecond.
    const unixMs = (lastMs = Math.max(Date.now(), lastMs + 1))
    const authorization = await authorizeRequest(account, { method: 'POST', host, path, body, unixMs })
    let status = 0
    let text: string
    try {
      const timeout = AbortSignal.timeout(limitMs)
      const response = await fetch(url, {
        method: 'POST',
        body,
        headers: { authorization, 'content-type': 'application/json' },
        redirect: 'error',
        signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
      })
      status = response.status
      text = await response.text()
      if (text.length > maxBytes) throw new Error(`${text.length} bytes`)
      if (response.ok) return JSON.parse(text) as unknown
    } catch (error) {
      throw coordinatorFailed(url, error)
    }
    throw refusal(url, status, text)
  }

  return {
    /** Tasks to prove, besides those that are held; waits up to 20 s for the first. Leases that cannot be read are left out: they run out by themselves. */
    async lease(max: number, holding: readonly Hex[], signal?: AbortSignal): Promise<{ task: LeasedTask; json: unknown }[]> {
      const { tasks } = leaseAnswerSchema.parse(await post('/v1/lease', { max, holding }, leaseTimeoutMs, signal))
      return tasks.flatMap((json) => {
        const parsed = leasedTaskSchema.safeParse(json)
        return parsed.success ? [{ task: parsed.data, json }] : []
      })
    },
    async result(taskId: Hex, proof: readonly string[], publicSignals: readonly string[]): Promise<ResultAnswer> {
      return resultAnswerSchema.parse(await post('/v1/results', { taskId, proof, publicSignals }, timeoutMs))
    },
    async failure(taskId: Hex, reason: string): Promise<ResultAnswer> {
      return resultAnswerSchema.parse(await post('/v1/failures', { taskId, reason }, timeoutMs))
    },
  }
}

/** What the coordinator said, as its own error when it said it in our shape. */
function refusal(url: string, status: number, text: string): TrellisError {
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; next: string | null } }
    return new TrellisError({
      code: error.code,
      message: error.message,
      details: { url, status },
      retryable: true,
      next: error.next ?? 'see the coordinator’s log',
    })
  } catch {
    return coordinatorFailed(url, new Error(`HTTP ${status}`))
  }
}
