// SPDX-License-Identifier: Apache-2.0
/** Small things that every page uses: addresses, times, placeholders, notices, cards. */
import { type ReactNode, useEffect, useState } from 'react'
import { Link } from 'react-router'
import { ago, exact, shorten } from '../data/format.ts'
import { ApiError } from '../data/http.ts'
import { useNow } from '../data/now.ts'
import { Icon, type IconName } from './icons.tsx'

export function Copy({ text, what }: { text: string; what: string }): ReactNode {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), 1_500)
    return () => clearTimeout(timer)
  }, [done])
  return (
    <button
      type="button"
      className="copy"
      aria-label={done ? `${what} copied` : `Copy ${what}`}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))}
    >
      <Icon name={done ? 'done' : 'copy'} />
    </button>
  )
}

/** A hash or an address, shortened, whole in its title and on the clipboard. */
export function Address({
  value,
  to,
  what = 'address',
  copy = true,
}: {
  value: string
  to?: string
  what?: string
  copy?: boolean
}): ReactNode {
  const text = (
    <span className="mono" title={value}>
      {shorten(value)}
    </span>
  )
  return (
    <span className="address">
      {to === undefined ? text : <Link to={to}>{text}</Link>}
      {copy ? <Copy text={value} what={`${what} ${shorten(value)}`} /> : null}
    </span>
  )
}

export function Ago({ at }: { at: number }): ReactNode {
  const now = useNow()
  return (
    <time dateTime={new Date(at).toISOString()} title={exact(at)} className="ago">
      {ago(at, now)}
    </time>
  )
}

/** A placeholder as wide as what comes. */
export const Skeleton = ({ chars = 6 }: { chars?: number }): ReactNode => (
  <span className="skeleton" style={{ width: `${chars}ch` }} aria-hidden="true">
    &nbsp;
  </span>
)

interface NoticeProps {
  title: string
  children?: ReactNode
  kind?: 'empty' | 'failed'
  icon?: IconName
}

export const Notice = ({ title, children, kind = 'empty', icon = kind === 'failed' ? 'warn' : 'empty' }: NoticeProps): ReactNode => (
  <div className="notice" data-kind={kind} role={kind === 'failed' ? 'alert' : undefined}>
    <Icon name={icon} />
    <h3>{title}</h3>
    {children}
  </div>
)

/** What a read said when it failed, and a button that tries again. */
export function Failed({ error, retry }: { error: Error; retry: () => void }): ReactNode {
  const api = error instanceof ApiError ? error : undefined
  return (
    <Notice kind="failed" title={api?.message ?? 'This could not be read.'}>
      <p>
        {api === undefined ? error.message.split('\n')[0] : <span className="mono">{api.code}</span>}
        {api?.next === null || api === undefined ? null : ` · next: ${api.next}`}
      </p>
      <button type="button" className="button" onClick={retry}>
        Try again
      </button>
    </Notice>
  )
}

interface Read {
  dataUpdatedAt: number
  isError: boolean
  isFetching: boolean
}

/** Whose figures these are and how old they are; says so when they could not be read again. */
export function Source({ from, read, at }: { from: string; read?: Read; at?: number | null }): ReactNode {
  const time = at ?? read?.dataUpdatedAt ?? 0
  const stale = read?.isError === true && time > 0
  return (
    <span className="card-note source" data-stale={stale || undefined}>
      {stale ? 'not current · ' : ''}
      {from}
      {time > 0 ? (
        <>
          {' · '}
          <Ago at={time} />
        </>
      ) : null}
    </span>
  )
}

interface CardProps {
  title: string
  note?: ReactNode
  children: ReactNode
  className?: string
}

export const Card = ({ title, note, children, className = '' }: CardProps): ReactNode => (
  <section className={`card ${className}`} aria-label={title}>
    <div className="card-head">
      <h2>{title}</h2>
      {note}
    </div>
    {children}
  </section>
)

interface HeadProps {
  title: ReactNode
  crumb?: { to: string; label: string }
  children?: ReactNode
}

export const PageHead = ({ title, crumb, children }: HeadProps): ReactNode => (
  <header className="page-head">
    {crumb === undefined ? null : (
      <nav aria-label="Breadcrumb" className="crumb">
        <Icon name="back" />
        <Link to={crumb.to}>{crumb.label}</Link>
      </nav>
    )}
    <h1>{title}</h1>
    {children}
  </header>
)
