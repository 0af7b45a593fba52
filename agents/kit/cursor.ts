// SPDX-License-Identifier: Apache-2.0
/** Events of a chain, each once and in order, over restarts and reorganisations: a cursor that knows which blocks it has seen. */
import { BlockNotFoundError, type AbiEvent, type Address, type GetLogsReturnType, type Hex } from 'viem'
import type { ChainClient } from './chain.ts'
import { TrellisError, reorgTooDeep, rpcFailed } from './errors.ts'
import type { Next } from './lifecycle.ts'

/** A block that was worked on, by number and hash. */
interface Seen {
  block: bigint
  hash: Hex
}

export interface ScanBatch<E extends readonly AbiEvent[]> {
  /** Logs of blocks `from`..`to`, oldest first, arguments decoded. */
  logs: GetLogsReturnType<undefined, E, true>
  from: bigint
  to: bigint
  /** Not null: undo what came from blocks above this one before anything else. `logs` is empty then. */
  rollbackTo: bigint | null
  /** The cursor after this batch: save it in the same transaction as the batch's effects. */
  position: string
}

export interface ScannerOptions<E extends readonly AbiEvent[]> {
  name: string
  chain: ChainClient
  addresses: readonly Address[]
  events: E
  /** First block that can hold an event: the deployment's. */
  fromBlock: bigint
  /** Most blocks asked for at once. */
  maxRange?: number
  /** The saved cursor, or null at the first run. */
  load: () => string | null | Promise<string | null>
  /** Takes a batch: effects and `position` in one transaction. Called one at a time. */
  apply: (batch: ScanBatch<E>) => void | Promise<void>
}

export interface Scanner {
  /** Works off at most one range. @throws TrellisError CHAIN_RESET | REORG_TOO_DEEP | RPC_FAILED */
  pass(): Promise<Next>
}

/** Scans only confirmed blocks, and still undoes a reorganisation that reaches below them. */
export function createScanner<const E extends readonly AbiEvent[]>(options: ScannerOptions<E>): Scanner {
  const { name, chain, addresses, events, fromBlock, maxRange = 2_000, load, apply } = options
  const start: Seen = { block: fromBlock - 1n, hash: '0x' }

  const hashOf = async (block: bigint): Promise<Hex | null> => {
    try {
      return (await chain.public.getBlock({ blockNumber: block })).hash
    } catch (error) {
      if (error instanceof BlockNotFoundError) return null
      throw error
    }
  }

  /** Drops seen blocks that are no longer on the chain; the newest that still is. */
  const rollback = async (trail: Seen[]): Promise<void> => {
    // A wiped chain looks like the deepest reorganisation of all; it has its own error.
    await chain.check()
    const tip = trail.at(-1) ?? start
    const kept = [...trail]
    for (let seen = kept.at(-1); seen !== undefined; seen = kept.at(-1)) {
      if ((await hashOf(seen.block)) === seen.hash) break
      kept.pop()
    }
    const to = kept.at(-1) ?? start
    const tooDeep = tip.block - to.block > BigInt(chain.policy.reorgDepth) && kept.length === 0
    if (tooDeep) throw reorgTooDeep({ scanner: name, block: tip.block, reorgDepth: chain.policy.reorgDepth })
    await apply({ logs: [], from: to.block + 1n, to: to.block, rollbackTo: to.block, position: write(kept) })
  }

  const scan = async (): Promise<Next> => {
    const trail = read(await load())
    const tip = trail.at(-1)
    const head = await chain.confirmedBlock()
    // Blocks above the head prove nothing: an endpoint that lags has not got them yet. A seen block below it that is another one does.
    const witness = trail.findLast((seen) => seen.block <= head)
    if (witness !== undefined && (await hashOf(witness.block)) !== witness.hash) {
      await rollback(trail)
      return 'again'
    }
    const from = (tip ?? start).block + 1n
    if (head < from) return 'wait'
    const to = head - from >= BigInt(maxRange) ? from + BigInt(maxRange) - 1n : head
    // After a long range too, a block as old as the deepest reorganisation is known.
    const oldest = to - BigInt(chain.policy.reorgDepth)
    const [hash, anchor] = await Promise.all([hashOf(to), oldest >= from ? hashOf(oldest) : null])
    const logs = await chain.public.getLogs({ address: [...addresses], events, fromBlock: from, toBlock: to, strict: true })
    // The range was read in several calls; if its last block changed meanwhile, read it again.
    if (hash === null || (await hashOf(to)) !== hash) return 'again'
    const kept = anchor === null ? trail : [...trail, { block: oldest, hash: anchor }]
    const first = kept.findLastIndex((seen) => seen.block <= oldest)
    await apply({ logs, from, to, rollbackTo: null, position: write([...kept.slice(Math.max(0, first)), { block: to, hash }]) })
    return to === head ? 'wait' : 'again'
  }

  let passing: Promise<Next> | null = null
  return {
    async pass() {
      // Two loops may ask for one: what the first finds is for both.
      passing ??= scan().finally(() => (passing = null))
      try {
        return await passing
      } catch (error) {
        throw error instanceof TrellisError || !isTransport(error) ? error : rpcFailed(chain.rpcUrl, error)
      }
    },
  }
}

function isTransport(error: unknown): boolean {
  return error instanceof Error && 'shortMessage' in error
}

function write(trail: readonly Seen[]): string {
  return JSON.stringify(trail.map(({ block, hash }) => [block.toString(), hash]))
}

function read(position: string | null): Seen[] {
  if (position === null) return []
  return (JSON.parse(position) as [string, Hex][]).map(([block, hash]) => ({ block: BigInt(block), hash }))
}
