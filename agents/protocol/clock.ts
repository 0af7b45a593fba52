// SPDX-License-Identifier: Apache-2.0
/** The time of a project: the wall clock, or a replay clock that runs recorded data at a chosen speed from a chosen origin. */
import { TrellisError } from './errors.ts'

/** `wall`: unix seconds. `replay`: origin + (wall - start) × speed, which only local networks accept. */
export type ClockTerms = { kind: 'wall' } | { kind: 'replay'; origin: number; start: number; speed: number }

/** Exclusive bound of every time in the protocol: uint40 seconds. */
export const TIME_LIMIT = 2 ** 40

/** Project time in whole seconds at a wall-clock instant in milliseconds. May lie before `origin` when a replay has not started. */
export function projectSeconds(clock: ClockTerms, wallMs: number): number {
  if (clock.kind === 'wall') return Math.floor(wallMs / 1000)
  return clock.origin + Math.floor(((wallMs - clock.start * 1000) * clock.speed) / 1000)
}

/** Wall-clock instant in milliseconds at which `projectSeconds` first reaches `time`. */
export function wallMsOf(clock: ClockTerms, time: number): number {
  if (clock.kind === 'wall') return time * 1000
  return clock.start * 1000 + Math.ceil(((time - clock.origin) * 1000) / clock.speed)
}

/** @throws TrellisError CLOCK_INVALID when a field leaves its range on chain (uint40, uint32) or the speed is zero. */
export function checkClock(clock: ClockTerms): ClockTerms {
  if (clock.kind === 'wall') return clock
  const { origin, start, speed } = clock
  const inRange = (value: number, limit: number): boolean => Number.isInteger(value) && value >= 0 && value < limit
  if (!inRange(origin, TIME_LIMIT) || !inRange(start, TIME_LIMIT) || !inRange(speed, 2 ** 32) || speed === 0) {
    throw new TrellisError({
      code: 'CLOCK_INVALID',
      message: 'A replay clock needs an origin and a start in seconds and a whole speed of at least 1.',
      details: { origin, start, speed },
    })
  }
  return clock
}
