// SPDX-License-Identifier: Apache-2.0
/** The reader's own wallet: found by EIP-6963, spoken to by EIP-1193. The page holds no key and sends nothing without it. */
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react'
import { getAddress } from 'viem'
import type { Hex } from '../../../protocol/ids.ts'

export interface Eip1193 {
  request: (call: { method: string; params?: unknown }) => Promise<unknown>
  on?: (event: string, listener: (value: never) => void) => void
  removeListener?: (event: string, listener: (value: never) => void) => void
}

/** A wallet that announced itself. Name and icon are its own word: the icon is not shown, the name is text. */
export interface Found {
  info: { uuid: string; name: string; rdns: string }
  provider: Eip1193
}

export interface WalletState {
  found: readonly Found[]
  wallet: Found | null
  account: Hex | null
  chainId: number | null
  /** What the wallet said when it refused. */
  problem: string | null
  connect: (wallet: Found) => Promise<void>
  disconnect: () => void
}

const Context = createContext<WalletState | null>(null)

export function useWallet(): WalletState {
  const state = useContext(Context)
  if (state === null) throw new Error('useWallet outside of WalletProvider')
  return state
}

/** EIP-1193 codes as plain words. */
export function wordsOf(error: unknown): string {
  const { code, message = '' } = (error ?? {}) as { code?: number; message?: string }
  if (code === 4001) return 'You declined in the wallet.'
  if (code === -32002) return 'The wallet waits for an answer to an earlier question: open it.'
  if (code === 4100) return 'The wallet has not allowed this page to use that account.'
  if (code === 4900 || code === 4901) return 'The wallet is not connected to its network.'
  return message.split('\n')[0]?.slice(0, 200) || 'The wallet refused without a reason.'
}

export function WalletProvider({ children }: { children: ReactNode }): ReactNode {
  const [found, setFound] = useState<readonly Found[]>([])
  const [wallet, setWallet] = useState<Found | null>(null)
  const [account, setAccount] = useState<Hex | null>(null)
  const [chainId, setChainId] = useState<number | null>(null)
  const [problem, setProblem] = useState<string | null>(null)

  useEffect(() => {
    const announced = (event: Event): void => {
      const { detail } = event as CustomEvent<Found>
      if (typeof detail?.info?.uuid !== 'string' || typeof detail.provider?.request !== 'function') return
      setFound((list) => (list.some(({ info }) => info.uuid === detail.info.uuid) ? list : [...list, detail]))
    }
    window.addEventListener('eip6963:announceProvider', announced)
    window.dispatchEvent(new Event('eip6963:requestProvider'))
    return () => window.removeEventListener('eip6963:announceProvider', announced)
  }, [])

  const disconnect = useCallback(() => {
    setWallet(null)
    setAccount(null)
    setChainId(null)
    setProblem(null)
  }, [])

  const connect = useCallback(async (choice: Found) => {
    setProblem(null)
    try {
      const accounts = (await choice.provider.request({ method: 'eth_requestAccounts' })) as string[]
      const id = (await choice.provider.request({ method: 'eth_chainId' })) as string
      if (accounts[0] === undefined) throw new Error('The wallet shares no account.')
      setAccount(getAddress(accounts[0]))
      setChainId(Number(id))
      setWallet(choice)
    } catch (error) {
      setProblem(wordsOf(error))
    }
  }, [])

  useEffect(() => {
    if (wallet === null) return
    const onAccounts = (accounts: readonly string[]): void => {
      if (accounts[0] === undefined) disconnect()
      else setAccount(getAddress(accounts[0]))
    }
    const onChain = (id: string): void => setChainId(Number(id))
    wallet.provider.on?.('accountsChanged', onAccounts)
    wallet.provider.on?.('chainChanged', onChain)
    return () => {
      wallet.provider.removeListener?.('accountsChanged', onAccounts)
      wallet.provider.removeListener?.('chainChanged', onChain)
    }
  }, [wallet, disconnect])

  const state = useMemo(
    () => ({ found, wallet, account, chainId, problem, connect, disconnect }),
    [found, wallet, account, chainId, problem, connect, disconnect],
  )
  return <Context value={state}>{children}</Context>
}
