// SPDX-License-Identifier: Apache-2.0
/** Closes windows: the device decides where they end, and nobody cuts them again. A pure state machine; the driver makes its steps durable. */
import { TrellisError } from '../protocol/errors.ts'
import { LANE_GAP_LIMIT, packWindow, WINDOW_CAPACITY, type WindowContent, type WindowReading } from '../protocol/window.ts'

/** A window that will not change any more. */
export interface ClosedWindow {
  index: number
  content: WindowContent
}

export interface CutterOptions {
  /** Channel id of the terms. */
  channel: bigint
  /** Index of the window that is open. */
  nextIndex: number
  /** Sequence of the next reading that joins it. */
  nextSequence: number
  /** Readings at which a window closes by itself, 1..64. */
  capacity?: number
  /** A longer pause between two readings, in seconds, closes the window before the second. At most 65535, what a lane can say; so a day's pause always does. */
  maxGap?: number
}

export interface WindowCutter {
  /**
   * Adds the next reading. Gives the windows that closed: one when it filled or followed a long pause, two when both at capacity 1, else none.
   * @throws TrellisError WINDOW_INVALID when it does not lie after the reading before it.
   */
  add(reading: WindowReading): ClosedWindow[]
  /** Closes what is open; undefined when nothing is. */
  flush(): ClosedWindow | undefined
  /** Readings in the open window. */
  readonly open: number
}

export function createWindowCutter(options: CutterOptions): WindowCutter {
  const { channel, capacity = WINDOW_CAPACITY, maxGap = LANE_GAP_LIMIT - 1 } = options
  if (!(capacity >= 1 && capacity <= WINDOW_CAPACITY && maxGap >= 1 && maxGap < LANE_GAP_LIMIT)) {
    throw new TrellisError({
      code: 'WINDOW_INVALID',
      message: 'A window closes at 1 to 64 readings and at pauses of 1 to 65535 s.',
      details: { capacity, maxGap },
    })
  }
  let { nextIndex, nextSequence } = options
  let open: WindowReading[] = []
  let lastTime = -1

  const close = (): ClosedWindow => {
    const closed = { index: nextIndex, content: packWindow(channel, nextSequence, open) }
    nextIndex += 1
    nextSequence += open.length
    open = []
    return closed
  }

  return {
    add(reading) {
      if (reading.time <= lastTime) {
        const details = { time: reading.time, before: lastTime }
        throw new TrellisError({ code: 'WINDOW_INVALID', message: 'A reading must lie after the one before it.', details })
      }
      const closed: ClosedWindow[] = []
      if (open.length > 0 && reading.time - lastTime > maxGap) closed.push(close())
      open.push(reading)
      lastTime = reading.time
      if (open.length === capacity) closed.push(close())
      return closed
    },
    flush: () => (open.length === 0 ? undefined : close()),
    get open() {
      return open.length
    },
  }
}
