// SPDX-License-Identifier: Apache-2.0
/** Line icons of 24 units. Decoration: what they mean stands beside them as text, or in the label of their button. */
import type { ReactNode } from 'react'

const paths = {
  overview: 'M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z',
  devices: 'M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4',
  tasks: 'M4 6h2M4 12h2M4 18h2M10 6h10M10 12h10M10 18h6',
  provers: 'M12 3l7.5 4.5v9L12 21l-7.5-4.5v-9zM8.5 12l2.5 2.5 4.5-5',
  refusals: 'M8 3h8l5 5v8l-5 5H8l-5-5V8zM9 9l6 6M15 9l-6 6',
  contracts: 'M6 3h9l4 4v14H6zM14 3v5h5M9 13h7M9 17h7',
  wallet: 'M4 7h15a1 1 0 0 1 1 1v11H5a1 1 0 0 1-1-1zM4 7l11-4v4M16 13h.01',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  done: 'M5 12.5l4.5 4.5L19 7',
  sun: 'M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z',
  auto: 'M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18',
  warn: 'M12 4l9 16H3zM12 10v4M12 17h.01',
  empty: 'M4 4v16M12 4v16M20 4v16M2 9h20M2 15h20',
  close: 'M6 6l12 12M18 6L6 18',
  out: 'M7 17L17 7M9 7h8v8',
  back: 'M15 5l-7 7 7 7',
  next: 'M9 5l7 7-7 7',
} as const

export type IconName = keyof typeof paths

export const Icon = ({ name }: { name: IconName }): ReactNode => (
  <svg
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    strokeWidth="1.7"
    strokeLinecap="round"
    strokeLinejoin="round"
    aria-hidden="true"
  >
    <path d={paths[name]} />
  </svg>
)

export const Mark = (): ReactNode => (
  <svg viewBox="0 0 32 32" aria-hidden="true">
    <rect width="32" height="32" rx="8" fill="#1d6b40" />
    <path d="M8 7v18M16 7v18M24 7v18M6 12h20M6 20h20" stroke="#bfe5c9" strokeWidth="2" strokeLinecap="round" />
    <path d="M12.2 16.2l2.9 2.9 5-6" fill="none" stroke="#fff" strokeWidth="3.2" strokeLinecap="round" strokeLinejoin="round" />
  </svg>
)
