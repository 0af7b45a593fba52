// SPDX-License-Identifier: Apache-2.0
/** Exact conversion between decimal strings and integers scaled by a power of ten. No floats anywhere. */
import { TrellisError } from './errors.ts'

const decimal = /^(-?)(0|[1-9][0-9]{0,18})(?:\.([0-9]{1,18}))?$/
const INT64_MIN = -(1n << 63n)
const INT64_MAX = (1n << 63n) - 1n

/** Why a decimal string is not a value, or its scaled integer. */
export type Scaled = { ok: true; value: bigint } | { ok: false; why: string }

/**
 * Reads a decimal string as an integer of units 10^-decimals, without throwing.
 * Refused: exponents, signs other than `-`, leading zeros, `NaN`, more fraction digits than `decimals`, what leaves int64.
 * `-0` reads as zero.
 */
export function scale(text: string, decimals: number): Scaled {
  const match = decimal.exec(text)
  if (match === null) return { ok: false, why: 'not a decimal number' }
  const fraction = match[3] ?? ''
  if (fraction.length > decimals) return { ok: false, why: `more than ${decimals} fraction digits` }
  const digits = (match[2] ?? '') + fraction.padEnd(decimals, '0')
  // Sixteen digits stay below 2^53, where a number is exact and much faster to read than a bigint.
  const magnitude = digits.length < 16 ? BigInt(Number(digits)) : BigInt(digits)
  const value = match[1] === '-' ? -magnitude : magnitude
  if (value < INT64_MIN || value > INT64_MAX) return { ok: false, why: 'outside int64' }
  return { ok: true, value }
}

/**
 * `scale`, for callers that hold the value to be right.
 * @throws TrellisError VALUE_INVALID
 */
export function parseFixed(text: string, decimals: number): bigint {
  const scaled = scale(text, decimals)
  if (!scaled.ok) {
    throw new TrellisError({ code: 'VALUE_INVALID', message: `This value is ${scaled.why}.`, details: { value: text, decimals } })
  }
  return scaled.value
}

/** The shortest decimal string of a scaled integer: `formatFixed(4590n, 2)` is `45.9`. */
export function formatFixed(value: bigint, decimals: number): string {
  const negative = value < 0n
  const digits = (negative ? -value : value).toString().padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '')
  return `${negative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`
}
