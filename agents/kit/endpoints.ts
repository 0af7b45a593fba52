// SPDX-License-Identifier: Apache-2.0
/** The RPC endpoints of one chain: each proves that it serves that chain before it is believed, and requests go to the first that answers. */
import {
  BaseError,
  HttpRequestError,
  LimitExceededRpcError,
  RpcRequestError,
  TimeoutError,
  UnknownRpcError,
  createPublicClient,
  http,
} from 'viem'
import type { Chain, Hex, PublicClient, Transport } from 'viem'
import { TrellisError, chainReset, placeOf, rpcFailed } from './errors.ts'
import { createBackoff } from './lifecycle.ts'
import type { Logger } from './log.ts'

export interface EndpointOptions {
  /** In order of preference. */
  urls: readonly string[]
  chain: Chain
  genesisHash: Hex
  /** Milliseconds one RPC call may take. */
  timeoutMs: number
  log?: Logger | undefined
  /** Told of each request that got no answer. */
  onSilence?: (() => void) | undefined
}

/** What one endpoint answered. */
export interface Answer<T> {
  place: string
  value: T
}

export interface Endpoints {
  /** Sends each request to the first endpoint that answers. */
  readonly transport: Transport
  /** Grows when another endpoint answers than before: what was read until then may be newer than what is read now. */
  readonly turns: number
  /** Asks all that answer, at once. Rejections that are a node's answer (an RPC error) are told as such; at least one outcome comes back. @throws RPC_FAILED */
  each<T>(ask: (client: PublicClient<Transport, Chain>) => Promise<T>): Promise<PromiseSettledResult<Answer<T>>[]>
  /** Asks for chain id and genesis again. @throws WRONG_CHAIN | CHAIN_RESET when no endpoint serves this chain; RPC_FAILED when one may, but does not answer */
  check(): Promise<void>
}

type Ask = (args: { method: string; params?: unknown }, options?: object) => Promise<unknown>

interface Endpoint {
  place: string
  request: Ask
  client: PublicClient<Transport, Chain>
  verify(): Promise<void>
  /** `down` rests until it answers a probe; `other` served another chain when it was last asked. */
  state: 'up' | 'down' | 'other'
  probeAt: number
  delays: ReturnType<typeof createBackoff>
}

/** Pauses between probes of an endpoint that does not answer, milliseconds. */
const rest = { firstMs: 1_000, capMs: 60_000, jitter: 0 }

export function openEndpoints({ urls, chain, genesisHash, timeoutMs, log, onSilence }: EndpointOptions): Endpoints {
  const alone = urls.length === 1
  let turns = 0
  let last: Endpoint | null = null

  const mark = (endpoint: Endpoint, state: Endpoint['state'], error?: unknown): void => {
    if (state === 'up') endpoint.delays.reset()
    else endpoint.probeAt = Date.now() + endpoint.delays.next()
    if (endpoint.state === state) return
    endpoint.state = state
    if (alone) return
    if (state === 'up') log?.info({ rpcUrl: endpoint.place }, 'RPC endpoint is back')
    else log?.warn({ rpcUrl: endpoint.place, err: rpcFailed(endpoint.place, error) }, 'RPC endpoint is left for the others')
  }

  const open = (url: string): Endpoint => {
    const place = placeOf(url)
    // Reads made in one turn of the event loop travel as one request. Alone, an endpoint is asked again; with others, the next is.
    const retryCount = alone ? 2 : 0
    const config = { timeout: timeoutMs, retryCount, retryDelay: 100, batch: { batchSize: 100 }, fetchFn: fetchWithin(timeoutMs) }
    const inner = http(url, config)({ chain, retryCount, timeout: timeoutMs })
    const ask = inner.request as Ask
    let verifying: Promise<void> | null = null
    let verified = false

    const identify = async (): Promise<void> => {
      const [id, genesis] = (await Promise.all([
        ask({ method: 'eth_chainId' }),
        ask({ method: 'eth_getBlockByNumber', params: ['0x0', false] }),
      ])) as [Hex, { hash: Hex } | null]
      if (Number(id) !== chain.id) throw wrongChain({ rpcUrl: place, expected: chain.id, found: Number(id) })
      if (genesis === null) throw rpcFailed(url, 'it has no block 0')
      if (genesis.hash !== genesisHash) throw chainReset({ rpcUrl: place, expected: genesisHash, found: genesis.hash })
    }
    const verify = (): Promise<void> => {
      verifying ??= identify()
        .then(
          () => {
            verified = true
            mark(endpoint, 'up')
          },
          (error: unknown) => {
            verified = false
            mark(endpoint, isOther(error) ? 'other' : 'down', error)
            throw error
          },
        )
        .finally(() => (verifying = null))
      return verifying
    }
    const request: Ask = async (args, options) => {
      if (!verified) await verify()
      try {
        return await ask(args, options)
      } catch (error) {
        if (isSilence(error)) {
          // Whoever answers at this address the next time may be another chain.
          verified = false
          onSilence?.()
          mark(endpoint, 'down', error)
        }
        throw error
      }
    }
    const transport = (() => ({ ...inner, request })) as unknown as Transport
    const client = createPublicClient({ chain, transport, cacheTime: 0 })
    const endpoint: Endpoint = { place, request, client, verify, state: 'up', probeAt: 0, delays: createBackoff(rest) }
    return endpoint
  }
  const endpoints = urls.map(open)

  /** Those that are up, in order; when none is, all. What rests is probed beside, so that no request waits for it. */
  const usable = (): Endpoint[] => {
    const up = endpoints.filter(({ state }) => state === 'up')
    if (up.length === 0) return endpoints
    for (const endpoint of endpoints) {
      if (endpoint.state === 'up' || endpoint.probeAt > Date.now()) continue
      endpoint.probeAt = Infinity
      endpoint.verify().catch(() => undefined)
    }
    return up
  }

  /** Why nobody answered: another chain only when every endpoint serves one, for one that is silent may come back right. */
  const nobody = (errors: readonly unknown[]): unknown => {
    if (endpoints.every(({ state }) => state === 'other')) return errors.find(isOther)
    return errors.find((error) => !isOther(error)) ?? rpcFailed(endpoints[0]!.place, errors[0])
  }

  const request: Ask = async (args, options) => {
    const errors: unknown[] = []
    for (const endpoint of usable()) {
      try {
        const value = await endpoint.request(args, options)
        if (endpoint !== last) {
          last = endpoint
          turns += 1
        }
        return value
      } catch (error) {
        if (!isSilence(error) && !isOther(error)) throw error
        errors.push(error)
      }
    }
    throw nobody(errors)
  }

  const first = endpoints[0]!
  return {
    // The first one's own, but for who is asked: errors come out as viem's transport made them.
    transport: (() => ({ ...first.client.transport, config: first.client.transport, request })) as unknown as Transport,
    get turns() {
      return turns
    },
    async each(ask) {
      const asked = usable()
      const outcomes = await Promise.allSettled(asked.map(async ({ place, client }) => ({ place, value: await ask(client) })))
      const told = outcomes.filter((outcome) => outcome.status === 'fulfilled' || !(isSilence(outcome.reason) || isOther(outcome.reason)))
      if (told.length > 0) return told
      throw rpcFailed(first.place, nobody(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as unknown)))
    },
    async check() {
      const due = endpoints.filter(({ state, probeAt }) => alone || state === 'up' || probeAt <= Date.now())
      const asked = due.length > 0 ? due : endpoints
      const outcomes = await Promise.allSettled(asked.map((endpoint) => endpoint.verify()))
      if (outcomes.some(({ status }) => status === 'fulfilled')) return
      throw rpcFailed(first.place, nobody(outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as unknown)))
    },
  }
}

function wrongChain(details: { rpcUrl: string; expected: number; found: number }): TrellisError {
  return new TrellisError({
    code: 'WRONG_CHAIN',
    message: 'The RPC serves a chain with another id.',
    details,
    next: 'point chain.rpcUrl and chain.otherRpcUrls at the chain that the addresses file was made on',
  })
}

/** The endpoint serves another chain. */
function isOther(error: unknown): boolean {
  const known = inside(error, (inner) => inner instanceof TrellisError)
  return known instanceof TrellisError && (known.code === 'WRONG_CHAIN' || known.code === 'CHAIN_RESET')
}

/** Nobody answered as a node does: no connection, no answer in time, a server's error page, too many requests. */
function isSilence(error: unknown): boolean {
  const kinds = [HttpRequestError, TimeoutError, LimitExceededRpcError, UnknownRpcError]
  const silent = (inner: unknown): boolean =>
    kinds.some((kind) => inner instanceof kind) ||
    (inner instanceof RpcRequestError && tooMany.has(inner.code)) ||
    (inner instanceof TrellisError && inner.retryable)
  return inside(error, silent) !== null
}

/** Codes of providers for too many requests. */
const tooMany = new Set([429, -32_007])

/** viem's limit ends with the headers; a body that never ends must not hold an agent. */
function fetchWithin(ms: number): typeof fetch {
  return (input, init) => {
    const limit = AbortSignal.timeout(ms)
    return fetch(input, { ...init, signal: AbortSignal.any([limit, ...(init?.signal ? [init.signal] : [])]) })
  }
}

function inside(error: unknown, wanted: (inner: unknown) => boolean): unknown {
  if (error instanceof BaseError) return error.walk(wanted)
  return wanted(error) ? error : null
}
