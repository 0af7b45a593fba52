// SPDX-License-Identifier: Apache-2.0
/** What a device's wallet holds; its owner may move it. */
import { type ReactNode, useRef, useState } from 'react'
import { amount, exact } from '../data/format.ts'
import { type Identity, useHoldings } from '../data/device.ts'
import { useNetwork, useToken } from '../data/reads.ts'
import { Address, Card, Failed, Skeleton, Source } from '../parts/bits.tsx'
import { Icon } from '../parts/icons.tsx'
import type { Asset } from './move.ts'
import { MoveForm } from './move-form.tsx'
import { useWallet } from './provider.tsx'
import { SwitchChain } from './switch.tsx'

export function DeviceWallet({ identity }: { identity: Identity | null | undefined }): ReactNode {
  const found = useHoldings(identity?.wallet)
  const token = useToken()
  const { account, chainId } = useWallet()
  const network = useNetwork().data
  const dialog = useRef<HTMLDialogElement>(null)
  const [asset, setAsset] = useState<Asset | null>(null)
  const held = found.data
  const mine = account !== null && identity !== null && identity !== undefined && account.toLowerCase() === identity.owner.toLowerCase()
  const ready = mine && chainId === network?.chainId
  const locked = held !== undefined && held.lockedUntil * 1000 > Date.now()
  const move = (choice: Asset): void => {
    setAsset(choice)
    dialog.current?.showModal()
  }
  const rows: { key: string; text: string; note: string; asset: Asset; some: boolean }[] =
    held === undefined || token === undefined
      ? []
      : [
          {
            key: 'token',
            text: `${amount(held.token, token.decimals)} ${token.symbol}`,
            note: 'earned by readings',
            asset: { kind: 'token', address: token.address, symbol: token.symbol, decimals: token.decimals, held: held.token },
            some: held.token > 0n,
          },
          {
            key: 'native',
            text: `${amount(held.native)} native`,
            note: 'for gas',
            asset: { kind: 'native', symbol: 'native', decimals: 18, held: held.native },
            some: held.native > 0n,
          },
          ...held.nfts.map(({ contract, name, tokenId }) => ({
            key: `${contract}/${tokenId}`,
            text: `${name.slice(0, 40)} #${tokenId}`,
            note: 'NFT',
            asset: { kind: 'nft', address: contract, name: name.slice(0, 40), tokenId } as const,
            some: true,
          })),
        ]
  return (
    <Card title="Wallet" note={<Source from="chain" read={found} />}>
      {identity === null ? (
        <p className="says">Without an ioID there is no wallet.</p>
      ) : (
        <>
          <span>{identity === undefined ? <Skeleton chars={12} /> : <Address value={identity.wallet} what="wallet" />}</span>
          {found.error !== null && held === undefined ? (
            <Failed error={found.error} retry={() => void found.refetch()} />
          ) : (
            <ul className="holdings">
              {rows.length === 0
                ? [0, 1].map((place) => (
                    <li key={place}>
                      <Skeleton chars={10} />
                    </li>
                  ))
                : rows.map(({ key, text, note, asset: choice, some }) => (
                    <li key={key}>
                      <span>
                        <strong>{text}</strong> <span className="card-note">{note}</span>
                      </span>
                      {mine ? (
                        <button
                          type="button"
                          className="button"
                          disabled={!ready || !some || locked}
                          onClick={() => move(choice)}
                          aria-label={`Move ${text}`}
                        >
                          <Icon name="out" />
                          Move
                        </button>
                      ) : null}
                    </li>
                  ))}
            </ul>
          )}
          {held !== undefined && held.credited > 0n ? (
            <p className="says">
              {amount(held.credited, token?.decimals)} {token?.symbol} more wait in the escrow: a payment could not be delivered. Anybody
              may claim it for the device.
            </p>
          ) : null}
          {locked ? (
            <p className="says" data-tone="proving">
              Locked by its owner until {exact(held.lockedUntil * 1000)}.
            </p>
          ) : null}
          {mine && !ready ? <SwitchChain /> : null}
          {mine ? null : (
            <p className="card-note">
              {account === null
                ? 'Connect the wallet that owns this device to move what it holds.'
                : 'Only the owner of the ioID can move what it holds.'}
            </p>
          )}
        </>
      )}
      <dialog ref={dialog} aria-labelledby="move-title" onClose={() => setAsset(null)}>
        {asset === null || identity === null || identity === undefined ? null : (
          <MoveForm
            key={keyOf(asset)}
            asset={asset}
            from={identity.wallet}
            owner={identity.owner}
            onClose={() => dialog.current?.close()}
          />
        )}
      </dialog>
    </Card>
  )
}

const keyOf = (asset: Asset): string => (asset.kind === 'nft' ? `${asset.address}/${asset.tokenId}` : asset.kind)
