// SPDX-License-Identifier: Apache-2.0
/** Queries of a request, checked; rows as JSON. */
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { isAddress } from 'viem'
import { HISTORY_PAGE, type HistoryPage } from '../../../../protocol/history.ts'
import { TrellisError } from '../../../../protocol/errors.ts'
import type { Hex } from '../../../../protocol/ids.ts'

/** An error as every service tells it. */
export function refuse(status: 400 | 403 | 404, code: string, message: string): HTTPException {
  const error = new TrellisError({ code, message }).toJSON()
  return new HTTPException(status, { res: Response.json({ error }, { status }) })
}

const bad = (name: string, want: string): HTTPException => refuse(400, 'BAD_REQUEST', `${name}: ${want} was expected.`)

/** Names that are not asked for are mistakes, and would be answered as if they were not there. */
export function onlyKnown(c: Context, known: readonly string[]): void {
  for (const name of Object.keys(c.req.query())) if (!known.includes(name)) throw bad(name, `one of ${known.join(', ') || 'no parameters'}`)
}

export function address(name: string, text: string | undefined): Hex | undefined {
  if (text === undefined) return undefined
  if (!isAddress(text, { strict: false })) throw bad(name, 'an address')
  return text.toLowerCase() as Hex
}

export function hash(name: string, text: string): Hex {
  if (!/^0x[0-9a-fA-F]{64}$/.test(text)) throw bad(name, '0x and 64 hex digits')
  return text.toLowerCase() as Hex
}

export function whole(name: string, text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,78}$/.test(text)) throw bad(name, 'a decimal number')
  return BigInt(text)
}

export function oneOf<T extends string>(name: string, text: string | undefined, known: readonly T[]): T | undefined {
  if (text === undefined || known.includes(text as T)) return text as T | undefined
  throw bad(name, `one of ${known.join(', ')}`)
}

export function limitOf(c: Context): number {
  const limit = Number(whole('limit', c.req.query('limit')) ?? 50n)
  if (limit < 1 || limit > HISTORY_PAGE) throw bad('limit', `1 to ${HISTORY_PAGE}`)
  return limit
}

/** A page of `limit` rows out of up to one more. */
export function page<R, T>(rows: readonly R[], limit: number, cursor: (row: R) => string, item: (row: R) => T): HistoryPage<T> {
  const shown = rows.slice(0, limit)
  return { items: shown.map(item), next: rows.length > limit ? cursor(shown.at(-1)!) : null }
}

/** Decimal strings for bigints, through and through. */
export type Json<T> = T extends bigint
  ? string
  : T extends readonly (infer E)[]
    ? Json<E>[]
    : T extends object
      ? { [K in keyof T]: Json<T[K]> }
      : T

export const json = <T>(value: T): Json<T> =>
  JSON.parse(JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner))) as Json<T>
