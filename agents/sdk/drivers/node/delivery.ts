// SPDX-License-Identifier: Apache-2.0
/**
 * Decides what to send now. Messages of a kind go out in order, a pipeline at a time; when an answer is late or says no, all that is unanswered goes
 * again from the oldest (go-back-N), later each time. Pure but for its clock.
 */
import type { OutboxMessage } from './store.ts'

export interface LaneOptions {
  pipeline: number
  retryMs: number
  retryCapMs: number
  now: () => number
}

export interface DeliveryLane {
  /** Of the oldest waiting messages, in order, those to send now. */
  due(waiting: readonly OutboxMessage[]): readonly OutboxMessage[]
  /** An answer that took a message off the outbox. */
  progressed(): void
  /**
   * An answer that did not take the message, or asks for a later try, not before `retryAfterMs`.
   * @returns how many rounds in a row brought a refusal `forGood` and no progress; one that asks for patience begins the count anew
   */
  refused(retryAfterMs?: number, forGood?: boolean): number
  /** The connection is new: what was under way may be lost. */
  restart(): void
  /** When `due` may have something again although nothing else happens; undefined while nothing is under way. */
  wakeAt(): number | undefined
}

export function createLane({ pipeline, retryMs, retryCapMs, now }: LaneOptions): DeliveryLane {
  let sentThrough = -1
  let againAt: number | undefined
  let attempts = 0
  let refusedRounds = 0
  let refusedThisRound = false
  // The gateway said so: neither an answer to another message nor a new connection ends it sooner.
  let holdUntil = 0

  const backoff = (): number => Math.min(retryCapMs, retryMs * 2 ** Math.min(attempts, 20))

  return {
    due(waiting) {
      const at = now()
      const oldest = waiting[0]
      if (oldest === undefined) {
        againAt = undefined
        return []
      }
      if (at < holdUntil) return []
      if (againAt !== undefined && at >= againAt) {
        sentThrough = -1
        attempts += 1
        againAt = undefined
        refusedThisRound = false
      } else if (refusedThisRound) return []
      const fresh = waiting.slice(0, pipeline).filter(({ position }) => position > sentThrough)
      const last = fresh.at(-1)
      if (last !== undefined) sentThrough = last.position
      againAt ??= at + backoff()
      return fresh
    },
    progressed() {
      attempts = 0
      refusedRounds = 0
      refusedThisRound = false
      againAt = now() + retryMs
    },
    refused(retryAfterMs = 0, forGood = true) {
      holdUntil = Math.max(holdUntil, now() + retryAfterMs)
      if (!forGood) refusedRounds = 0
      if (refusedThisRound) return refusedRounds
      refusedThisRound = true
      if (forGood) refusedRounds += 1
      // A refusal is an answer: the next try need not wait for the full time that a lost message waits.
      againAt = now() + Math.min(backoff(), retryCapMs) / 4
      return refusedRounds
    },
    restart() {
      sentThrough = -1
      attempts = 0
      againAt = undefined
      refusedThisRound = false
    },
    wakeAt: () => (againAt === undefined ? undefined : Math.max(againAt, holdUntil)),
  }
}
