// SPDX-License-Identifier: Apache-2.0
/** A chain as a service sees it: clients under one policy, and the certainty that it is still the same chain. */
import { createPublicClient, createWalletClient, defineChain, http } from 'viem'
import type { Account, Chain as ViemChain, Hex, HttpTransport, PublicClient, WalletClient } from 'viem'
import { TrellisError, chainReset, rpcFailed } from './errors.ts'

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
  chainId: number
  /** Hash of block 0 that the deployment was made on. */
  genesisHash: Hex
  /** Milliseconds one RPC call may take. */
  timeoutMs?: number
}

export interface ChainClient {
  readonly rpcUrl: string
  readonly chainId: number
  readonly genesisHash: Hex
  readonly policy: ChainPolicy
  readonly public: PublicClient<HttpTransport, ViemChain>
  wallet(account: Account): WalletClient<HttpTransport, ViemChain, Account>
  /** Newest block that counts under the policy; -1n when there is none yet. */
  confirmedBlock(): Promise<bigint>
  /** @throws TrellisError CHAIN_RESET when block 0 or the chain id is another; RPC_FAILED when nobody answers. */
  check(): Promise<void>
}

/** Connects to a chain and checks that it is the expected one. @throws TrellisError CHAIN_RESET | RPC_FAILED */
export async function connectChain(options: ChainOptions): Promise<ChainClient> {
  const client = openChain(options)
  await client.check()
  return client
}

/** The same without the first check. */
export function openChain({ rpcUrl, chainId, genesisHash, timeoutMs = 10_000, ...rest }: ChainOptions): ChainClient {
  const policy: ChainPolicy = { confirmations: rest.confirmations, pollMs: rest.pollMs, reorgDepth: rest.reorgDepth }
  const chain = defineChain({
    id: chainId,
    name: `chain ${chainId}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })
  // Reads made in one turn of the event loop travel as one request.
  const transport = () => http(rpcUrl, { timeout: timeoutMs, retryCount: 2, retryDelay: 100, batch: { batchSize: 100 } })
  // No block cache: a service that acts on the chain must see the newest state.
  const client = createPublicClient({ chain, transport: transport(), pollingInterval: policy.pollMs, cacheTime: 0 })

  return {
    rpcUrl,
    chainId,
    genesisHash,
    policy,
    public: client,
    wallet: (account) => createWalletClient({ account, chain, transport: transport(), cacheTime: 0 }),
    async confirmedBlock() {
      const head = await client.getBlockNumber().catch((error: unknown) => Promise.reject(rpcFailed(rpcUrl, error)))
      return head - BigInt(policy.confirmations) < 0n ? -1n : head - BigInt(policy.confirmations)
    },
    async check() {
      const [genesis, id] = await Promise.all([client.getBlock({ blockNumber: 0n }), client.getChainId()]).catch((error: unknown) =>
        Promise.reject(rpcFailed(rpcUrl, error)),
      )
      if (id !== chainId) {
        throw new TrellisError({
          code: 'WRONG_CHAIN',
          message: 'The RPC serves a chain with another id.',
          details: { rpcUrl, expected: chainId, found: id },
          next: 'point rpcUrl at the chain that the addresses file was made on',
        })
      }
      if (genesis.hash !== genesisHash) throw chainReset({ rpcUrl, expected: genesisHash, found: genesis.hash })
    },
  }
}

/** The first block's hash of whatever chain answers at `rpcUrl`. */
export async function readGenesis(rpcUrl: string): Promise<{ chainId: number; genesisHash: Hex }> {
  const client = createPublicClient({ transport: http(rpcUrl, { timeout: 5_000, retryCount: 0 }) })
  try {
    const [chainId, genesis] = await Promise.all([client.getChainId(), client.getBlock({ blockNumber: 0n })])
    return { chainId, genesisHash: genesis.hash }
  } catch (error) {
    throw rpcFailed(rpcUrl, error)
  }
}
