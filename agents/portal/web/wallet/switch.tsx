// SPDX-License-Identifier: Apache-2.0
/** A wallet on another chain: says so and offers to change. */
import { type ReactNode, useState } from 'react'
import { numberToHex } from 'viem'
import { useNetwork } from '../data/reads.ts'
import { useWallet, wordsOf } from './provider.tsx'

/** EIP-1193: the wallet does not know the chain. */
const UNKNOWN_CHAIN = 4902

export function SwitchChain(): ReactNode {
  const { wallet, chainId } = useWallet()
  const { data: network } = useNetwork()
  const [problem, setProblem] = useState<string | null>(null)
  if (wallet === null || network === undefined) return null
  const change = async (): Promise<void> => {
    setProblem(null)
    const id = numberToHex(network.chainId)
    try {
      try {
        await wallet.provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId: id }] })
      } catch (error) {
        const rpc = network.services.find(({ name }) => name === 'chain')?.url
        if ((error as { code?: number }).code !== UNKNOWN_CHAIN || rpc === undefined) throw error
        const nativeCurrency = { name: 'Native', symbol: 'IOTX', decimals: 18 }
        const added = { chainId: id, chainName: `Trellis ${network.kind} (${network.chainId})`, rpcUrls: [rpc], nativeCurrency }
        await wallet.provider.request({ method: 'wallet_addEthereumChain', params: [added] })
      }
    } catch (error) {
      setProblem(wordsOf(error))
    }
  }
  return (
    <div className="says" data-tone="proving">
      <p>
        Your wallet is on chain {chainId}; this network is chain {network.chainId}. Nothing can be sent until they agree.
      </p>
      <p className="after">
        <button type="button" className="button" onClick={() => void change()}>
          Switch to chain {network.chainId}
        </button>
      </p>
      {problem === null ? null : <p role="alert">{problem}</p>}
    </div>
  )
}
