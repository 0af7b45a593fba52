// SPDX-License-Identifier: Apache-2.0
/** What the gateway tells those who watch: readings four times a second, each window, and refusals, of which a flood is counted only. */
import type { EventHub } from '../kit/events.ts'
import type { Ack } from '../protocol/ack.ts'
import type { Hex } from '../protocol/ids.ts'

export interface AcceptedReadings {
  device: Hex
  /** Readings that were not here before. */
  count: number
  last: { sequence: string; time: string; channel: string; value: string }
}

export interface AcceptedWindow {
  root: Hex
  project: string
  device: Hex
  index: number
  channel: string
  firstSequence: string
  count: number
  receivedAt: number
}

export interface GatewayEvents {
  readings(of: AcceptedReadings): void
  window(window: AcceptedWindow): void
  refusal(ack: Ack): void
  close(): void
}

const FLUSH_MS = 250
/** Devices named in one event, and refusals told singly between two. */
const MOST_DEVICES = 200
const MOST_REFUSALS = 25

export function createGatewayEvents(hub: EventHub, now: () => number = Date.now): GatewayEvents {
  let perDevice = new Map<Hex, AcceptedReadings>()
  let [accepted, refused] = [0, 0]
  let timer: NodeJS.Timeout | undefined

  const flush = (): void => {
    timer = undefined
    const devices = [...perDevice.values()]
    hub.publish('readings', { at: now(), accepted, refused, perDevice: devices })
    perDevice = new Map()
    accepted = refused = 0
  }
  const later = (): void => {
    timer ??= setTimeout(flush, FLUSH_MS).unref()
  }

  return {
    readings({ device, count, last }) {
      accepted += count
      const known = perDevice.get(device)
      if (known !== undefined || perDevice.size < MOST_DEVICES) perDevice.set(device, { device, count: count + (known?.count ?? 0), last })
      later()
    },
    window: (window) => hub.publish('window', window),
    refusal({ subject, reason }) {
      refused += 1
      if (refused <= MOST_REFUSALS) hub.publish('refusal', { device: subject.device, reason, at: now() })
      later()
    },
    close: () => clearTimeout(timer),
  }
}
