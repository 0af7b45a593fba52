// SPDX-License-Identifier: Apache-2.0
/** What a transaction offers for gas (EIP-1559), and what a replacement must offer. */

export interface Fees {
  maxFeePerGas: bigint
  maxPriorityFeePerGas: bigint
}

/** The fee market of the next block. */
export interface Market {
  baseFee: bigint
  tip: bigint
}

/** Pools replace a transaction for 10 % more of both fees; an eighth more is enough for all of them, and is what a base fee grows by at most. */
export function leastReplacement(fee: bigint): bigint {
  return fee + fee / 8n + 1n
}

/**
 * Fees for a first offer: good for six full blocks. Null when the base fee leaves no room under `cap`.
 * @param cap  most wei per gas
 */
export function firstFees(market: Market, cap: bigint): Fees | null {
  if (market.baseFee >= cap) return null
  const maxFeePerGas = least(2n * market.baseFee + market.tip, cap)
  return { maxFeePerGas, maxPriorityFeePerGas: least(market.tip, maxFeePerGas) }
}

/**
 * Fees that replace a transaction with fees `before` and fit the market of now. Null when that takes more than `cap`, or more than ten times
 * what the market asks: then it is not the fee that keeps the transaction out of a block, and raising it only makes it dear.
 */
export function replacementFees(before: Fees, market: Market, cap: bigint): Fees | null {
  const now = firstFees(market, cap)
  const leastFee = leastReplacement(before.maxFeePerGas)
  if (now === null || leastFee > cap || leastFee > most(10n * (market.baseFee + market.tip), gwei)) return null
  return {
    maxFeePerGas: most(now.maxFeePerGas, leastFee),
    maxPriorityFeePerGas: most(now.maxPriorityFeePerGas, leastReplacement(before.maxPriorityFeePerGas)),
  }
}

/** Whether `cap` is what forbids a replacement. */
export function isOver(before: Fees, market: Market, cap: bigint): boolean {
  return market.baseFee >= cap || leastReplacement(before.maxFeePerGas) > cap
}

const gwei = 1_000_000_000n
const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b)
