// SPDX-License-Identifier: Apache-2.0
/** What is asked of the index: GET of its reads and GraphQL, handed to Ponder, which listens to this door only. */
import type { HttpApp } from '../kit/http.ts'
import { toTrellisError } from '../kit/errors.ts'
import type { IndexStatus } from '../protocol/history.ts'
import { notReady } from './errors.ts'
import type { IndexState } from './loop.ts'

const timeoutMs = 15_000

export function routes(app: HttpApp, state: IndexState, secret: string): void {
  /** How far the index is, and of which chain. */
  app.get('/v1/status', (c) => {
    const { genesisHash, block, head, generation, notReady } = state
    const lag = head === null || block === null ? null : Math.max(0, head - block)
    return c.json({ genesisHash, block, head, lag, generation, ready: notReady === null, reason: notReady } satisfies IndexStatus)
  })
  /** The reads below, handed to Ponder. */
  app.get('/v1/*', (c) => ask(c.req.raw))
  /** A page to try GraphQL. */
  app.get('/graphql', (c) => ask(c.req.raw))
  /** GraphQL over all tables. */
  app.post('/graphql', async (c) => ask(c.req.raw, await c.req.text()))

  async function ask({ url, method }: Request, body?: string): Promise<Response> {
    if (state.url === null) throw notReady(state.notReady ?? 'it starts')
    const { pathname, search } = new URL(url)
    const headers = { 'x-trellis-door': secret, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
    const answer = await fetch(`${state.url}${pathname}${search}`, {
      method,
      headers,
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body }),
    }).catch((error: unknown) => {
      throw notReady(toTrellisError(error).message)
    })
    const type = answer.headers.get('content-type') ?? 'application/json'
    return new Response(answer.body, { status: answer.status, headers: { 'content-type': type, 'x-content-type-options': 'nosniff' } })
  }
}
