// SPDX-License-Identifier: Apache-2.0
/**
 * Back-pressure from chain to device: windows of a project that no coordinator has pulled yet. A coordinator that cannot settle stops pulling, and then
 * devices keep their readings. Pulled is what lies at or below the highest cursor that a reader asked after.
 */
import { BoundedCache } from './bounded-cache.ts'
import type { Ledger } from './ledger.ts'

/** How old a count may be: what is stored meanwhile goes beyond the limit. */
const COUNT_MS = 500
const PROJECTS = 10_000

export interface Backlog {
  /** True when the project has as many windows that nobody pulled as it may. */
  full(project: string): Promise<boolean>
  /** A reader asked for what comes after this cursor. */
  pulled(project: string, cursor: number): Promise<void>
}

export function createBacklog(ledger: Ledger, { maxBacklog, now = Date.now }: { maxBacklog: number; now?: () => number }): Backlog {
  const counts = new BoundedCache<string, { at: number; full: Promise<boolean> }>(PROJECTS)
  const seen = new BoundedCache<string, number>(PROJECTS)
  return {
    async full(project) {
      const known = counts.get(project)
      if (known !== undefined && now() - known.at < COUNT_MS) return known.full
      const full = Promise.resolve(ledger.unpulled(project, maxBacklog)).then((count) => count >= maxBacklog)
      counts.set(project, { at: now(), full })
      // A count that failed is not kept.
      full.catch(() => counts.delete(project))
      return full
    },
    async pulled(project, cursor) {
      // The store keeps the highest, and none beyond what it has: a reader that names a cursor of the future moves nothing for those after it.
      if (cursor === 0 || cursor === seen.get(project)) return
      await ledger.addPulled(project, cursor)
      seen.set(project, cursor)
      counts.delete(project)
    },
  }
}
