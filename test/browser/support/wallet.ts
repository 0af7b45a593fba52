// SPDX-License-Identifier: Apache-2.0
/** A wallet that is put into the page: announces itself by EIP-6963, answers by EIP-1193, and signs with a key of the run outside of the page. */
import type { BrowserContext } from 'playwright-core'
import { createWalletClient, type Hex, http, type LocalAccount } from 'viem'
import { hardhat } from 'viem/chains'

export interface WalletOptions {
  account: LocalAccount
  rpc: string
  /** Chain that the wallet is on at first. */
  chainId: number
  /** Asked before each transaction: false declines. */
  approve: () => boolean
}

interface Transaction {
  to: Hex
  data: Hex
  value: Hex
  gas: Hex
}

/** @returns every method that the page asked the wallet for */
export async function inject(context: BrowserContext, { account, rpc, chainId, approve }: WalletOptions): Promise<string[]> {
  const asked: string[] = []
  let chain = chainId
  const client = createWalletClient({ account, chain: hardhat, transport: http(rpc) })
  await context.exposeFunction('walletAnswers', async (method: string, params: unknown): Promise<{ result?: unknown; code?: number }> => {
    asked.push(method)
    if (method === 'eth_requestAccounts' || method === 'eth_accounts') return { result: [account.address] }
    if (method === 'eth_chainId') return { result: `0x${chain.toString(16)}` }
    if (method === 'wallet_switchEthereumChain') {
      chain = Number((params as [{ chainId: string }])[0].chainId)
      return { result: null }
    }
    if (method !== 'eth_sendTransaction') return { code: -32601 }
    if (!approve()) return { code: 4001 }
    const { to, data, value, gas } = (params as [Transaction])[0]
    return { result: await client.sendTransaction({ to, data, value: BigInt(value), gas: BigInt(gas) }) }
  })
  await context.addInitScript(() => {
    const listeners: Record<string, ((value: unknown) => void)[]> = {}
    const answers = (
      globalThis as unknown as { walletAnswers: (method: string, params: unknown) => Promise<{ result?: unknown; code?: number }> }
    ).walletAnswers
    const provider = {
      request: async ({ method, params }: { method: string; params?: unknown }) => {
        const { result, code } = await answers(method, params)
        if (code !== undefined) throw Object.assign(new Error('the wallet refused'), { code })
        if (method === 'wallet_switchEthereumChain')
          for (const listener of listeners['chainChanged'] ?? []) listener((params as [{ chainId: string }])[0].chainId)
        return result
      },
      on: (event: string, listener: (value: unknown) => void) => (listeners[event] ??= []).push(listener),
      removeListener: () => undefined,
    }
    const info = {
      uuid: '0f0c4d1e-0000-4000-8000-000000000001',
      name: 'Test wallet <b>bold</b>',
      icon: 'data:,',
      rdns: 'org.example.wallet',
    }
    const announce = (): void => {
      globalThis.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }))
    }
    globalThis.addEventListener('eip6963:requestProvider', announce)
  })
  return asked
}
