// SPDX-License-Identifier: Apache-2.0
/** The event stream of a service behind the page, followed for as long as the portal runs. */
import type { Logger } from '../../kit/log.ts'
import { createBackoff, sleep } from '../../kit/lifecycle.ts'
import { reasonOf } from './upstream.ts'

/** A stream that says nothing for so long, keep-alives included, is dead. */
const SILENT_MS = 45_000
const MOST_CHARACTERS = 1 << 20

export interface FeedOptions {
  url: string
  /** Names of events that are handed on; others are left out. */
  names: ReadonlySet<string>
  log: Logger
  signal: AbortSignal
  take: (name: string, data: unknown) => void
}

/** Follows until the signal aborts. Never rejects. */
export async function follow({ url, names, log, signal, take }: FeedOptions): Promise<void> {
  const delays = createBackoff({ firstMs: 500, capMs: 10_000 })
  let last: string | undefined
  while (!signal.aborted) {
    const silence = new AbortController()
    const end = AbortSignal.any([signal, silence.signal])
    let timer = setTimeout(() => silence.abort(), SILENT_MS)
    try {
      const headers = { accept: 'text/event-stream', ...(last === undefined ? {} : { 'last-event-id': last }) }
      const response = await fetch(url, { headers, signal: end, redirect: 'error' })
      if (response.status !== 200 || response.body === null) throw new Error(`it answers ${response.status}`)
      const decoder = new TextDecoder()
      let text = ''
      for await (const chunk of response.body) {
        clearTimeout(timer)
        timer = setTimeout(() => silence.abort(), SILENT_MS)
        delays.reset()
        text += decoder.decode(chunk as Uint8Array, { stream: true })
        for (let cut = text.indexOf('\n\n'); cut >= 0; cut = text.indexOf('\n\n')) {
          const event = parseEvent(text.slice(0, cut))
          text = text.slice(cut + 2)
          last = event.id ?? last
          if (event.name !== undefined && names.has(event.name) && event.data !== undefined) take(event.name, event.data)
        }
        if (text.length > MOST_CHARACTERS) throw new Error('an event without end')
      }
    } catch (error) {
      if (!signal.aborted) log.debug({ url, reason: reasonOf(error) }, 'events of a service broke off')
    } finally {
      clearTimeout(timer)
    }
    await sleep(delays.next(), signal)
  }
}

/** One event of an event stream (WHATWG HTML 9.2.6), of those that our own services write: one `data` line of JSON. */
export function parseEvent(block: string): { id?: string; name?: string; data?: unknown } {
  const event: { id?: string; name?: string; data?: unknown } = {}
  for (const line of block.split('\n')) {
    const cut = line.indexOf(': ')
    const [field, value] = [line.slice(0, cut), line.slice(cut + 2)]
    if (field === 'id') event.id = value
    else if (field === 'event') event.name = value
    else if (field === 'data') {
      try {
        event.data = JSON.parse(value) as unknown
      } catch {
        // What is no JSON is none of ours.
      }
    }
  }
  return event
}
