// SPDX-License-Identifier: Apache-2.0
/**
 * Events of a service for whoever watches: a bounded ring, read as a stream (server-sent events). Readers pull from the ring at their own pace; one that
 * lags far behind is told of the gap and goes on with what is newest, and one that stands still is cut. Nothing waits for a reader.
 */
import { randomBytes } from 'node:crypto'
import { overloaded } from './errors.ts'
import type { HttpContext } from './http.ts'
import type { Metrics } from './metrics.ts'

export interface EventHubOptions {
  metrics: Metrics
  /** Names what the events belong to. A reader that resumes from another subject is told `reset` instead of `gap`. */
  subject?: string
  /** Events kept for readers that resume. */
  kept?: number
  /** Streams at once; more are answered OVERLOADED. */
  maxStreams?: number
  /** Events that a reader may lag. */
  maxLag?: number
  keepAliveMs?: number
}

export interface EventHub {
  publish(name: string, data: unknown): void
  /** Begins anew for another subject: readers get `reset`, and nothing of what was before. */
  reset(subject: string): void
  /** The stream as an answer; resumes after `Last-Event-ID`. @throws TrellisError OVERLOADED */
  answer(c: HttpContext): Response
  /** Streams that are open. */
  readonly streams: number
  /** Ends all streams. */
  close(): void
}

interface Event {
  n: number
  text: string
}

interface Reader {
  /** Number of the next event. */
  next: number
  /** Set while it waits for one. */
  wake: (() => void) | undefined
  /** When it last took something. */
  tookAt: number
  cut: () => void
  ended: boolean
}

/** A reader that takes nothing for so many keep-alives is cut. */
const STILL = 4

export const eventMetrics = (metrics: Metrics) => ({
  streams: metrics.gauge('event_streams_count', 'open event streams'),
  gaps: metrics.counter('event_gaps_total', 'times that a reader of events fell too far behind'),
})

export function createEventHub({
  metrics,
  subject = '',
  kept = 1_000,
  maxStreams = 32,
  maxLag = 256,
  keepAliveMs = 15_000,
}: EventHubOptions): EventHub {
  // Numbers begin anew with the process: the name tells one beginning from another.
  const name = (of: string): string => `${of}-${randomBytes(6).toString('hex')}`
  let [about, id] = [subject, name(subject)]
  let ring: Event[] = []
  let newest = 0
  const readers = new Set<Reader>()
  const { streams, gaps } = eventMetrics(metrics)

  const frame = (n: number, event: string, data: unknown): string => `id: ${id}:${n}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`
  const wakeAll = (): void => {
    for (const reader of readers) reader.wake?.()
  }
  const publish = (event: string, data: unknown): void => {
    newest += 1
    ring.push({ n: newest, text: frame(newest, event, data) })
    // In steps, or each event would move the whole ring.
    if (ring.length >= 2 * kept) ring = ring.slice(-kept)
    wakeAll()
  }
  const leave = (reader: Reader): void => {
    reader.ended = true
    readers.delete(reader)
    streams.set(readers.size)
    reader.wake?.()
    if (readers.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  /** What a reader has not got yet, in one piece; '' when there is nothing. */
  const take = (reader: Reader): string => {
    const missed = newest + 1 - reader.next
    if (missed <= 0) return ''
    const first = reader.next
    reader.next = newest + 1
    if (missed > maxLag) {
      gaps.inc()
      return frame(newest, 'gap', { dropped: missed })
    }
    return ring
      .slice(-missed)
      .filter(({ n }) => n >= first)
      .map(({ text }) => text)
      .join('')
  }

  /** Where a reader that names the last event it saw goes on, and what it is told first. */
  const resume = (last: string | undefined): { next: number; first: string } => {
    const from = newest + 1
    if (last === undefined || last === '') return { next: from, first: '' }
    const [named = '', number = ''] = last.split(':')
    if (named === id && /^\d{1,15}$/.test(number) && Number(number) <= newest && newest - Number(number) <= Math.min(kept, maxLag))
      return { next: Number(number) + 1, first: '' }
    const other = named.slice(0, named.lastIndexOf('-')) !== about
    return { next: from, first: frame(newest, other ? 'reset' : 'gap', {}) }
  }

  // Keep-alives, and the end of readers that stand still.
  let timer: NodeJS.Timeout | undefined
  const tick = (): void => {
    const now = Date.now()
    for (const reader of readers) {
      if (reader.wake !== undefined) reader.wake()
      else if (now - reader.tookAt > STILL * keepAliveMs) {
        leave(reader)
        reader.cut()
      }
    }
  }

  return {
    publish,
    reset(of) {
      ;[about, id] = [of, name(of)]
      ring = []
      // Whoever is behind is so no more: what he missed was of the other subject.
      for (const reader of readers) reader.next = newest + 1
      publish('reset', {})
    },
    answer(c) {
      if (readers.size >= maxStreams) throw overloaded('The list of event streams', maxStreams)
      const { next, first } = resume(c.req.header('last-event-id'))
      const reader: Reader = { next, wake: undefined, tookAt: Date.now(), cut: () => c.env.outgoing.destroy(), ended: false }
      readers.add(reader)
      streams.set(readers.size)
      timer ??= setInterval(tick, keepAliveMs).unref()
      const encoder = new TextEncoder()
      let greeting: string | undefined = `retry: 2000\n\n${first}`
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          reader.tookAt = Date.now()
          let text = greeting ?? take(reader)
          greeting = undefined
          if (text === '' && !reader.ended) {
            await new Promise<void>((resolve) => (reader.wake = resolve))
            reader.wake = undefined
            text = take(reader) || ': \n\n'
          }
          if (reader.ended) controller.close()
          else controller.enqueue(encoder.encode(text))
        },
        cancel: () => leave(reader),
      })
      const headers = { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' }
      return new Response(body, { headers })
    },
    get streams() {
      return readers.size
    },
    close() {
      for (const reader of [...readers]) leave(reader)
    },
  }
}
