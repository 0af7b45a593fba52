// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai'
import { encodeEnvelope, type Envelope } from '../../../agents/protocol/envelope.ts'
import type { ReadingsEvent, RefusalEvent, WindowEvent } from '../../../agents/portal/api.ts'
import { deviceOf, FakeChain, openGateway, origin, readingAt, valueAt, windowAt } from './support.ts'

describe('gateway: events', () => {
  const device = deviceOf('one')
  const id = device.publicKeys.device

  it('tells what is stored, counted once, and what is refused; a flood of refusals is counted only', async function () {
    this.timeout(20_000)
    const chain = new FakeChain()
    chain.register(device)
    const gateway = await openGateway(chain)
    const abort = new AbortController()
    try {
      const response = await fetch(`${gateway.url}/v1/events`, { signal: abort.signal })
      let text = ''
      const reading = (async () => {
        for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk
      })().catch(() => undefined)
      const send = async (envelope: Envelope): Promise<unknown> =>
        (await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body: encodeEnvelope(envelope) })).json()
      for (let sequence = 0; sequence < 3; sequence++) await send(readingAt(device, sequence))
      await send(readingAt(device, 2))
      await send(windowAt(device, 0, 0, 5))
      await send(windowAt(device, 0, 0, 5))
      for (let i = 0; i < 60; i++) await send(readingAt(device, 100 + i))
      const told = <T>(name: string): T[] =>
        [...text.matchAll(new RegExp(`event: ${name}\ndata: (.*)`, 'g'))].map(([, data]) => JSON.parse(data!) as T)
      const refused = (): number => told<ReadingsEvent>('readings').reduce((sum, event) => sum + event.refused, 0)
      for (let tries = 0; tries < 100 && refused() < 60; tries++) await new Promise((resolve) => setTimeout(resolve, 50))
      const readings = told<ReadingsEvent>('readings')
      expect(readings.reduce((sum, { accepted }) => sum + accepted, 0)).to.equal(5)
      expect(refused()).to.equal(60)
      const last = readings.findLast(({ perDevice }) => perDevice.length > 0)!.perDevice
      const newest = { sequence: '4', time: String(origin + 20), channel: 'humidity', value: String(Number(valueAt(4))) }
      expect(last.map((one) => [one.device, one.last])).to.deep.equal([[id, newest]])
      const [window, ...more] = told<WindowEvent>('window')
      expect(more).to.deep.equal([])
      expect(window).to.deep.include({ project: '7', device: id, index: 0, channel: 'humidity', firstSequence: '0', count: 5 })
      const refusals = told<RefusalEvent>('refusal')
      expect(refusals[0]).to.deep.include({ device: id, reason: 'SEQUENCE_GAP' })
      expect(refusals.length).to.be.within(25, 60)
      abort.abort()
      await reading
    } finally {
      abort.abort()
      await gateway.stop()
    }
  })
})
