// SPDX-License-Identifier: Apache-2.0
/** What every handler needs: where and when an event was, and sums. */
import type { Context, Event } from 'ponder:registry'
import { total } from 'ponder:schema'

/** Logs of one block come before those of the next. */
const LOGS_PER_BLOCK = 1_000_000n

export const placeOf = ({ block, log }: { block: { number: bigint }; log: { logIndex: number } }): bigint =>
  block.number * LOGS_PER_BLOCK + BigInt(log.logIndex)

export const when = ({ block, transaction }: Pick<Event<'IoID:Transfer'>, 'block' | 'transaction'>) => ({
  at: Number(block.timestamp),
  block: Number(block.number),
  tx: transaction.hash,
})

/** Adds to sums by name. */
export async function add({ db }: Pick<Context, 'db'>, sums: Readonly<Record<string, bigint | number>>): Promise<void> {
  for (const [name, amount] of Object.entries(sums)) {
    const value = BigInt(amount)
    if (value !== 0n)
      await db
        .insert(total)
        .values({ name, value })
        .onConflictDoUpdate((row) => ({ value: row.value + value }))
  }
}
