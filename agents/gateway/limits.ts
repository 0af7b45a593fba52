// SPDX-License-Identifier: Apache-2.0
/**
 * How much a device and a project may deliver: a bucket of readings each, filled at a steady rate. Only what is stored takes from it, so that nobody
 * uses up the share of a device in whose name it forges, or whose messages it sends again.
 */
import { BoundedCache } from './bounded-cache.ts'

export interface RateOptions {
  /** Readings a second. A window counts as the readings that it carries. */
  perSecond: number
  /** Readings at once, after a pause. */
  burst: number
}

export interface RateLimits {
  /** @returns 0 when both buckets hold `readings`, or milliseconds after which they do */
  wait(project: string, device: string, readings: number): number
  /** Takes `readings` that were stored of both; what was under way at once may take more than they hold. */
  charge(project: string, device: string, readings: number): void
}

const BUCKETS = 100_000

export function createRateLimits({
  device: ofDevice,
  project: ofProject,
  now = Date.now,
}: {
  device: RateOptions
  project: RateOptions
  now?: () => number
}): RateLimits {
  const devices = new BoundedCache<string, Bucket>(BUCKETS)
  const projects = new BoundedCache<string, Bucket>(BUCKETS)
  const bucket = (of: BoundedCache<string, Bucket>, key: string, options: RateOptions): Bucket => {
    let found = of.get(key)
    if (found === undefined) of.set(key, (found = new Bucket(options, now())))
    return found
  }
  const both = (project: string, device: string): Bucket[] => [
    bucket(devices, `${project}/${device}`, ofDevice),
    bucket(projects, project, ofProject),
  ]
  return {
    wait: (project, device, readings) => Math.max(...both(project, device).map((one) => one.wait(readings, now()))),
    charge(project, device, readings) {
      for (const one of both(project, device)) one.take(readings)
    },
  }
}

class Bucket {
  readonly #options: RateOptions
  #tokens: number
  #filledAt: number

  constructor(options: RateOptions, at: number) {
    this.#options = options
    this.#tokens = options.burst
    this.#filledAt = at
  }

  wait(readings: number, at: number): number {
    const { perSecond, burst } = this.#options
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, at - this.#filledAt) * perSecond) / 1000)
    this.#filledAt = at
    return this.#tokens >= readings ? 0 : Math.ceil(((readings - this.#tokens) * 1000) / perSecond)
  }

  take(readings: number): void {
    this.#tokens -= readings
  }
}
