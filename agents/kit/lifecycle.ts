// SPDX-License-Identifier: Apache-2.0
/** Start and stop: parts stop in reverse order, passes repeat with backoff, everything ends when the signal says so. */
import type { Logger } from './log.ts'
import { TrellisError, isTrellisError, toTrellisError } from './errors.ts'

/** What one pass of a loop says about when to run again. */
export type Next = 'again' | 'wait'

export interface BackoffOptions {
  /** First delay, milliseconds. */
  firstMs?: number
  /** Longest delay, milliseconds. */
  capMs?: number
  /** 0..1: the part of a delay that is random, so that many clients do not come back together. */
  jitter?: number
  random?: () => number
}

/** Delays that double up to a cap, each shortened by a random part. `reset` after a success. */
export function createBackoff({ firstMs = 200, capMs = 30_000, jitter = 0.5, random = Math.random }: BackoffOptions = {}) {
  let failures = 0
  return {
    next(): number {
      const full = Math.min(capMs, firstMs * 2 ** Math.min(failures, 30))
      failures += 1
      return Math.round(full * (1 - jitter * random()))
    },
    reset(): void {
      failures = 0
    },
  }
}

/** Resolves after `ms`, or at once when the signal aborts. Never rejects. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal?.addEventListener('abort', done, { once: true })
  })
}

/** Repeats what a service needs at its start while it fails by something that passes. @throws STOPPED when the signal aborts; what does not pass */
export async function patiently<T>(
  work: () => Promise<T>,
  { what, log, signal, backoff }: { what: string; log: Logger; signal: AbortSignal; backoff?: BackoffOptions },
): Promise<T> {
  const delays = createBackoff({ firstMs: 250, capMs: 10_000, ...backoff })
  for (;;) {
    if (signal.aborted) throw new TrellisError({ code: 'STOPPED', message: `The service was stopped while it waited for ${what}.` })
    try {
      return await work()
    } catch (error) {
      if (!isTrellisError(error) || !error.retryable) throw error
      const ms = delays.next()
      log.warn({ err: error, retryInMs: ms }, `waiting for ${what}`)
      await sleep(ms, signal)
    }
  }
}

export interface LoopOptions {
  name: string
  /** One idempotent pass. `again` runs the next one at once, `wait` after `idleMs`. */
  pass: (signal: AbortSignal) => Promise<Next>
  idleMs: number
  signal: AbortSignal
  log: Logger
  backoff?: BackoffOptions
  /** An error of one of these codes ends the loop: `done` rejects with it. Others are logged and tried again. */
  fatal?: readonly string[]
  onError?: (error: unknown) => void
}

export interface Loop {
  /** Runs the next pass now instead of after the wait. */
  wake(): void
  /** Resolves when the loop has ended because of its signal; rejects with a fatal error. */
  readonly done: Promise<void>
}

/** Repeats a pass until the signal aborts. A failing pass is tried again with backoff. */
export function startLoop({ name, pass, idleMs, signal, log, backoff, fatal = [], onError }: LoopOptions): Loop {
  const delays = createBackoff(backoff)
  let waiting = new AbortController()
  let woken = false

  const wait = async (ms: number, wakeable: boolean): Promise<void> => {
    if (wakeable && woken) return
    waiting = new AbortController()
    await sleep(ms, wakeable ? AbortSignal.any([signal, waiting.signal]) : signal)
  }
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      woken = false
      try {
        const next = await pass(signal)
        delays.reset()
        // A turn of the event loop between passes keeps timers and sockets alive under steady work.
        if (next === 'again') await new Promise((resolve) => setImmediate(resolve))
        else await wait(idleMs, true)
      } catch (error) {
        if (signal.aborted) return
        if (isTrellisError(error) && fatal.includes(error.code)) throw error
        const ms = delays.next()
        log.warn({ err: toTrellisError(error), loop: name, retryInMs: ms }, 'pass failed')
        onError?.(error)
        await wait(ms, false)
      }
    }
  }
  return {
    wake() {
      woken = true
      waiting.abort()
    },
    // From the next turn on, so that the first pass can already use what this returns.
    done: Promise.resolve().then(run),
  }
}

/** Parts of a service in the order they started; `close` stops them in reverse, each once, and goes on after a failure. */
export function createStack(log: Logger) {
  const parts: { name: string; stop: () => Promise<void> | void }[] = []
  return {
    add(name: string, stop: () => Promise<void> | void): void {
      parts.push({ name, stop })
    },
    async close(): Promise<void> {
      for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
        try {
          await part.stop()
        } catch (error) {
          log.error({ err: toTrellisError(error), part: part.name }, 'a part did not stop cleanly')
        }
      }
    },
  }
}
