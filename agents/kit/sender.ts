// SPDX-License-Identifier: Apache-2.0
/** Transactions of one key, one after the other: simulated first, nonce from the chain, sent again when they hang, reverts named. */
import { encodeFunctionData, keccak256 } from 'viem'
import type {
  Abi,
  ContractFunctionName,
  ContractFunctionParameters,
  EncodeFunctionDataParameters,
  Hex,
  LocalAccount,
  TransactionReceipt,
} from 'viem'
import type { ChainClient } from './chain.ts'
import { TrellisError, overloaded, rpcFailed } from './errors.ts'
import { sleep } from './lifecycle.ts'
import type { Logger } from './log.ts'
import { callFailed, callReverted, findRevert, type AbiError } from './reverts.ts'

type Mutability = 'nonpayable' | 'payable'

/** A state-changing call, typed by its ABI. */
export type Call<A extends Abi | readonly unknown[], N extends ContractFunctionName<A, Mutability>> = ContractFunctionParameters<
  A,
  Mutability,
  N
>

export interface SenderOptions {
  chain: ChainClient
  /** Read anew for each call, so that a key may change under a running agent; the call that runs ends with the key it began with. */
  key: { readonly account: LocalAccount }
  /** Errors to decode reverts with: `errorsOf(...abis)`. */
  errors: readonly AbiError[]
  log: Logger
  /** Most calls waiting for their turn. */
  maxWaiting?: number
  /** Milliseconds without a receipt before the same nonce is sent again with a higher fee. */
  resendMs?: number
  /** Times a transaction is sent before the sender gives up on waiting. */
  maxSends?: number
}

export interface Sender {
  /** Of the key now. */
  readonly address: Hex
  /** Calls waiting, the running one included. */
  readonly waiting: number
  /**
   * Simulates, sends, waits for the receipt. A call is not remembered over a crash: the caller asks the chain what is
   * so and calls again, which is why every call sent here must be refused by its contract the second time.
   * @throws TrellisError CALL_REVERTED (`details.error` names it; nothing was sent when the simulation says so), RPC_FAILED,
   *   TX_STUCK (retryable), OVERLOADED, STOPPED
   */
  send<const A extends Abi | readonly unknown[], N extends ContractFunctionName<A, Mutability>>(
    call: Call<A, N>,
  ): Promise<TransactionReceipt>
  /** Gas the call would take now. @throws like `send`; sends nothing. */
  simulate<const A extends Abi | readonly unknown[], N extends ContractFunctionName<A, Mutability>>(call: Call<A, N>): Promise<bigint>
  /** Takes no more calls and waits for the running one. */
  close(): Promise<void>
}

interface Request {
  to: Hex
  data: Hex
  value: bigint
  function: string
}

interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

/** Gas limit over the estimate, percent: state may move between the estimate and the block. */
const gasMargin = 125n
/** A replacement must pay at least 10 % more; 25 % also overtakes a rising base fee. */
const feeStep = 125n

/** One sender per key and chain in a process; two processes with one key get in each other's way but lose nothing. */
export function createSender(options: SenderOptions): Sender {
  const { chain, key, errors, log, maxWaiting = 256, resendMs = 30_000, maxSends = 5 } = options
  let tail: Promise<unknown> = Promise.resolve()
  let waiting = 0
  let closed = false
  /** Whose transactions of an earlier run were waited for. */
  let caughtUp: Hex | null = null

  const simulate = async (request: Request, account: LocalAccount): Promise<bigint> => {
    const { to, data, value } = request
    try {
      return await chain.public.estimateGas({ account: account.address, to, data, value })
    } catch (error) {
      throw callFailed(error, { to, function: request.function, rpcUrl: chain.rpcUrl }, errors)
    }
  }

  /** After a restart transactions of the last run may still be in the pool: their outcome must be visible before we act on state. */
  const catchUp = async (address: Hex): Promise<void> => {
    const until = Date.now() + resendMs
    for (;;) {
      const [latest, pending] = await Promise.all([count(address, 'latest'), count(address, 'pending')])
      if (pending <= latest || Date.now() > until) break
      await sleep(chain.policy.pollMs)
    }
    caughtUp = address
  }
  const count = (address: Hex, blockTag: 'latest' | 'pending'): Promise<number> =>
    chain.public.getTransactionCount({ address, blockTag }).catch((error: unknown) => Promise.reject(rpcFailed(chain.rpcUrl, error)))

  const run = async (request: Request): Promise<TransactionReceipt> => {
    const { account } = key
    if (caughtUp !== account.address) await catchUp(account.address)
    for (let attempt = 1; ; attempt++) {
      const gas = ((await simulate(request, account)) * gasMargin) / 100n
      const nonce = await count(account.address, 'latest')
      const receipt = await sendOnce(request, account, gas, nonce)
      if (receipt !== 'nonce taken') return receipt
      // Another process sent with this key. What it did may be what we wanted: simulate again on the new state.
      log.warn({ nonce, function: request.function }, 'nonce taken by another sender of this key')
      if (attempt >= maxSends) throw stuck(request, account, [])
      await sleep(chain.policy.pollMs)
    }
  }

  const sendOnce = async (
    request: Request,
    account: LocalAccount,
    gas: bigint,
    nonce: number,
  ): Promise<TransactionReceipt | 'nonce taken'> => {
    const wallet = chain.wallet(account)
    const hashes: Hex[] = []
    let fees = await estimateFees()
    for (let send = 1; send <= maxSends; send++) {
      const { to, data, value } = request
      const raw = await wallet.signTransaction({ type: 'eip1559', chainId: chain.chainId, to, data, value, gas, nonce, ...fees })
      const hash = keccak256(raw)
      try {
        await chain.public.sendRawTransaction({ serializedTransaction: raw })
        hashes.push(hash)
      } catch (error) {
        const text = messageOf(error)
        if (/already known|already imported|known transaction/i.test(text)) hashes.push(hash)
        else if (/nonce.*too low|nonce has already been used/i.test(text)) {
          return await ours(hashes, request, account)
        } else if (/underpriced|fee too low|replacement/i.test(text)) {
          log.debug({ nonce, send }, 'a transaction with this nonce is in the pool already; its fee must be beaten')
        } else {
          // A node that mines at once reports a revert here although the transaction is in a block.
          const mined = await findReceipt([hash])
          if (mined !== null) return done(mined, request, account)
          if (findRevert(error, errors) === null) throw rpcFailed(chain.rpcUrl, error)
          throw callFailed(error, { to, function: request.function, rpcUrl: chain.rpcUrl }, errors)
        }
      }
      const receipt = await waitForReceipt(hashes)
      if (receipt !== null) return done(receipt, request, account)
      if ((await count(account.address, 'latest')) > nonce) return await ours(hashes, request, account)
      fees = {
        maxFeePerGas: (fees.maxFeePerGas * feeStep) / 100n + 1n,
        maxPriorityFeePerGas: (fees.maxPriorityFeePerGas * feeStep) / 100n + 1n,
      }
      log.warn({ nonce, send, tx: hash, function: request.function }, 'no receipt yet: sending again with a higher fee')
    }
    throw stuck(request, account, hashes)
  }

  const estimateFees = async (): Promise<Fees> => {
    try {
      return await chain.public.estimateFeesPerGas({ type: 'eip1559' })
    } catch (error) {
      throw rpcFailed(chain.rpcUrl, error)
    }
  }

  const waitForReceipt = async (hashes: readonly Hex[]): Promise<TransactionReceipt | null> => {
    const until = Date.now() + resendMs
    // The first look comes at once: local chains mine on arrival.
    for (let wait = 10; ; wait = Math.min(wait * 2, chain.policy.pollMs)) {
      const receipt = await findReceipt(hashes)
      if (receipt !== null || Date.now() >= until) return receipt
      await sleep(wait)
    }
  }

  const findReceipt = async (hashes: readonly Hex[]): Promise<TransactionReceipt | null> => {
    for (const hash of hashes) {
      try {
        return await chain.public.getTransactionReceipt({ hash })
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'TransactionReceiptNotFoundError')
          log.debug({ err: error, tx: hash }, 'receipt not read')
      }
    }
    return null
  }

  /** The nonce is used: by one of our own transactions, or by somebody else's. */
  const ours = async (hashes: readonly Hex[], request: Request, account: LocalAccount): Promise<TransactionReceipt | 'nonce taken'> => {
    const mined = await findReceipt(hashes)
    return mined === null ? 'nonce taken' : done(mined, request, account)
  }

  /** The receipt of a success; a reverted one is replayed on its parent block to learn why. */
  const done = async (receipt: TransactionReceipt, request: Request, account: LocalAccount): Promise<TransactionReceipt> => {
    if (receipt.status === 'success') return receipt
    const { to, data, value } = request
    const call = { to, function: request.function, tx: receipt.transactionHash }
    try {
      await chain.public.call({
        account: account.address,
        to,
        data,
        value,
        gas: receipt.gasUsed * 2n,
        blockNumber: receipt.blockNumber - 1n,
      })
    } catch (error) {
      const revert = findRevert(error, errors)
      if (revert !== null) throw callReverted(revert, call, error)
    }
    throw callReverted({ name: null, args: [], data: '0x' }, call)
  }

  const stuck = (request: Request, account: LocalAccount, hashes: readonly Hex[]): TrellisError =>
    new TrellisError({
      code: 'TX_STUCK',
      message: `No block took the transaction ${request.function}.`,
      details: { hashes, sends: maxSends, from: account.address },
      next: 'look at the fee market of this chain, and whether another program uses the same key',
      retryable: true,
    })

  return {
    get address() {
      return key.account.address
    },
    get waiting() {
      return waiting
    },
    simulate: (call) => simulate(encode(call), key.account),
    send(call) {
      if (closed) return Promise.reject(new TrellisError({ code: 'STOPPED', message: 'The sender is closed.' }))
      if (waiting >= maxWaiting) return Promise.reject(overloaded('The transaction queue', maxWaiting))
      const request = encode(call)
      waiting += 1
      const result = tail.then(() => run(request)).finally(() => (waiting -= 1))
      tail = result.catch(() => undefined)
      return result
    },
    async close() {
      closed = true
      await tail
    },
  }
}

function encode<A extends Abi | readonly unknown[], N extends ContractFunctionName<A, Mutability>>(call: Call<A, N>): Request {
  const value = (call as { value?: bigint }).value ?? 0n
  return {
    to: call.address,
    data: encodeFunctionData(call as unknown as EncodeFunctionDataParameters),
    value,
    function: call.functionName,
  }
}

function messageOf(error: unknown): string {
  const parts: string[] = []
  for (let at: unknown = error; at instanceof Error; at = at.cause) parts.push(at.message, (at as { details?: string }).details ?? '')
  return parts.join('\n')
}
