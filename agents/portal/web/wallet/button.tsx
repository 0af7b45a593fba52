// SPDX-License-Identifier: Apache-2.0
/** The wallet's place in the top bar, and the panel behind it. */
import { type ReactNode, useRef } from 'react'
import { shorten } from '../data/format.ts'
import { useNetwork } from '../data/reads.ts'
import { Copy } from '../parts/bits.tsx'
import { Icon } from '../parts/icons.tsx'
import { OwnedDevices } from './owned.tsx'
import { useWallet } from './provider.tsx'
import { SwitchChain } from './switch.tsx'

export function WalletButton(): ReactNode {
  const { found, wallet, account, chainId, problem, connect, disconnect } = useWallet()
  const { data: network } = useNetwork()
  const dialog = useRef<HTMLDialogElement>(null)
  const wrong = account !== null && network !== undefined && chainId !== network.chainId
  return (
    <>
      <button
        type="button"
        className="button"
        data-kind={account === null ? 'main' : undefined}
        onClick={() => dialog.current?.showModal()}
      >
        <Icon name={wrong ? 'warn' : 'wallet'} />
        {account === null ? 'Connect' : wrong ? 'Wrong chain' : <span className="mono">{shorten(account)}</span>}
      </button>
      <dialog ref={dialog} aria-labelledby="wallet-title">
        <div className="dialog-body">
          <div className="dialog-head">
            <h2 id="wallet-title">{account === null ? 'Connect a wallet' : 'Your wallet'}</h2>
            <button type="button" className="button" data-kind="bare" aria-label="Close" onClick={() => dialog.current?.close()}>
              <Icon name="close" />
            </button>
          </div>
          {account === null ? (
            <>
              <p className="small quiet">
                With the key that owns a device you see and move what the device has earned. This page never sees the key.
              </p>
              {found.length === 0 ? (
                <p className="says">
                  No wallet was found in this browser. Install one that announces itself (EIP-6963), then load the page again.
                </p>
              ) : (
                <ul className="choices">
                  {found.map((choice) => (
                    <li key={choice.info.uuid}>
                      <button type="button" className="button" onClick={() => void connect(choice)}>
                        <Icon name="wallet" />
                        {choice.info.name.slice(0, 40)}
                        <span className="quiet">{choice.info.rdns.slice(0, 40)}</span>
                      </button>
                    </li>
                  ))}
                </ul>
              )}
            </>
          ) : (
            <>
              <dl className="facts">
                <dt>Account</dt>
                <dd>
                  <span className="mono">{account}</span>
                  <Copy text={account} what="your address" />
                </dd>
                <dt>Wallet</dt>
                <dd>{wallet?.info.name.slice(0, 40)}</dd>
                <dt>Chain</dt>
                <dd>{chainId}</dd>
              </dl>
              {wrong ? <SwitchChain /> : <OwnedDevices onLeave={() => dialog.current?.close()} />}
              <button type="button" className="button" onClick={disconnect}>
                Disconnect
              </button>
            </>
          )}
          <p className="says" data-tone="refused" role="alert" hidden={problem === null}>
            {problem}
          </p>
        </div>
      </dialog>
    </>
  )
}
