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
  /** The address that this connection comes from: forged signatures of all its connections together slow down those that have shown no good one. */
  address?: Sender
  /** Bad signatures at once, and a second. */
  bad?: { burst: number; perSecond: number }
  now?: () => number
}

/** Unanswered messages of a connection that has not shown a good signature since it came, or since its last bad one, before it is read more slowly. */
const UNPROVEN = 64
/** Bad signatures that a sender may send at once, and a second. A bridge with one misconfigured device behind it stays below. */
const BAD_OF_CONNECTION = { burst: 32, perSecond: 8 }
/** The same for all connections of one address together: more, for many devices may come from one. */
const BAD_OF_ADDRESS = { burst: 256, perSecond: 64 }
const PAUSE_MS = 1_000
/** Addresses without a connection that are remembered, so that coming again does not begin anew. */
const ADDRESSES_KEPT = 10_000

export class Sender {
  readonly share: number
  /** Per device, the newest message of this sender that is being judged: the next one of that device is placed after it. */
  readonly tails = new Map<string, Promise<unknown>>()
  /** Messages that are being judged. */
  waiting = 0
  readonly #slowsForgers: boolean
  readonly #address: Sender | undefined
  readonly #bad: { burst: number; perSecond: number }
  readonly #now: () => number
  #proven = false
  #forged = false
  #tokens: number
  #filledAt: number
  #pausedUntil = 0

  constructor({ share, slowsForgers, address, bad = BAD_OF_CONNECTION, now = Date.now }: SenderOptions) {
    this.share = share
    this.#slowsForgers = slowsForgers
    this.#address = address
    this.#bad = bad
    this.#tokens = bad.burst
    this.#now = now
    this.#filledAt = now()
  }

  good(): void {
    this.#proven = true
  }

  bad(): void {
    if (!this.#slowsForgers) return
    this.#forged = true
    this.#address?.bad()
    const { burst, perSecond } = this.#bad
    const at = this.#now()
    this.#proven = false
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, at - this.#filledAt) * perSecond) / 1000)
    this.#filledAt = at
    if (this.#tokens >= 1) this.#tokens -= 1
    else this.#pausedUntil = at + PAUSE_MS
  }

  /** Milliseconds for which its messages are refused unread, because of forged signatures. */
  get pausedMs(): number {
    const own = Math.max(0, this.#pausedUntil - this.#now())
    // One that has not forged yet may show that it is honest, whoever else comes from its address.
    return this.#proven || !this.#forged ? own : Math.max(own, this.#address?.pausedMs ?? 0)
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

/** Connections by the address that they come from: how many there may be, and how much all of them together may forge. */
export class Addresses {
  readonly #most: number
  readonly #found = new Map<string, { sender: Sender; connections: number }>()

  /** @param most  connections of one address */
  constructor(most: number) {
    this.#most = most
  }

  /** Counts a connection in; undefined when its address has as many as it may. */
  enter(address: string): Sender | undefined {
    const found = this.#found.get(address) ?? { sender: new Sender({ share: 1, slowsForgers: true, bad: BAD_OF_ADDRESS }), connections: 0 }
    if (found.connections >= this.#most) return undefined
    found.connections += 1
    this.#found.set(address, found)
    return found.sender
  }

  leave(address: string): void {
    const found = this.#found.get(address)
    if (found !== undefined) found.connections -= 1
    if (this.#found.size <= ADDRESSES_KEPT) return
    for (const [name, { connections }] of this.#found) if (connections === 0) this.#found.delete(name)
  }
}
