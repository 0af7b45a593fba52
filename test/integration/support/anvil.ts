// SPDX-License-Identifier: Apache-2.0
/** anvil in a process of its own: a chain that starts in a fraction of a second and can be reorganised, held, emptied of its pool, and made dear. */
import { spawn } from 'node:child_process'
import type { Context } from 'mocha'
import { createPublicClient, http, type Hex } from 'viem'
import { freePort, kill, type LocalChain } from './chain.ts'
import { needs } from './engines.ts'

export interface Anvil extends LocalChain {
  readonly port: number
  mine(blocks?: number): Promise<void>
  /** Whether a transaction is mined when it comes. */
  automine(on: boolean): Promise<void>
  /** Replaces the newest blocks; the new ones hold what `back` names, by block from the first: all others' transactions are gone. */
  reorg(depth: number, back?: readonly (readonly [transaction: Hex, block: number])[]): Promise<void>
  /** Takes a transaction out of the pool. */
  drop(hash: Hex): Promise<void>
  /** Of the next block; with the chain's own rule from there on. */
  baseFee(wei: bigint): Promise<void>
  /** Hashes in the pool. */
  pool(): Promise<Hex[]>
  blockNumber(): Promise<number>
}

export interface AnvilOptions {
  port?: number
  chainId?: number
  /** Unix seconds of block 0: two chains with different ones have different genesis hashes. */
  timestamp?: number
  args?: readonly string[]
}

/** Starts anvil and waits until it answers. Skips the test when it is not on this machine. */
export async function startAnvil(context: Context, options: AnvilOptions = {}): Promise<Anvil> {
  const program = needs(context, 'anvil')
  const port = options.port ?? (await freePort())
  const { chainId = 31337, timestamp, args = [] } = options
  const flags = ['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId), '--silent', ...args]
  const child = spawn(program, timestamp === undefined ? flags : [...flags, '--timestamp', String(timestamp)], { stdio: 'ignore' })
  const rpcUrl = `http://127.0.0.1:${port}`
  const client = createPublicClient({ transport: http(rpcUrl, { retryCount: 0, timeout: 5_000 }), cacheTime: 0 })
  const rpc = <T>(method: string, params: unknown[] = []): Promise<T> =>
    client.request({ method: method as 'eth_chainId', params: params as never })
  const until = Date.now() + 20_000
  for (;;) {
    try {
      await client.getBlockNumber()
      break
    } catch (error) {
      if (Date.now() > until || child.exitCode !== null) throw new Error('anvil did not start', { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
  const mine = async (blocks = 1): Promise<void> => {
    await rpc('anvil_mine', [`0x${blocks.toString(16)}`])
  }
  return {
    rpcUrl,
    port,
    rpc,
    mine,
    async travel(seconds) {
      await rpc('evm_increaseTime', [seconds])
      await mine()
    },
    automine: (on) => rpc('evm_setAutomine', [on]),
    async reorg(depth, back = []) {
      const raws = await Promise.all(
        back.map(async ([hash, block]) => [await rpc<Hex>('eth_getRawTransactionByHash', [hash]), block] as const),
      )
      await rpc('anvil_reorg', [depth, raws])
    },
    drop: (hash) => rpc('anvil_dropTransaction', [hash]),
    baseFee: (wei) => rpc('anvil_setNextBlockBaseFeePerGas', [`0x${wei.toString(16)}`]),
    async pool() {
      const { pending, queued } = await rpc<Record<'pending' | 'queued', Record<string, Record<string, { hash: Hex }>>>>('txpool_content')
      return [pending, queued].flatMap((part) => Object.values(part).flatMap((byNonce) => Object.values(byNonce).map(({ hash }) => hash)))
    },
    blockNumber: async () => Number(await client.getBlockNumber()),
    stop: () => kill(child),
  }
}
