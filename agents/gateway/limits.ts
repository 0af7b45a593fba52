// SPDX-License-Identifier: Apache-2.0
/**
 * How much a device and a project may deliver: a bucket of readings each, filled at a steady rate. Only messages whose signature is good take from it,
 * so that nobody uses up the share of a device in whose name it forges.
 */
import { BoundedCache } from './bounded-cache.ts'

export interface RateOptions {
  /** Readings a second. A window counts as the readings that it carries. */
  perSecond: number
  /** Readings at once, after a pause. */
  burst: number
}

export interface RateLimits {
  /** Takes `readings` of both buckets, or of none. @returns 0, or milliseconds after which they hold as many */
  take(project: string, device: string, readings: number): number
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
  return {
    take(project, device, readings) {
      const at = now()
      const both = [bucket(devices, `${project}/${device}`, ofDevice), bucket(projects, project, ofProject)]
      const wait = Math.max(...both.map((one) => one.wait(readings, at)))
      if (wait === 0) for (const one of both) one.take(readings)
      return wait
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
