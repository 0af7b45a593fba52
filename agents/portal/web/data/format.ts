// SPDX-License-Identifier: Apache-2.0
/** Figures and names as people read them. */
import { formatUnits } from 'viem'

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

export const count = (value: number | bigint): string => whole.format(value)

/** At most six characters: 1,280 · 12.8K · 3.4M. */
export const compact = (value: number): string => (Math.abs(value) < 100_000 ? whole.format(value) : short.format(value))

export const rate = (value: number): string => (value < 10 ? value.toFixed(1) : compact(Math.round(value)))

/** An amount of a token; digits beyond four decimals are cut, never rounded up. */
export function amount(units: bigint, decimals = 18, digits = 4): string {
  const [head = '0', tail = ''] = formatUnits(units, decimals).split('.')
  const cut = tail.slice(0, digits).replace(/0+$/, '')
  const lost = cut.length === 0 && head === '0' && units > 0n
  return lost ? `< ${(10 ** -digits).toFixed(digits)}` : `${whole.format(BigInt(head))}${cut.length > 0 ? `.${cut}` : ''}`
}

export const shorten = (hex: string, head = 6, tail = 4): string =>
  hex.length <= head + tail + 1 ? hex : `${hex.slice(0, head)}…${hex.slice(-tail)}`

const steps = [
  [60, 1, 's'],
  [3600, 60, 'min'],
  [86_400, 3600, 'h'],
  [Infinity, 86_400, 'd'],
] as const

/** `now`, `12 s ago`, `3 min ago`. */
export function ago(ms: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - ms) / 1000))
  if (seconds < 2) return 'now'
  const [, size, unit] = steps.find(([limit]) => seconds < limit)!
  return `${Math.floor(seconds / size)} ${unit} ago`
}

export const exact = (ms: number): string => new Date(ms).toISOString().replace('T', ' ').replace('.000Z', ' UTC').replace('Z', ' UTC')

/** RATE_LIMITED and NoDataKey as words. */
export function words(code: string): string {
  const text =
    code.includes('_') || code === code.toUpperCase()
      ? code.toLowerCase().replaceAll('_', ' ')
      : code.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()
  return text.charAt(0).toUpperCase() + text.slice(1)
}
