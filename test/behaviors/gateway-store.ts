// SPDX-License-Identifier: Apache-2.0
/** What every store of a gateway does, whatever lies under it: judged through real messages, as the doors bring them. */
import { expect } from 'chai'
import { type Ack, ackFromJson } from '../../agents/protocol/ack.ts'
import { encodeEnvelope, type Envelope, envelopeToJson } from '../../agents/protocol/envelope.ts'
import type { Accounting, RefusalItem, WindowItem } from '../../agents/gateway/ledger.ts'
import type { RunningGateway } from '../../agents/gateway/service.ts'
import type { DeviceRow, History, Page, StoredWindow } from '../../agents/portal/api.ts'
import { deviceOf, FakeChain, origin, readingAt, valueAt, windowAt } from '../unit/gateway/support.ts'

const shortest = (sequence: number): string => String(Number(valueAt(sequence)))

/** @param open  a gateway over the store of this name: the same name is the same store */
export function behavesAsGatewayStore(
  open: (chain: FakeChain, name: string, change: Record<string, unknown>) => Promise<RunningGateway>,
): void {
  const device = deviceOf('one')
  const other = deviceOf('two')
  let chain: FakeChain
  let gateway: RunningGateway
  let name = ''
  let count = 0

  const start = async (change: Record<string, unknown> = {}): Promise<void> => {
    gateway = await open(chain, name, change)
  }
  beforeEach(async () => {
    chain = new FakeChain()
    chain.register(device)
    chain.register(other)
    name = `store_${(count += 1)}`
    await start()
  })
  afterEach(() => gateway.stop())

  const send = async (envelope: Envelope): Promise<string> => {
    const ack = ackFromJson(await (await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body: encodeEnvelope(envelope) })).json())!
    return ack.reason ?? ack.status
  }
  const batch = async (envelopes: readonly Envelope[]): Promise<string[]> => {
    const body = JSON.stringify(envelopes.map(envelopeToJson))
    const { acks } = (await (await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body })).json()) as { acks: unknown[] }
    return acks.map((json) => {
      const ack: Ack = ackFromJson(json)!
      return ack.reason ?? ack.status
    })
  }
  const get = async <T>(path: string): Promise<T> => (await (await fetch(`${gateway.url}${path}`)).json()) as T
  const accounting = (): Promise<Accounting> => get('/v1/accounting?project=7')

  it('places readings and windows, and answers what it has as duplicates', async () => {
    expect(await send(readingAt(device, 0))).to.equal('accepted')
    expect(await send(readingAt(device, 0))).to.equal('duplicate')
    expect(await send(readingAt(device, 0, { value: '41' }))).to.equal('SEQUENCE_REUSED')
    expect(await send(readingAt(device, 2))).to.equal('SEQUENCE_GAP')
    expect(await send(windowAt(device, 0, 0, 64))).to.equal('accepted')
    expect(await send(windowAt(device, 0, 0, 64))).to.equal('duplicate')
    expect(await send(windowAt(device, 0, 0, 63))).to.equal('WINDOW_MISMATCH')
    expect(await send(readingAt(device, 63))).to.equal('duplicate')
    expect(await send(readingAt(device, 63, { value: '41' }))).to.equal('SEQUENCE_REUSED')
    expect(await send(readingAt(device, 64))).to.equal('accepted')
    expect(await send(windowAt(device, 2, 64, 1))).to.equal('WINDOW_GAP')
    expect(await send(windowAt(device, 1, 64, 1, (reading) => ({ ...reading, laneValue: 5 })))).to.equal('WINDOW_MISMATCH')
    expect(await accounting()).to.deep.equal({
      acceptedReadings: 65,
      windowedReadings: 64,
      windows: 1,
      refused: { SEQUENCE_GAP: 1, SEQUENCE_REUSED: 2, WINDOW_GAP: 1, WINDOW_MISMATCH: 2 },
    })
  })

  it('judges messages of one commit by those before them', async () => {
    const both = [readingAt(device, 0), readingAt(device, 1), readingAt(device, 0), windowAt(device, 0, 0, 3), readingAt(device, 2)]
    expect(await batch([...both, windowAt(device, 0, 0, 3), readingAt(other, 0), readingAt(device, 3)])).to.deep.equal([
      ...['accepted', 'accepted', 'duplicate', 'accepted', 'duplicate'],
      ...['duplicate', 'accepted', 'accepted'],
    ])
    expect(await accounting()).to.deep.equal({ acceptedReadings: 5, windowedReadings: 3, windows: 1, refused: {} })
  })

  it('gives windows out by cursor and root, and keeps its name, its readings and its counts over a restart', async () => {
    for (const index of [0, 1]) expect(await send(windowAt(device, index, index, 1))).to.equal('accepted')
    const page = await get<{ storeId: string; items: WindowItem[]; next: number }>('/v1/projects/7/windows')
    expect(page.items.map(({ index, firstSequence }) => [index, firstSequence])).to.deep.equal([
      [0, '0'],
      [1, '1'],
    ])
    const root = await get<WindowItem>(`/v1/windows/${page.items[0]!.root}?device=${device.publicKeys.device}`)
    expect(root).to.deep.include(page.items[0]!)
    const before = await accounting()
    await gateway.stop()
    await start()
    expect(await get('/v1/projects/7/windows')).to.deep.equal(page)
    expect(await accounting()).to.deep.equal(before)
    expect(await send(readingAt(device, 1))).to.equal('duplicate')
    expect((await get<{ items: WindowItem[] }>(`/v1/projects/7/windows?after=${page.next}`)).items).to.deep.equal([])
  })

  it('lists devices and windows, and gives readings over time wherever they are kept', async () => {
    for (const index of [0, 1]) expect(await send(windowAt(device, index, 64 * index, 64))).to.equal('accepted')
    for (const sequence of [128, 129, 130]) expect(await send(readingAt(device, sequence))).to.equal('accepted')
    expect(await send(windowAt(other, 0, 0, 5))).to.equal('accepted')
    const [a, b] = [device, other].map((one): string => one.publicKeys.device).sort()
    const first = await get<Page<DeviceRow>>('/v1/projects/7/devices?limit=1')
    expect([first.items.map((item) => item.device), first.next]).to.deep.equal([[a], a])
    const { items, next } = await get<Page<DeviceRow>>(`/v1/projects/7/devices?limit=9&after=0x${'0'.repeat(40)}`)
    expect([items.map((item) => item.device), next]).to.deep.equal([[a, b], null])
    const rowOf = (one: typeof device) => items.find((item) => item.device === one.publicKeys.device)
    const last = (sequence: number) => ({
      sequence: String(sequence),
      time: String(origin + 5 * sequence),
      channel: 'humidity',
      value: shortest(sequence),
    })
    expect(rowOf(device)).to.deep.include({ readings: 131, windows: 2, last: last(130) })
    expect(rowOf(other)).to.deep.include({ readings: 5, windows: 1, last: last(4) })

    const path = `/v1/projects/7/devices/${device.publicKeys.device}`
    const history = await get<History>(`${path}/readings?points=2000`)
    const all = Array.from({ length: 131 }, (_, i) => ({ time: origin + 5 * i, value: Number(valueAt(i)) }))
    expect(history.channel).to.equal('humidity')
    expect(history.points.map(({ time, mean }) => ({ time, value: mean }))).to.deep.equal(all)
    const part = await get<History>(`${path}/readings?from=${origin + 5 * 60}&to=${origin + 5 * 128}`)
    expect(part.points.map(({ time }) => time)).to.deep.equal(all.slice(60, 129).map(({ time }) => time))
    const few = (await get<History>(`${path}/readings?points=10`)).points
    expect(few.length).to.be.within(5, 10)
    const values = all.map(({ value }) => value)
    expect(Math.max(...few.map(({ max }) => max))).to.equal(Math.max(...values))
    expect(Math.min(...few.map(({ min }) => min))).to.equal(Math.min(...values))
    for (const [i, { time, mean, min, max }] of few.entries()) {
      const until = few[i + 1]?.time ?? Infinity
      const own = all.filter((one) => one.time >= time && one.time < until).map(({ value }) => value)
      expect([min, max]).to.deep.equal([Math.min(...own), Math.max(...own)])
      expect(mean).to.be.closeTo(own.reduce((sum, value) => sum + value, 0) / own.length, 1e-9)
    }
    expect((await get<History>(`${path}/readings?channel=other`)).points).to.deep.equal([])
    expect((await fetch(`${gateway.url}${path}/readings?points=2001`)).status).to.equal(400)

    const windows = await get<Page<StoredWindow>>(`${path}/windows?limit=1`)
    expect(windows.items[0]).to.deep.include({
      index: 1,
      firstSequence: '64',
      count: 64,
      firstTime: String(origin + 320),
      lastTime: String(origin + 635),
    })
    expect((await get<Page<StoredWindow>>(`${path}/windows?after=${String(windows.next)}`)).items.map(({ index }) => index)).to.deep.equal([
      0,
    ])
    expect((await get<{ items: [] }>(`/v1/projects/7/devices/0x${'9'.repeat(40)}/windows`)).items).to.deep.equal([])
  })

  it('bounds the list of refusals and the documents, never the counts', async () => {
    await gateway.stop()
    await start({ refusalsKept: 5, documentsKept: 1 })
    for (let i = 0; i < 12; i++) await send(readingAt(device, 3 + i))
    const { items } = await get<{ items: RefusalItem[] }>('/v1/refusals')
    expect(items.map(({ position, reason }) => `${reason} ${String(position)}`)).to.deep.equal(
      [10, 11, 12, 13, 14].map((position) => `SEQUENCE_GAP ${position}`),
    )
    expect((await accounting()).refused).to.deep.equal({ SEQUENCE_GAP: 12 })
    const put = async (id: string): Promise<number> =>
      (await fetch(`${gateway.url}/v1/documents`, { method: 'POST', body: `{"id":"did:io:${id}"}` })).status
    const [a, b] = [device.publicKeys.device, other.publicKeys.device]
    expect([await put(a), await put(a), await put(b)]).to.deep.equal([201, 201, 503])
  })

  it('counts what nobody pulled', async () => {
    await gateway.stop()
    await start({ maxBacklog: 1 })
    expect(await send(windowAt(device, 0, 0, 1))).to.equal('accepted')
    await gateway.stop()
    await start({ maxBacklog: 1 })
    expect(await send(readingAt(device, 1))).to.equal('OVERLOADED')
    const { next } = await get<{ next: number }>('/v1/projects/7/windows')
    await get(`/v1/projects/7/windows?after=${next}`)
    expect(await send(readingAt(device, 1))).to.equal('accepted')
  })
}
