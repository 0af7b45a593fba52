// SPDX-License-Identifier: Apache-2.0
/** The frame around every page: navigation, the state of the link, theme, wallet, and the routes. */
import { lazy, type ReactNode, Suspense, useEffect, useRef } from 'react'
import { Link, NavLink, Route, Routes, useLocation } from 'react-router'
import { Banners, ChainChip } from './parts/link.tsx'
import { Icon, type IconName, Mark } from './parts/icons.tsx'
import { ThemeButton } from './parts/theme.tsx'
import { Notice, PageHead } from './parts/bits.tsx'
import { Overview } from './pages/overview.tsx'
import { WalletButton } from './wallet/button.tsx'

const Devices = lazy(async () => ({ default: (await import('./pages/devices.tsx')).Devices }))
const Device = lazy(async () => ({ default: (await import('./pages/device.tsx')).Device }))
const Tasks = lazy(async () => ({ default: (await import('./pages/tasks.tsx')).Tasks }))
const Provers = lazy(async () => ({ default: (await import('./pages/provers.tsx')).Provers }))
const Prover = lazy(async () => ({ default: (await import('./pages/prover.tsx')).Prover }))
const Proof = lazy(async () => ({ default: (await import('./pages/proof.tsx')).Proof }))
const Refusals = lazy(async () => ({ default: (await import('./pages/refusals.tsx')).Refusals }))
const Contracts = lazy(async () => ({ default: (await import('./pages/contracts.tsx')).Contracts }))

const places: readonly { to: string; label: string; icon: IconName }[] = [
  { to: '/', label: 'Overview', icon: 'overview' },
  { to: '/devices', label: 'Devices', icon: 'devices' },
  { to: '/tasks', label: 'Tasks', icon: 'tasks' },
  { to: '/provers', label: 'Provers', icon: 'provers' },
  { to: '/refusals', label: 'Refusals', icon: 'refusals' },
  { to: '/contracts', label: 'Contracts', icon: 'contracts' },
]

const Brand = (): ReactNode => (
  <Link to="/" className="brand" aria-label="Trellis, overview">
    <Mark />
    Trellis
  </Link>
)

export function App(): ReactNode {
  const { pathname } = useLocation()
  const content = useRef<HTMLElement>(null)
  const first = useRef(true)
  // A reader of the screen hears the new page; a first visit starts at the top.
  useEffect(() => {
    const place = places.find(({ to }) => (to === '/' ? pathname === '/' : pathname.startsWith(to)))
    document.title = `${place?.label ?? 'Proof'} · Trellis`
    if (!first.current) {
      window.scrollTo(0, 0)
      content.current?.focus({ preventScroll: true })
    }
    first.current = false
  }, [pathname])
  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <div className="shell">
        <aside className="rail" aria-label="Trellis">
          <Brand />
          <nav className="nav" aria-label="Pages">
            {places.map(({ to, label, icon }) => (
              <NavLink key={to} to={to} end={to === '/'}>
                <Icon name={icon} />
                {label}
              </NavLink>
            ))}
          </nav>
          <div className="rail-foot">
            <p className="card-note">Shows what chain and services say. Writes only through your own wallet.</p>
          </div>
        </aside>
        <div>
          <header className="topbar">
            <Brand />
            <ChainChip />
            <div className="topbar-end">
              <ThemeButton />
              <WalletButton />
            </div>
          </header>
          <main className="content" id="content" tabIndex={-1} ref={content}>
            <Suspense fallback={<div className="page page-wait" aria-busy="true" />}>
              <Routes>
                <Route path="/" element={<Overview />} />
                <Route path="/devices" element={<Devices />} />
                <Route path="/devices/:device" element={<Device />} />
                <Route path="/tasks" element={<Tasks />} />
                <Route path="/provers" element={<Provers />} />
                <Route path="/provers/:id" element={<Prover />} />
                <Route path="/proofs/:taskId" element={<Proof />} />
                <Route path="/refusals" element={<Refusals />} />
                <Route path="/contracts" element={<Contracts />} />
                <Route path="*" element={<Lost />} />
              </Routes>
            </Suspense>
          </main>
        </div>
      </div>
      <Banners />
    </>
  )
}

const Lost = (): ReactNode => (
  <div className="page">
    <PageHead title="There is no such page" />
    <Notice title="Nothing grows here">
      <p>The address may be of another network, or mistyped.</p>
      <Link className="button" to="/">
        To the overview
      </Link>
    </Notice>
  </div>
)
