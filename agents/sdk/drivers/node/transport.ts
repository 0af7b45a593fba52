// SPDX-License-Identifier: Apache-2.0
/** How messages reach a gateway and answers come back. Neither order nor delivery is promised: the outbox sends again until an answer came. */
import type { Ack } from '../../../protocol/ack.ts'

export interface Transport {
  /** False while nothing can be sent. */
  readonly connected: boolean
  /** Sends payloads in order. Failures are silent: what was lost is sent again. */
  send(payloads: readonly string[]): void
  close(): Promise<void>
}

export interface TransportEvents {
  onAck: (ack: Ack) => void
  /** The way to the gateway opened, for the first time or again: whatever was under way may be lost. */
  onConnect: () => void
  onError: (error: unknown) => void
}
