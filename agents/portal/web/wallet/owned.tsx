// SPDX-License-Identifier: Apache-2.0
/** Devices whose ioID the connected account owns, with what their wallets hold of the pay token. */
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { erc20Abi, getAbiItem, getAddress } from 'viem'
import type { Network } from '../../api.ts'
import type { Hex } from '../../../protocol/ids.ts'
import { ioIDAbi } from '../../../protocol/generated/abi.ts'
import { addressOf, chain, logsOf } from '../data/chain.ts'
import { amount, shorten } from '../data/format.ts'
import { type Token, useNetwork, useToken } from '../data/reads.ts'
import { Failed, Skeleton } from '../parts/bits.tsx'
import { useWallet } from './provider.tsx'

/** Most devices that the panel lists. */
const LISTED = 12

interface Owned {
  device: Hex
  held: bigint
}

async function ownedBy(network: Network, token: Token, account: Hex): Promise<{ total: number; devices: Owned[] }> {
  const ioID = { address: addressOf(network, 'IoID'), abi: ioIDAbi } as const
  const came = await logsOf(network, {
    address: ioID.address,
    event: getAbiItem({ abi: ioIDAbi, name: 'Transfer' }),
    args: { to: account },
  })
  const ids = [...new Set(came.map(({ args }) => args.tokenId))].reverse()
  const owners = await Promise.all(
    ids.map((id) => chain.readContract({ ...ioID, functionName: 'ownerOf', args: [id] }).catch(() => undefined)),
  )
  const mine = ids.filter((_, i) => owners[i] !== undefined && getAddress(owners[i]) === account)
  const devices = await Promise.all(
    mine.slice(0, LISTED).map(async (id) => {
      const [device, wallet] = await Promise.all([
        chain.readContract({ ...ioID, functionName: 'deviceOf', args: [id] }),
        chain.readContract({ ...ioID, functionName: 'walletOf', args: [id] }),
      ])
      return {
        device,
        held: await chain.readContract({ address: token.address, abi: erc20Abi, functionName: 'balanceOf', args: [wallet] }),
      }
    }),
  )
  return { total: mine.length, devices }
}

export function OwnedDevices({ onLeave }: { onLeave: () => void }): ReactNode {
  const { account } = useWallet()
  const network = useNetwork().data
  const token = useToken()
  const found = useQuery({
    queryKey: ['owned', account, network?.genesisHash],
    enabled: account !== null && network !== undefined && token !== undefined,
    queryFn: () => ownedBy(network!, token!, account!),
  })
  if (found.error !== null) return <Failed error={found.error} retry={() => void found.refetch()} />
  if (found.data === undefined) return <Skeleton chars={28} />
  const { total, devices } = found.data
  if (total === 0) return <p className="says">This account owns no device of this network.</p>
  return (
    <section aria-label="Your devices">
      <h3>
        You own {total} {total === 1 ? 'device' : 'devices'}
      </h3>
      <ul className="owned">
        {devices.map(({ device, held }) => (
          <li key={device}>
            <Link to={`/devices/${device.toLowerCase()}`} onClick={onLeave} className="mono">
              {shorten(device.toLowerCase())}
            </Link>
            <span>
              {amount(held, token?.decimals)} {token?.symbol}
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
