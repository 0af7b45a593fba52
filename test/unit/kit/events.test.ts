// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai'
import { request, type IncomingMessage } from 'node:http'
import { createEventHub, type EventHub, type EventHubOptions } from '../../../agents/kit/events.ts'
import { startHttp, type HttpServer } from '../../../agents/kit/http.ts'
import { createLog } from '../../../agents/kit/log.ts'
import { createMetrics } from '../../../agents/kit/metrics.ts'

describe('kit: events', () => {
  let hub: EventHub
  let server: HttpServer
  const open = async (options: Partial<EventHubOptions> = {}): Promise<void> => {
    const metrics = createMetrics('events', { defaults: false })
    hub = createEventHub({ metrics, subject: 'one', ...options })
    server = await startHttp({
      hostname: '127.0.0.1',
      port: 0,
      log: createLog('events', 'silent'),
      metrics,
      routes: (app) => app.get('/events', (c) => hub.answer(c)),
    })
  }
  const stop: (() => void)[] = []
  afterEach(async () => {
    for (const end of stop.splice(0)) end()
    hub.close()
    await server.close(0)
  })

  interface Seen {
    id: string
    event: string
    data: { i?: number; dropped?: number }
  }
  /** Reads events as they come; `count` of them. */
  const reader = async (last?: string) => {
    const abort = new AbortController()
    stop.push(() => abort.abort())
    const response = await fetch(`${server.url}/events`, {
      signal: abort.signal,
      headers: last === undefined ? {} : { 'last-event-id': last },
    })
    const body = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const next = async (): Promise<Seen> => {
      for (;;) {
        const end = text.indexOf('\n\n')
        if (end >= 0) {
          const lines = text.slice(0, end).split('\n')
          text = text.slice(end + 2)
          const of = (name: string): string | undefined => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
          if (of('event') !== undefined) return { id: of('id')!, event: of('event')!, data: JSON.parse(of('data')!) as Seen['data'] }
          continue
        }
        const { value, done } = await body.read()
        if (done) throw new Error('the stream ended')
        text += value
      }
    }
    const take = async (count: number): Promise<Seen[]> => {
      const seen: Seen[] = []
      while (seen.length < count) seen.push(await next())
      return seen
    }
    return { status: response.status, take, close: () => abort.abort(), headers: response.headers }
  }
  const numbers = (seen: Seen[]): (number | undefined)[] => seen.map(({ data }) => data.i)

  it('gives events out in order, and goes on after the last that a reader saw', async () => {
    await open()
    const first = await reader()
    expect(first.headers.get('content-type')).to.equal('text/event-stream')
    for (let i = 1; i <= 3; i++) hub.publish('x', { i })
    const seen = await first.take(3)
    expect(numbers(seen)).to.deep.equal([1, 2, 3])
    first.close()
    const again = await reader(seen[0]!.id)
    expect(numbers(await again.take(2))).to.deep.equal([2, 3])
    hub.publish('x', { i: 4 })
    expect(numbers(await again.take(1))).to.deep.equal([4])
  })

  it('tells of a gap where what was missed is gone, and of a reset where it was of another subject', async () => {
    await open()
    for (let i = 1; i <= 400; i++) hub.publish('x', { i })
    const late = await reader(`${(await idOf()).replace(/:.*/, '')}:1`)
    expect((await late.take(1))[0]!.event).to.equal('gap')
    expect((await (await reader('one-000000000000:5')).take(1))[0]!.event).to.equal('gap')
    expect((await (await reader('two-000000000000:5')).take(1))[0]!.event).to.equal('reset')
    const watching = await reader()
    hub.publish('x', { i: 401 })
    hub.reset('two')
    hub.publish('x', { i: 1 })
    const seen = await watching.take(2)
    expect(seen.map(({ event }) => event).slice(-2)).to.include('reset')
    const before = await reader(seen[0]!.id.startsWith('one') ? seen[0]!.id : 'one-1:1')
    expect((await before.take(1))[0]!.event).to.equal('reset')

    async function idOf(): Promise<string> {
      const one = await reader()
      hub.publish('x', { i: 0 })
      return (await one.take(1))[0]!.id
    }
  })

  it('a reader that does not read costs a bounded amount, is told one gap, and holds up nobody', async function () {
    this.timeout(60_000)
    await open({ maxLag: 256 })
    const slow = await new Promise<IncomingMessage>((resolve) => request(`${server.url}/events`, resolve).end())
    stop.push(() => slow.destroy())
    slow.pause()
    const quick = await reader()
    const data = 'x'.repeat(8_000)
    const started = performance.now()
    for (let round = 0; round < 60; round++) {
      for (let i = 0; i < 100; i++) hub.publish('x', { i: round * 100 + i, data })
      const seen = await quick.take(100)
      expect(seen.at(-1)!.data.i).to.equal(round * 100 + 99)
    }
    expect(performance.now() - started).to.be.below(40_000)
    let text = ''
    slow.setEncoding('utf8').resume()
    slow.on('data', (chunk: string) => (text += chunk))
    for (let tries = 0; tries < 200 && !text.includes('event: gap'); tries++) await new Promise((resolve) => setTimeout(resolve, 20))
    hub.publish('x', { i: 'newest' })
    for (let tries = 0; tries < 200 && !text.includes('newest'); tries++) await new Promise((resolve) => setTimeout(resolve, 20))
    expect(text.match(/event: gap/g)).to.have.length(1)
    // What waited for it was what the socket holds, far from the 48 MB that were told.
    expect(text.length).to.be.below(24_000_000)
    expect(text).to.include('newest')
  })

  it('answers no more streams than it may have, and cuts one that stands still', async () => {
    await open({ maxStreams: 2, keepAliveMs: 40 })
    const still = await new Promise<IncomingMessage>((resolve) => request(`${server.url}/events`, resolve).end())
    still.on('error', () => undefined)
    still.pause()
    const other = await reader()
    expect((await fetch(`${server.url}/events`)).status).to.equal(503)
    const pump = setInterval(() => hub.publish('x', { i: 1, data: 'x'.repeat(100_000) }), 2)
    stop.push(() => clearInterval(pump))
    const reading = (async () => {
      for (;;) await other.take(1)
    })().catch(() => undefined)
    for (let tries = 0; tries < 250 && hub.streams === 2; tries++) await new Promise((resolve) => setTimeout(resolve, 20))
    clearInterval(pump)
    expect(hub.streams).to.equal(1)
    expect((await reader()).status).to.equal(200)
    other.close()
    await reading
  })
})
