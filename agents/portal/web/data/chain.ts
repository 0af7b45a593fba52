// SPDX-License-Identifier: Apache-2.0
/** Reads of the chain, through the portal's read-only door. */
import { type AbiEvent, createPublicClient, type GetLogsReturnType, http, type PublicClient } from 'viem'
import type { Network } from '../../api.ts'
import type { Hex } from '../../../protocol/ids.ts'

/** Most blocks of one eth_getLogs, as the door allows. */
const SPAN = 10_000n
/** Spans that a page asks for at most: beyond them is the indexer's. */
const SPANS = 5

/** Calls of one moment go as one batch of at most twenty. */
export const chain: PublicClient = createPublicClient({
  transport: http(`${location.origin}/api/v1/rpc`, { batch: { batchSize: 20, wait: 8 }, retryCount: 1, timeout: 15_000 }),
  cacheTime: 0,
})

/** @throws when the network has no contract of this name */
export function addressOf(network: Network, name: string): Hex {
  const found = network.contracts.find((contract) => contract.name === name)
  if (found === undefined) throw new Error(`This network has no ${name}.`)
  return found.address
}

interface LogsQuery<E extends AbiEvent> {
  address: Hex
  event: E
  args?: Record<string, unknown>
}

type Logs<E extends AbiEvent> = GetLogsReturnType<E, [E], true, bigint, bigint>

/** Logs of an event, oldest first, over the newest 50,000 blocks at most. */
export async function logsOf<E extends AbiEvent>(network: Network, { address, event, args }: LogsQuery<E>): Promise<Logs<E>> {
  const first = BigInt(network.deployedAtBlock)
  let toBlock = await chain.getBlockNumber()
  let found: Logs<E> = []
  for (let i = 0; i < SPANS && toBlock >= first; i++) {
    const fromBlock = toBlock - SPAN + 1n > first ? toBlock - SPAN + 1n : first
    // viem narrows `args` by the event; here the event is a parameter.
    const span = await chain.getLogs({ address, event, args: args as never, fromBlock, toBlock, strict: true })
    found = [...span, ...found] as Logs<E>
    toBlock = fromBlock - 1n
  }
  return found
}
