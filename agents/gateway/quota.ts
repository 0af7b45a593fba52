// SPDX-License-Identifier: Apache-2.0
/** How much of something each address may have: a bucket for each, filled again slowly. */

export interface QuotaOptions {
  /** Taken at once by an address that took nothing lately; a tenth of it comes back each minute. */
  burst: number
  now?: () => number
}

const minuteMs = 60_000
/** Addresses that are remembered; the one that asked longest ago is forgotten first. */
const addressesKept = 10_000

/** Takes one for an address; false when it has to wait. */
export function createQuota({ burst, now = Date.now }: QuotaOptions): (address: string) => boolean {
  const buckets = new Map<string, { left: number; at: number }>()
  return (address) => {
    const at = now()
    const before = buckets.get(address) ?? { left: burst, at }
    const left = Math.min(burst, before.left + (Math.max(0, at - before.at) * burst) / (10 * minuteMs))
    const taken = left >= 1
    buckets.delete(address)
    buckets.set(address, { left: taken ? left - 1 : left, at })
    const [oldest] = buckets.keys()
    if (buckets.size > addressesKept && oldest !== undefined) buckets.delete(oldest)
    return taken
  }
}
