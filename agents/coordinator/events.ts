// SPDX-License-Identifier: Apache-2.0
/** Tells those who watch how tasks change. What is told is read back from the ledger after the change, so nothing is told that was undone. */
import type { EventHub } from '../kit/events.ts'
import type { Logger } from '../kit/log.ts'
import type { Hex } from '../protocol/ids.ts'
import type { Task } from './schema.ts'

/** A state that lasts shorter is passed over. */
const GATHER_MS = 200
const PAGE = 200
/** Tasks whose last telling is remembered. */
const REMEMBERED = 4_000

/** Takes the ids of rows that changed. */
export function createTaskEvents(
  hub: EventHub,
  read: (ids: readonly Hex[]) => Promise<Task[]>,
  log: Logger,
  now: () => number = Date.now,
): { changed: (id: Hex) => void; close: () => void } {
  const told = new Map<Hex, string>()
  let ids = new Set<Hex>()
  let timer: NodeJS.Timeout | undefined

  const tell = async (): Promise<void> => {
    const all = [...ids]
    ids = new Set()
    try {
      await tellOf(all)
    } catch (error) {
      // Told later, as they are then.
      for (const id of all) ids.add(id)
      throw error
    }
  }
  const tellOf = async (all: readonly Hex[]): Promise<void> => {
    for (let from = 0; from < all.length; from += PAGE) {
      for (const task of await read(all.slice(from, from + PAGE))) {
        const { id, project, device, window: index, root, state, prover, tx: transaction, reason } = task
        const what = [state, prover, transaction, reason].join()
        if (told.get(id) === what) continue
        told.delete(id)
        told.set(id, what)
        hub.publish('task', { id, project: project.toString(), device, index, root, state, prover, transaction, reason, at: now() })
      }
    }
    for (const id of told.keys()) {
      if (told.size <= REMEMBERED) break
      told.delete(id)
    }
  }
  const pass = (): void => {
    tell()
      .catch((error: unknown) => log.warn({ err: error }, 'changes of tasks were not told'))
      .finally(() => {
        timer = undefined
        if (ids.size > 0) later()
      })
  }
  const later = (): void => {
    timer ??= setTimeout(pass, GATHER_MS).unref()
  }
  return {
    changed(id) {
      ids.add(id)
      later()
    },
    close: () => clearTimeout(timer),
  }
}
