// SPDX-License-Identifier: Apache-2.0
/** Canonical JSON (RFC 8785): one text per value, so that a hash of the text commits to the value. */
import { keccak256, toBytes } from 'viem'
import { TrellisError } from './errors.ts'
import type { Hex } from './ids.ts'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/**
 * Members sorted by UTF-16 code units, no spaces, numbers as ECMAScript writes them.
 * @throws TrellisError JSON_INVALID for what JSON cannot hold (undefined, NaN, infinities, bigints, lone surrogates).
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value)
  if (typeof value === 'string' && value.isWellFormed()) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`
  if (typeof value === 'object' && !Array.isArray(value)) {
    const members = Object.entries(value as Record<string, Json>).sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([key, member]) => `${canonicalJson(key)}:${canonicalJson(member)}`).join(',')}}`
  }
  throw new TrellisError({ code: 'JSON_INVALID', message: 'This value has no canonical JSON.', details: { type: typeof value } })
}

/** keccak256 of the canonical text in UTF-8: the document hash that the registry stores. */
export function canonicalHash(value: Json): Hex {
  return keccak256(toBytes(canonicalJson(value)))
}
