// SPDX-License-Identifier: Apache-2.0
/** Transactions of one key, one after the other: simulated first, nonce from the chain, sent again when they hang or vanish, reverts named. */
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
import { TrellisError, isTrellisError, overloaded, rpcFailed } from './errors.ts'
import { firstFees, isOver, replacementFees, type Fees, type Market } from './fees.ts'
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
  /** Milliseconds that a transaction in a block may take to get its confirmations. */
  confirmMs?: number
}

export interface Sender {
  /** Of the key now. */
  readonly address: Hex
  /** Calls waiting, the running one included. */
  readonly waiting: number
  /**
   * Simulates, sends, waits until the receipt is as deep as the policy's `confirmations` and still there. The next call is sent as soon as this
   * one is in a block. A call is not remembered over a crash: the caller asks the chain what is so and calls again, which is why every
   * call sent here must be refused by its contract the second time.
   * @throws TrellisError CALL_REVERTED (`details.error` names it; nothing was sent when the simulation says so), CHAIN_RESET, WRONG_CHAIN, and
   *   retryable: RPC_FAILED, RPC_DISAGREES, FEE_TOO_HIGH, KEY_WITHOUT_FUNDS, TX_STUCK, OVERLOADED, STOPPED; and GAS_ABOVE_LIMIT where the request has a limit
   */
  send<const A extends Abi | readonly unknown[], N extends ContractFunctionName<A, Mutability>>(
    call: Call<A, N>,
  ): Promise<TransactionReceipt>
  /** As `send`, for what is encoded already: a contract that is created by a factory without an ABI. */
  sendData(request: Request): Promise<TransactionReceipt>
  /** Gas the call would take now. @throws like `send`; sends nothing. */
  simulate<const A extends Abi | readonly unknown[], N extends ContractFunctionName<A, Mutability>>(call: Call<A, N>): Promise<bigint>
  /** Takes no more calls and waits until the running one is in a block. */
  close(): Promise<void>
}

/** A call that is encoded already; `function` is its name in errors and logs. */
export interface Request {
  to: Hex
  data: Hex
  value: bigint
  function: string
  /** Most gas that it may take; as much as it asks for when undefined. */
  gas?: bigint
}

/** A request at one nonce, with every version of it that was sent: at most one of them can ever be in a block. */
interface Flight {
  request: Request
  account: LocalAccount
  nonce: number
  gas: bigint
  fees: Fees
  hashes: Hex[]
}

/** Gas limit over the estimate, percent: state may move between the estimate and the block. */
const gasMargin = 125n
/** Times that a transaction is told to the pool again, unchanged, before it is sent with a higher fee. */
const remindersPerSend = 10
/** Longest that a node tells a nonce as used without the receipt of what used it, milliseconds. */
const lagMs = 2_000
/** Times that the fee is raised at once because the pool asks for more; enough for a factor of a thousand. */
const maxRaises = 64

/** One sender per key and chain in a process; two processes with one key get in each other's way but lose nothing. */
export function createSender(options: SenderOptions): Sender {
  const { chain, key, errors, log, maxWaiting = 256, resendMs = 30_000, maxSends = 5, confirmMs = 600_000 } = options
  const { maxFeePerGas: cap } = chain
  const ending = new AbortController()
  let tail: Promise<unknown> = Promise.resolve()
  let waiting = 0
  let closed = false
  /** Whose transactions of an earlier run were waited for. */
  let caughtUp: Hex | null = null
  /** The newest flight: a call that comes again at its nonce is a replacement of it. */
  let newest: Flight | null = null
  /** In a block, not deep enough yet: their nonces stay theirs when a reorganisation takes them back. */
  const unconfirmed = new Set<Flight>()

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
      await sleep(chain.policy.pollMs, ending.signal)
      if (closed) throw stopped()
    }
    caughtUp = address
  }
  const count = (address: Hex, blockTag: 'latest' | 'pending'): Promise<number> =>
    chain.public.getTransactionCount({ address, blockTag }).catch((error: unknown) => Promise.reject(rpcFailed(chain.rpcUrl, error)))

  /** Until a flight of this request is in a block. */
  const run = async (request: Request): Promise<{ flight: Flight; receipt: TransactionReceipt }> => {
    if (closed) throw stopped()
    const { account } = key
    if (caughtUp !== account.address) await catchUp(account.address)
    for (let attempt = 1; ; attempt++) {
      // On another chain the same address may be anything, also nothing: a call of nothing succeeds.
      await chain.check()
      const asked = await simulate(request, account)
      if (request.gas !== undefined && asked > request.gas) throw gasAboveLimit(request, asked)
      const wide = (asked * gasMargin) / 100n
      const gas = request.gas !== undefined && wide > request.gas ? request.gas : wide
      const flight = await prepare(request, account, gas)
      newest = flight
      const receipt = await launch(flight)
      if (receipt !== null) {
        if (chain.policy.confirmations > 0) unconfirmed.add(flight)
        return { flight, receipt }
      }
      // Another process sent with this key. What it did may be what we wanted: simulate again on the new state.
      log.warn({ nonce: flight.nonce, function: request.function }, 'nonce taken by another sender of this key')
      if (attempt >= maxSends) throw stuck(flight, 'Its nonce was taken by other transactions of this key again and again.')
      await sleep(chain.policy.pollMs)
    }
  }

  const prepare = async (request: Request, account: LocalAccount, gas: bigint): Promise<Flight> => {
    let nonce = await count(account.address, 'latest')
    const own = [...unconfirmed].filter((flight) => flight.account.address === account.address).map((flight) => flight.nonce)
    while (own.includes(nonce)) nonce += 1
    const market = await readMarket()
    const before = newest?.nonce === nonce && newest.account.address === account.address ? newest : null
    // The same call again: whichever version of it gets into a block, it is this call's.
    const same = before?.request.to === request.to && before.request.data === request.data && before.request.value === request.value
    if (same) return { ...before, gas }
    const fees = before === null ? firstFees(market, cap) : (replacementFees(before.fees, market, cap) ?? before.fees)
    if (fees === null) throw feeTooHigh(request, market, [])
    return { request, account, nonce, gas, fees, hashes: [] }
  }

  /** The receipt of whichever version of the flight got into a block; null when its nonce went to a transaction of somebody else. */
  const launch = async (flight: Flight): Promise<TransactionReceipt | null> => {
    const { request, account, nonce, gas, hashes } = flight
    for (let sends = 0, raises = 0; sends < maxSends && raises < maxRaises;) {
      const { to, data, value } = request
      const { chainId } = chain
      const raw = await account.signTransaction({ type: 'eip1559', chainId, to, data, value, gas, nonce, ...flight.fees })
      const hash = keccak256(raw)
      const answer = await push(flight, raw, hash)
      // It may have got in itself, and the node's first answer been lost.
      if (answer === 'used') return lookLong([...new Set([...hashes, hash])])
      const higher = answer === 'cheap' ? replacementFees(flight.fees, await readMarket(), cap) : null
      if (higher !== null) {
        flight.fees = higher
        raises += 1
        continue
      }
      if (!hashes.includes(hash)) hashes.push(hash)
      // Ours is in the pool, or one that costs too much to beat and may still get its block.
      const outcome = await waitForReceipt(flight, raw)
      if (outcome !== 'open') return outcome
      const market = await readMarket()
      const fees = replacementFees(flight.fees, market, cap)
      sends += 1
      if (fees === null && sends === maxSends && isOver(flight.fees, market, cap)) throw feeTooHigh(request, market, hashes)
      flight.fees = fees ?? flight.fees
      log.warn({ nonce, sends, tx: hash, function: request.function, ...flight.fees }, 'no receipt yet: sending again')
    }
    throw stuck(flight, 'No block took it.')
  }

  /** Hands a transaction to the pool: `cheap` when the pool wants more for it, `used` when its nonce is in a block already. */
  const push = async (flight: Flight, raw: Hex, hash: Hex): Promise<'pooled' | 'cheap' | 'used'> => {
    const { request, account, nonce } = flight
    try {
      await chain.broadcast(raw)
      return 'pooled'
    } catch (error) {
      const text = messageOf(error)
      if (/already known|already imported|known transaction/i.test(text)) return 'pooled'
      if (/nonce.*too low|nonce has already been used/i.test(text)) return 'used'
      if (/underpriced|fee too low|replacement|less than block base fee|too low for the next block/i.test(text)) {
        log.debug({ nonce, ...flight.fees }, 'the pool wants a higher fee')
        return 'cheap'
      }
      // A node that mines at once reports a revert here although the transaction is in a block.
      if ((await chain.receipt(hash)) !== null) return 'pooled'
      const call = { to: request.to, function: request.function, rpcUrl: chain.rpcUrl }
      if (findRevert(error, errors) !== null) throw callFailed(error, call, errors)
      throw /insufficient funds|enough funds/i.test(text) ? withoutFunds(account.address, error) : rpcFailed(chain.rpcUrl, error)
    }
  }

  const readMarket = async (): Promise<Market> => {
    try {
      // The last entry is the base fee of the next block.
      const [{ baseFeePerGas }, tip] = await Promise.all([
        chain.public.getFeeHistory({ blockCount: 1, rewardPercentiles: [] }),
        chain.public.estimateMaxPriorityFeePerGas(),
      ])
      return { baseFee: baseFeePerGas.reduce((most, fee) => (fee > most ? fee : most), 0n), tip }
    } catch (error) {
      throw rpcFailed(chain.rpcUrl, error)
    }
  }

  /**
   * The receipt, or null when the nonce is used and not by this flight; `open` when there is neither within `resendMs`.
   * @throws RPC_DISAGREES when the endpoints do not agree until then; RPC_FAILED
   */
  const waitForReceipt = async ({ hashes, account, nonce }: Flight, raw: Hex): Promise<TransactionReceipt | null | 'open'> => {
    const until = Date.now() + resendMs
    let remindAt = Date.now() + resendMs / remindersPerSend
    // The first look comes at once: local chains mine on arrival.
    for (let wait = 10; ; wait = Math.min(wait * 2, chain.policy.pollMs)) {
      const late = Date.now() >= until
      try {
        const [receipt, used] = await Promise.all([look(hashes), count(account.address, 'latest')])
        if (receipt !== null) return receipt
        if (used > nonce) return await lookLong(hashes)
        if (late) return 'open'
        if (Date.now() >= remindAt) {
          // A pool that dropped it, or that a restarted node lost, gets it again; one that has it says so.
          remindAt = Date.now() + resendMs / remindersPerSend
          await chain.broadcast(raw).catch(() => undefined)
        }
      } catch (error) {
        if (late || !isTrellisError(error) || !error.retryable) throw error
        log.debug({ err: error, hashes }, 'receipt not read')
      }
      await sleep(wait)
    }
  }

  const look = async (hashes: readonly Hex[]): Promise<TransactionReceipt | null> => {
    const outcomes = await Promise.allSettled(hashes.map((hash) => chain.receipt(hash)))
    for (const outcome of outcomes) if (outcome.status === 'fulfilled' && outcome.value !== null) return outcome.value
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    return null
  }

  /** As `look`, for a nonce that is used: a node counts a transaction a moment before it tells its receipt, and others behind the same URL may lag. */
  const lookLong = async (hashes: readonly Hex[]): Promise<TransactionReceipt | null> => {
    for (const until = Date.now() + Math.min(resendMs, lagMs); ;) {
      const receipt = await look(hashes)
      if (receipt !== null || Date.now() >= until) return receipt
      await sleep(Math.min(100, chain.policy.pollMs))
    }
  }

  /** Waits until a receipt is deep enough. A flight that a reorganisation took back is launched again, at its nonce. Null when that went to another. */
  const confirm = async (flight: Flight, first: TransactionReceipt): Promise<TransactionReceipt | null> => {
    const { confirmations, pollMs } = chain.policy
    if (confirmations === 0) return first
    const { hashes } = flight
    const until = Date.now() + confirmMs
    while (!closed && Date.now() < until) {
      try {
        const head = await chain.head()
        const receipt = await look(hashes)
        if (receipt !== null && head - receipt.blockNumber >= BigInt(confirmations)) return receipt
        if (receipt === null) {
          log.warn({ hashes, nonce: flight.nonce, function: flight.request.function }, 'a reorganisation took the transaction back')
          if ((await launch(flight)) === null) return null
        }
      } catch (error) {
        if (!isTrellisError(error) || !error.retryable) throw error
        log.debug({ err: error, hashes }, 'confirmations not read')
      }
      await sleep(pollMs, ending.signal)
    }
    if (closed) throw stopped()
    throw stuck(flight, `It had not got ${confirmations} confirmations in time.`)
  }

  /** The receipt of a success; a reverted one is replayed to learn why: on its parent block, then with what came before it in its own. */
  const done = async (receipt: TransactionReceipt, { request, account }: Flight): Promise<TransactionReceipt> => {
    if (receipt.status === 'success') return receipt
    const { to, data, value } = request
    const call = { to, function: request.function, tx: receipt.transactionHash }
    for (const blockNumber of [receipt.blockNumber - 1n, receipt.blockNumber]) {
      try {
        await chain.public.call({ account: account.address, to, data, value, gas: receipt.gasUsed * 2n, blockNumber })
      } catch (error) {
        const revert = findRevert(error, errors)
        if (revert !== null) throw callReverted(revert, call, error)
      }
    }
    throw callReverted({ name: null, args: [], data: '0x' }, call)
  }

  const stuck = ({ request, account, nonce, hashes }: Flight, why: string): TrellisError =>
    new TrellisError({
      code: 'TX_STUCK',
      message: `The transaction ${request.function} is not on chain yet. ${why}`,
      details: { hashes, sends: maxSends, from: account.address, nonce },
      next: 'look at the fee market of this chain, and whether another program uses the same key',
      retryable: true,
    })

  const feeTooHigh = (request: Request, { baseFee, tip }: Market, hashes: readonly Hex[]): TrellisError =>
    new TrellisError({
      code: 'FEE_TOO_HIGH',
      message: `The transaction ${request.function} would take more wei per gas than is allowed.`,
      details: { maxFeePerGas: cap, baseFee, tip, hashes },
      next: 'wait until the fee falls, or raise chain.maxFeePerGas',
      retryable: true,
    })

  const take = (request: Request): Promise<{ flight: Flight; receipt: TransactionReceipt }> => {
    const mined = tail.then(() => run(request))
    tail = mined.catch(() => undefined)
    return mined
  }

  const complete = async (request: Request): Promise<TransactionReceipt> => {
    for (let round = 1; ; round++) {
      const { flight, receipt } = await take(request)
      try {
        const deep = await confirm(flight, receipt)
        if (deep !== null) return await done(deep, flight)
        if (round >= maxSends) throw stuck(flight, 'Reorganisations gave its nonce to other transactions of this key again and again.')
      } finally {
        unconfirmed.delete(flight)
      }
    }
  }

  const submit = (request: Request): Promise<TransactionReceipt> => {
    if (closed) return Promise.reject(stopped())
    if (waiting >= maxWaiting) return Promise.reject(overloaded('The transaction queue', maxWaiting))
    waiting += 1
    return complete(request).finally(() => (waiting -= 1))
  }

  return {
    get address() {
      return key.account.address
    },
    get waiting() {
      return waiting
    },
    simulate: (call) => simulate(encode(call), key.account),
    send: (call) => submit(encode(call)),
    sendData: submit,
    async close() {
      closed = true
      ending.abort()
      await tail
    },
  }
}

function stopped(): TrellisError {
  return new TrellisError({
    code: 'STOPPED',
    message: 'The sender is closed.',
    next: 'ask the chain what became of the call',
    retryable: true,
  })
}

function gasAboveLimit({ function: name, gas }: Request, asked: bigint): TrellisError {
  return new TrellisError({
    code: 'GAS_ABOVE_LIMIT',
    message: `The transaction ${name} takes more gas than was said before.`,
    details: { said: gas, asks: asked },
    next: 'run it again: what it costs is read anew',
  })
}

function withoutFunds(address: Hex, cause: unknown): TrellisError {
  return new TrellisError({
    code: 'KEY_WITHOUT_FUNDS',
    message: 'The key cannot pay for the gas of its transaction.',
    details: { address },
    next: 'send this address coins of the chain',
    retryable: true,
    cause,
  })
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
