// SPDX-License-Identifier: Apache-2.0
/** What the page hears and from whom: the chain's block, services that are silent, a chain that began anew. */
import { type ReactNode, useEffect, useState } from 'react'
import { count } from '../data/format.ts'
import { useLive } from '../data/live.ts'
import { useNetwork } from '../data/reads.ts'
import { Ago } from './bits.tsx'
import { Icon } from './icons.tsx'

const RESET_SHOWN_MS = 20_000
/** Services whose figures are on the page. */
const SHOWN: ReadonlySet<string> = new Set(['gateway', 'coordinator', 'chain'])

export function ChainChip(): ReactNode {
  const { data: network } = useNetwork()
  const block = useLive('block')
  const link = useLive('link')
  const state = link === 'open' ? 'live' : link === 'lost' ? 'down' : 'wait'
  return (
    <span className="chip chain-chip">
      <i className="dot" data-state={state} />
      {link === 'lost' ? 'Not connected' : link === 'opening' ? 'Connecting' : 'Live'}
      <span className="quiet">
        {network === undefined ? '' : ` ${network.kind} network · chain ${network.chainId}`}
        {block === null ? '' : ` · block ${count(block)}`}
      </span>
    </span>
  )
}

/** Notices lie over the page's corner, so that none of them moves what somebody reads. */
export function Banners(): ReactNode {
  const link = useLive('link')
  const heardAt = useLive('heardAt')
  const totals = useLive('totals')
  const resetAt = useLive('resetAt')
  const [reset, setReset] = useState(false)
  useEffect(() => {
    if (resetAt === null) return
    setReset(true)
    const timer = setTimeout(() => setReset(false), RESET_SHOWN_MS)
    return () => clearTimeout(timer)
  }, [resetAt])
  const stale = link === 'lost' ? [] : Object.entries(totals?.stale ?? {}).filter(([service]) => SHOWN.has(service))
  return (
    <div className="banners" role="status" aria-live="polite">
      {link === 'lost' ? (
        <p className="banner" data-kind="down">
          <Icon name="warn" />
          <span>
            The portal server does not answer. What you see is from {heardAt === null ? 'before' : <Ago at={heardAt} />}; trying again.
          </span>
        </p>
      ) : null}
      {reset ? (
        <p className="banner">
          <Icon name="warn" />
          <span>The chain began anew. Everything of the chain before was taken off this page.</span>
        </p>
      ) : null}
      {stale.map(([service, why]) => (
        <p className="banner" key={service}>
          <Icon name="warn" />
          <span>
            The {service} does not answer: its figures are not current. <span className="quiet">{why}</span>
          </span>
        </p>
      ))}
    </div>
  )
}
