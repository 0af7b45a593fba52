// SPDX-License-Identifier: Apache-2.0
/** A chain as a service sees it: clients under one policy, and the certainty that it is still the same chain. */
import { TransactionReceiptNotFoundError, createPublicClient, defineChain, http, keccak256, stringToBytes } from 'viem'
import type { Chain as ViemChain, Hex, PublicClient, TransactionReceipt, Transport } from 'viem'
import { openEndpoints } from './endpoints.ts'
import { TrellisError, placeOf, rpcFailed } from './errors.ts'
import type { Logger } from './log.ts'

/** How far a service trusts new blocks of a chain. Same for every service on that chain. */
export interface ChainPolicy {
  /** Blocks on top of one before what it holds counts. */
  confirmations: number
  /** Milliseconds between looks at the chain. */
  pollMs: number
  /** Deepest reorganisation undone by itself, blocks. */
  reorgDepth: number
}

export interface ChainOptions extends ChainPolicy {
  rpcUrl: string
  /** Further endpoints of the same chain: the next one is asked when one does not answer, and receipts are compared. */
  otherRpcUrls?: readonly string[]
  chainId: number
  /** Hash of block 0 that the deployment was made on. */
  genesisHash: Hex
  /** Milliseconds one RPC call may take. */
  timeoutMs?: number
  /** Most wei per gas that a transaction offers. */
  maxFeePerGas?: bigint
  /** Told when an endpoint is left for another, and when it is back. */
  log?: Logger
  /** Told of each request that got no answer. */
  onSilence?: (() => void) | undefined
}

export interface ChainClient {
  readonly rpcUrl: string
  readonly chainId: number
  readonly genesisHash: Hex
  readonly policy: ChainPolicy
  readonly maxFeePerGas: bigint
  readonly public: PublicClient<Transport, ViemChain>
  /** Grows when another endpoint answers than before: what was read until then may be newer than what is read now. */
  readonly turns: number
  /** Newest block that counts under the policy; -1n when there is none yet. */
  confirmedBlock(): Promise<bigint>
  /** The newest block that every endpoint has. @throws TrellisError RPC_FAILED */
  head(): Promise<bigint>
  /**
   * What all endpoints that answer say of a transaction; null when none has it in a block.
   * @throws TrellisError RPC_DISAGREES (retryable) when they differ in status, block or logs: nothing may be concluded then; RPC_FAILED
   */
  receipt(hash: Hex): Promise<TransactionReceipt | null>
  /** Hands a signed transaction to every endpoint. @throws what the first one said, when none took it */
  broadcast(transaction: Hex): Promise<void>
  /** @throws TrellisError CHAIN_RESET | WRONG_CHAIN when block 0 or the chain id is another; RPC_FAILED when nobody answers. */
  check(): Promise<void>
}

/** Far above what chains ask in quiet times, IoTeX's 1,000 gwei included. */
const defaultMaxFeePerGas = 10_000_000_000_000n

/** Connects to a chain and checks that it is the expected one. @throws TrellisError CHAIN_RESET | WRONG_CHAIN | RPC_FAILED */
export async function connectChain(options: ChainOptions): Promise<ChainClient> {
  const client = openChain(options)
  await client.check()
  return client
}

function openChain({
  rpcUrl,
  otherRpcUrls = [],
  chainId,
  genesisHash,
  timeoutMs = 10_000,
  log,
  onSilence,
  ...rest
}: ChainOptions): ChainClient {
  const { confirmations, pollMs, reorgDepth, maxFeePerGas = defaultMaxFeePerGas } = rest
  const policy: ChainPolicy = { confirmations, pollMs, reorgDepth }
  const chain = defineChain({
    id: chainId,
    name: `chain ${chainId}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })
  const endpoints = openEndpoints({ urls: [rpcUrl, ...otherRpcUrls], chain, genesisHash, timeoutMs, log, onSilence })
  // No block cache: a service that acts on the chain must see the newest state.
  const client = createPublicClient({ chain, transport: endpoints.transport, pollingInterval: pollMs, cacheTime: 0 })
  const failed = (error: unknown): Promise<never> => Promise.reject(rpcFailed(rpcUrl, error))

  return {
    rpcUrl,
    chainId,
    genesisHash,
    policy,
    maxFeePerGas,
    public: client,
    get turns() {
      return endpoints.turns
    },
    async confirmedBlock() {
      const head = await client.getBlockNumber().catch(failed)
      return head - BigInt(confirmations) < 0n ? -1n : head - BigInt(confirmations)
    },
    async head() {
      const heads = await endpoints.each((one) => one.getBlockNumber())
      return heads.map(valueOf).reduce((least, { value }) => (value < least ? value : least), 1n << 64n)
    },
    async receipt(hash) {
      const outcomes = await endpoints.each((one) =>
        one.getTransactionReceipt({ hash }).catch((error: unknown) => {
          if (error instanceof TransactionReceiptNotFoundError) return null
          throw error
        }),
      )
      const answers = outcomes.map(valueOf)
      if (new Set(answers.map(({ value }) => fingerprint(value))).size === 1) return answers[0]!.value
      throw new TrellisError({
        code: 'RPC_DISAGREES',
        message: 'The RPC endpoints tell different things of one transaction.',
        details: { tx: hash, ...Object.fromEntries(answers.map(({ place, value }) => [place, summary(value)])) },
        next: 'wait when one of them lags; take the one that lies out of chain.rpcUrl and chain.otherRpcUrls',
        retryable: true,
      })
    },
    async broadcast(serializedTransaction) {
      const outcomes = await endpoints.each((one) => one.sendRawTransaction({ serializedTransaction }))
      if (outcomes.some(({ status }) => status === 'fulfilled')) return
      throw (outcomes[0] as PromiseRejectedResult).reason
    },
    check: () => endpoints.check(),
  }

  function valueOf<T>(outcome: PromiseSettledResult<T>): T {
    if (outcome.status === 'fulfilled') return outcome.value
    throw rpcFailed(rpcUrl, outcome.reason)
  }
}

/** What an agent concludes from, in one word. */
function fingerprint(receipt: TransactionReceipt | null): string {
  if (receipt === null) return ''
  const logs = receipt.logs.map(({ address, topics, data }) => [address.toLowerCase(), topics.join(), data].join('/'))
  return [receipt.status, receipt.blockHash, ...logs].join('\n')
}

function summary(receipt: TransactionReceipt | null): string {
  if (receipt === null) return 'in no block'
  const { status, blockNumber, blockHash, logs } = receipt
  const digest = keccak256(stringToBytes(fingerprint(receipt))).slice(0, 10)
  return `${status} in block ${blockNumber} (${blockHash.slice(0, 10)}), ${logs.length} logs, ${digest}`
}

/** The first block's hash of whatever chain answers at `rpcUrl`. */
export async function readGenesis(rpcUrl: string): Promise<{ chainId: number; genesisHash: Hex }> {
  const client = createPublicClient({ transport: http(rpcUrl, { timeout: 5_000, retryCount: 0 }) })
  try {
    const [chainId, genesis] = await Promise.all([client.getChainId(), client.getBlock({ blockNumber: 0n })])
    return { chainId, genesisHash: genesis.hash }
  } catch (error) {
    throw rpcFailed(placeOf(rpcUrl), error)
  }
}
