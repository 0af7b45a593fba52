// SPDX-License-Identifier: Apache-2.0
/**
 * Who sends: one MQTT connection, or one address on HTTP. Each has its own share of the messages that are judged at once, so that none fills the waiting
 * room alone, and a connection that sends forged signatures is slowed down: a signature is the dearest thing that a stranger makes the gateway look at.
 */

export interface SenderOptions {
  /** Messages of this sender that are judged at once; more are answered OVERLOADED. */
  share: number
  /** Off where one sender may be many devices that do not answer for each other, as behind one address. */
  slowsForgers: boolean
  now?: () => number
}

/** Unanswered messages of a connection that has not shown a good signature since it came, or since its last bad one, before it is read more slowly. */
const UNPROVEN = 64
/** Bad signatures that a sender may send at once, and a second. A bridge with one misconfigured device behind it stays below. */
const BAD_BURST = 32
const BAD_PER_SECOND = 8
const PAUSE_MS = 1_000

export class Sender {
  readonly share: number
  /** Per device, the newest message of this sender that is being judged: the next one of that device is placed after it. */
  readonly tails = new Map<string, Promise<unknown>>()
  /** Messages that are being judged. */
  waiting = 0
  readonly #slowsForgers: boolean
  readonly #now: () => number
  #proven = false
  #tokens = BAD_BURST
  #filledAt: number
  #pausedUntil = 0

  constructor({ share, slowsForgers, now = Date.now }: SenderOptions) {
    this.share = share
    this.#slowsForgers = slowsForgers
    this.#now = now
    this.#filledAt = now()
  }

  good(): void {
    this.#proven = true
  }

  bad(): void {
    if (!this.#slowsForgers) return
    const at = this.#now()
    this.#proven = false
    this.#tokens = Math.min(BAD_BURST, this.#tokens + (Math.max(0, at - this.#filledAt) * BAD_PER_SECOND) / 1000)
    this.#filledAt = at
    if (this.#tokens >= 1) this.#tokens -= 1
    else this.#pausedUntil = at + PAUSE_MS
  }

  /** Milliseconds for which its messages are refused unread, because of forged signatures. */
  get pausedMs(): number {
    return Math.max(0, this.#pausedUntil - this.#now())
  }

  /** More should not be read of this sender before something of it is answered. */
  get crowded(): boolean {
    return this.waiting >= (this.#proven ? this.share / 2 : Math.min(UNPROVEN, this.share / 2))
  }
}

/** An eighth of the waiting room, but 64 messages at least, and never more than half of it. */
export function shareOf(maxWaiting: number): number {
  return Math.max(1, Math.min(Math.max(64, Math.floor(maxWaiting / 8)), Math.floor(maxWaiting / 2)))
}
