// SPDX-License-Identifier: Apache-2.0
/** The page's door to the chain: reads of an allow list, in small batches. Whoever wants to send a transaction has a wallet, which has its own node. */
import { z } from 'zod'
import { badRequest } from './errors.ts'
import { ask, type Answer } from './upstream.ts'

export const MOST_CALLS = 20
/** Most blocks of one eth_getLogs. */
export const MOST_BLOCKS = 10_000n

const methods: ReadonlySet<string> = new Set([
  'eth_blockNumber',
  'eth_call',
  'eth_chainId',
  'eth_estimateGas',
  'eth_feeHistory',
  'eth_gasPrice',
  'eth_getBalance',
  'eth_getBlockByHash',
  'eth_getBlockByNumber',
  'eth_getCode',
  'eth_getLogs',
  'eth_getTransactionByHash',
  'eth_getTransactionCount',
  'eth_getTransactionReceipt',
  'eth_maxPriorityFeePerGas',
])

const callSchema = z.strictObject({
  jsonrpc: z.literal('2.0'),
  id: z.union([z.number(), z.string().max(64)]),
  method: z.string().max(64),
  params: z.array(z.unknown()).max(8).optional(),
})

type Call = z.output<typeof callSchema>

/** The body as it may be handed on. @throws TrellisError BAD_REQUEST that says what is not allowed */
export function readCalls(body: unknown): Call | Call[] {
  const parsed = z.union([callSchema, z.array(callSchema).min(1).max(MOST_CALLS)]).safeParse(body)
  if (!parsed.success) throw badRequest(`JSON-RPC 2.0 is taken here: one call, or up to ${MOST_CALLS} of them.`)
  for (const { method, params } of [parsed.data].flat()) {
    if (!methods.has(method)) throw badRequest('This method is not one that the page reads with.', { method, known: [...methods] })
    if (method === 'eth_getLogs') checkSpan(params?.[0])
  }
  return parsed.data
}

const quantity = z.string().regex(/^0x[0-9a-f]{1,16}$/)
const spanSchema = z.union([
  z.looseObject({ blockHash: z.string() }),
  z.looseObject({ blockHash: z.undefined().optional(), fromBlock: quantity, toBlock: quantity }),
])

/** Logs are asked for over a span that is named: without its ends it would be all of the chain. */
function checkSpan(filter: unknown): void {
  const parsed = spanSchema.safeParse(filter)
  if (!parsed.success) throw badRequest('eth_getLogs needs fromBlock and toBlock as numbers, or a blockHash.')
  if (parsed.data.blockHash !== undefined) return
  const { fromBlock, toBlock } = parsed.data as { fromBlock: string; toBlock: string }
  if (BigInt(toBlock) - BigInt(fromBlock) >= MOST_BLOCKS)
    throw badRequest('eth_getLogs takes a shorter span.', { blocks: Number(MOST_BLOCKS) })
}

/** @throws TrellisError UPSTREAM_DOWN */
export const call = (rpcUrl: string, calls: Call | Call[]): Promise<Answer> =>
  ask('chain', rpcUrl, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(calls) })
