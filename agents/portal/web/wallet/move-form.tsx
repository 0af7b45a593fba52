// SPDX-License-Identifier: Apache-2.0
/** The dialog that moves one asset: amount and receiver, then what it will do, then the wallet's own question. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type SyntheticEvent, type ReactNode, useId, useState } from 'react'
import { formatUnits, getAddress, isAddress, zeroAddress } from 'viem'
import type { Hex } from '../../../protocol/ids.ts'
import { shorten } from '../data/format.ts'
import { Address } from '../parts/bits.tsx'
import { Icon } from '../parts/icons.tsx'
import { Glyph } from '../parts/state.tsx'
import { type Asset, type Move, readAmount, send, simulate } from './move.ts'
import { useWallet } from './provider.tsx'

interface MoveFormProps {
  asset: Asset
  from: Hex
  owner: Hex
  onClose: () => void
}

export function MoveForm({ asset, from, owner, onClose }: MoveFormProps): ReactNode {
  const { wallet } = useWallet()
  const queries = useQueryClient()
  const id = useId()
  const [text, setText] = useState('')
  const [to, setTo] = useState<string>(owner)
  const [wrong, setWrong] = useState<{ amount?: string; to?: string }>({})
  const [sent, setSent] = useState<Hex | null>(null)
  const trial = useMutation({ mutationFn: simulate })
  const sending = useMutation({
    mutationFn: (move: Move) => send(wallet!.provider, move, trial.data!, setSent),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['holdings'] }),
  })
  const what = asset.kind === 'nft' ? `${asset.name} #${asset.tokenId}` : asset.symbol

  const check = (event: SyntheticEvent): void => {
    event.preventDefault()
    const read = readAmount(text.trim(), asset)
    const bad = !isAddress(to.trim(), { strict: true })
      ? 'This is not an address.'
      : to.trim() === zeroAddress
        ? 'What goes to the zero address is lost.'
        : to.trim().toLowerCase() === from.toLowerCase()
          ? 'This is the wallet itself.'
          : undefined
    setWrong({ ...('wrong' in read ? { amount: read.wrong } : {}), ...(bad === undefined ? {} : { to: bad }) })
    if ('wrong' in read || bad !== undefined) return
    trial.mutate({ asset, units: read.units, from, to: getAddress(to.trim()), owner })
  }

  const head = (
    <div className="dialog-head">
      <h2 id="move-title">Move {what}</h2>
      <button type="button" className="button" data-kind="bare" aria-label="Close" onClick={onClose}>
        <Icon name="close" />
      </button>
    </div>
  )

  if (sending.isSuccess)
    return (
      <div className="dialog-body">
        {head}
        <p className="says" data-tone="settled" role="status">
          <Glyph tone="settled" /> Moved. The transaction is in the chain.
        </p>
        <Address value={sending.data} what="transaction" />
        <button type="button" className="button" data-kind="main" onClick={onClose} autoFocus>
          Done
        </button>
      </div>
    )

  const move = trial.variables
  if (trial.isSuccess && move !== undefined)
    return (
      <div className="dialog-body">
        {head}
        <p>
          Tried on the chain without sending: it will work. The device&apos;s wallet gives{' '}
          <strong>{asset.kind === 'nft' ? what : `${formatUnits(move.units, asset.decimals)} ${asset.symbol}`}</strong> to{' '}
          <span className="mono">{shorten(move.to)}</span>.
        </p>
        <dl className="facts">
          <dt>From</dt>
          <dd className="mono">{from}</dd>
          <dt>To</dt>
          <dd className="mono">{move.to}</dd>
          <dt>Gas</dt>
          <dd>at most {trial.data.cost.slice(0, 12)} native, paid by your account</dd>
        </dl>
        {sending.error === null ? null : (
          <p className="says" data-tone="refused" role="alert">
            {sending.error.message}
          </p>
        )}
        {sending.isPending ? (
          <p className="says" data-tone="proving" role="status">
            {sent === null ? 'Confirm it in your wallet.' : 'Sent; waiting for the chain.'}
          </p>
        ) : null}
        <div className="actions">
          <button
            type="button"
            className="button"
            data-kind="main"
            disabled={sending.isPending}
            onClick={() => sending.mutate(move)}
            autoFocus
          >
            Ask my wallet
          </button>
          <button type="button" className="button" disabled={sending.isPending} onClick={() => trial.reset()}>
            Change
          </button>
        </div>
      </div>
    )

  return (
    <form className="dialog-body" onSubmit={check} noValidate>
      {head}
      {asset.kind === 'nft' ? null : (
        <div className="field">
          <label htmlFor={`${id}-amount`}>Amount in {asset.symbol}</label>
          <span className="find-row">
            <input
              id={`${id}-amount`}
              inputMode="decimal"
              autoComplete="off"
              value={text}
              onChange={(event) => setText(event.target.value)}
              aria-invalid={wrong.amount !== undefined}
              aria-describedby={`${id}-amount-wrong`}
            />
            <button type="button" className="button" onClick={() => setText(formatUnits(asset.held, asset.decimals))}>
              All
            </button>
          </span>
          <span className="wrong" id={`${id}-amount-wrong`}>
            {wrong.amount}
          </span>
        </div>
      )}
      <div className="field">
        <label htmlFor={`${id}-to`}>To</label>
        <input
          id={`${id}-to`}
          className="mono"
          spellCheck={false}
          autoComplete="off"
          value={to}
          onChange={(event) => setTo(event.target.value)}
          aria-invalid={wrong.to !== undefined}
          aria-describedby={`${id}-to-wrong`}
        />
        <span className="wrong" id={`${id}-to-wrong`}>
          {wrong.to}
        </span>
      </div>
      {trial.error === null ? null : (
        <p className="says" data-tone="refused" role="alert">
          {trial.error.message}
        </p>
      )}
      <div className="actions">
        <button type="submit" className="button" data-kind="main" disabled={trial.isPending}>
          {trial.isPending ? 'Trying it…' : 'Try it first'}
        </button>
        <span className="card-note">Nothing is sent yet.</span>
      </div>
    </form>
  )
}
