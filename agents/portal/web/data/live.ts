// SPDX-License-Identifier: Apache-2.0
/**
 * What happens now, from the server's event stream. Events are gathered and shown four times a second, so that a flood of them costs the same
 * as one; lists are bounded. After a gap or a chain reset the page reads its state again.
 */
import { useSyncExternalStore } from 'react'
import type { ChainEvent, LastReading as Reading, ReadingsEvent, RefusalEvent, TaskEvent, Totals, WindowEvent } from '../../api.ts'

const FLUSH_MS = 250
const KEPT = 240
const SECONDS = 90

export type Link = 'opening' | 'open' | 'lost'
type LastReading = Reading & { at: number }

export interface Live {
  link: Link
  /** When the server was last heard of. */
  heardAt: number | null
  totals: Totals | null
  block: number | null
  /** When the chain was last seen to begin anew. */
  resetAt: number | null
  /** Newest first. */
  tasks: readonly TaskEvent[]
  windows: readonly WindowEvent[]
  refusals: readonly RefusalEvent[]
  /** Readings a second, one figure per second, newest last. */
  rates: readonly { at: number; rate: number }[]
  last: ReadonlyMap<string, LastReading>
  /** Events taken since the page was opened. */
  taken: number
}

const empty = (): Live => ({
  link: 'opening',
  heardAt: null,
  totals: null,
  block: null,
  resetAt: null,
  tasks: [],
  windows: [],
  refusals: [],
  rates: [],
  last: new Map(),
  taken: 0,
})

let shown = empty()
let next: Partial<Live> = {}
let timer: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()

function flush(): void {
  timer = undefined
  shown = { ...shown, ...next }
  next = {}
  for (const listener of listeners) listener()
}

function put(change: Partial<Live>): void {
  next = { ...next, ...change, taken: (next.taken ?? shown.taken) + 1 }
  timer ??= setTimeout(flush, FLUSH_MS)
}

const has = <K extends keyof Live>(key: K): Live[K] => next[key] ?? shown[key]

/** Newest first, one per key. */
const onTop = <T>(list: readonly T[], item: T, same: (other: T) => boolean): T[] =>
  [item, ...list.filter((other) => !same(other))].slice(0, KEPT)

function addReadings({ at, perDevice }: ReadingsEvent): void {
  const last = new Map(has('last'))
  for (const { device, last: reading } of perDevice) {
    last.delete(device)
    last.set(device, { ...reading, at })
  }
  for (const device of last.keys()) {
    if (last.size <= 1_000) break
    last.delete(device)
  }
  put({ last })
}

function addTotals(totals: Totals): void {
  const rates = [...has('rates'), { at: totals.at, rate: totals.readingsPerSecond }].slice(-SECONDS)
  put({ totals, rates })
}

let genesis: string | undefined

/** Tells which chain the page shows, where it was read before the stream said it. */
export function noteGenesis(hash: string): void {
  genesis ??= hash
}

/** @param onStateLost  called when what was read before may be wrong: events were dropped, or the chain began anew */
export function startLive(onStateLost: (why: 'gap' | 'reset') => void): () => void {
  let source: EventSource | undefined
  let again: ReturnType<typeof setTimeout> | undefined
  let waitMs = 500
  /** Another chain: nothing of the one before stays. A first chain is none. */
  const begin = (): void => {
    if (genesis === undefined) return
    genesis = undefined
    put({ ...empty(), link: 'open', heardAt: Date.now(), resetAt: Date.now() })
    onStateLost('reset')
  }
  const open = (): void => {
    source = new EventSource('/api/v1/events')
    source.onopen = () => {
      if (has('link') === 'lost') onStateLost('gap')
      waitMs = 500
      put({ link: 'open', heardAt: Date.now() })
    }
    // The browser resumes a broken stream by itself, but not one that was refused.
    source.onerror = () => {
      put({ link: 'lost' })
      if (source?.readyState !== EventSource.CLOSED) return
      again = setTimeout(open, waitMs)
      waitMs = Math.min(waitMs * 2, 10_000)
    }
    const on = <T>(name: string, take: (data: T) => void): void =>
      source!.addEventListener(name, (event) => {
        put({ heardAt: Date.now(), link: 'open' })
        take(JSON.parse((event as MessageEvent<string>).data) as T)
      })
    on<ReadingsEvent>('readings', addReadings)
    on<WindowEvent>('window', (item) =>
      put({ windows: onTop(has('windows'), item, (other) => other.root === item.root && other.device === item.device) }),
    )
    on<TaskEvent>('task', (item) => put({ tasks: onTop(has('tasks'), item, (other) => other.id === item.id) }))
    on<RefusalEvent>('refusal', (item) => put({ refusals: [item, ...has('refusals')].slice(0, KEPT) }))
    on<Totals>('totals', addTotals)
    on<ChainEvent>('chain', ({ block, genesisHash }) => {
      // Also a stream that was opened anew may be of another chain.
      if (genesis !== undefined && genesis !== genesisHash) begin()
      genesis = genesisHash
      put({ block })
    })
    on<unknown>('gap', () => onStateLost('gap'))
    on<unknown>('reset', begin)
  }
  open()
  return () => {
    source?.close()
    clearTimeout(again)
  }
}

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

/** One part of what happens now; a component is drawn again only when this part changes. */
export const useLive = <K extends keyof Live>(key: K): Live[K] => useSyncExternalStore(subscribe, () => shown[key])
