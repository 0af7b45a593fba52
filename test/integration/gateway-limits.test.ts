// SPDX-License-Identifier: Apache-2.0
/** Rates and back-pressure of the gateway, and that a device with a full outbox waits and loses nothing. */
import { expect } from 'chai'
import { type Ack, ackFromJson } from '../../agents/protocol/ack.ts'
import { encodeEnvelope, type Envelope } from '../../agents/protocol/envelope.ts'
import type { RunningGateway } from '../../agents/gateway/service.ts'
import { deviceOf, FakeChain, openGateway, readingAt, windowAt } from '../unit/gateway/support.ts'

describe('gateway limits', function () {
  this.timeout(20_000)
  const device = deviceOf('one')
  const other = deviceOf('two')
  let chain: FakeChain
  let gateway: (RunningGateway & { dataFolder: string }) | undefined

  beforeEach(() => {
    chain = new FakeChain()
    chain.register(device)
    chain.register(other)
  })
  afterEach(async () => {
    await gateway?.stop()
    gateway = undefined
  })

  const send = async (envelope: Envelope): Promise<Ack & { http: number; after: string | null }> => {
    const response = await fetch(`${gateway!.url}/v1/messages`, { method: 'POST', body: encodeEnvelope(envelope) })
    return { ...ackFromJson(await response.json())!, http: response.status, after: response.headers.get('retry-after') }
  }
  const pull = async (after: number): Promise<number> =>
    ((await (await fetch(`${gateway!.url}/v1/projects/7/windows?after=${after}`)).json()) as { next: number }).next

  it('answers a device beyond its rate RATE_LIMITED, says when to try again, and serves the others', async () => {
    gateway = await openGateway(chain, undefined, { limits: { device: { perSecond: 0.001, burst: 64 } } })
    expect((await send(windowAt(device, 0, 0, 64))).status).to.equal('accepted')
    const limited = await send(readingAt(device, 64))
    expect(limited).to.deep.include({ status: 'refused', reason: 'RATE_LIMITED', http: 429 })
    expect(limited.retryAfterMs).to.be.greaterThan(0).and.to.be.at.most(300_000)
    expect(Number(limited.after)).to.be.greaterThan(0)
    expect((await send(readingAt(other, 0))).status).to.equal('accepted')
  })

  it('counts a project’s devices together', async () => {
    gateway = await openGateway(chain, undefined, { limits: { project: { perSecond: 0.001, burst: 64 } } })
    expect((await send(windowAt(device, 0, 0, 63))).status).to.equal('accepted')
    expect((await send(readingAt(other, 0))).status).to.equal('accepted')
    expect((await send(readingAt(other, 1))).reason).to.equal('RATE_LIMITED')
  })

  it('lets nobody use up the rate of a device by forging in its name', async () => {
    gateway = await openGateway(chain, undefined, { limits: { device: { perSecond: 0.001, burst: 64 } } })
    const forged = { ...windowAt(other, 0, 0, 64), device: device.publicKeys.device }
    for (let times = 0; times < 3; times++) expect((await send(forged)).reason).to.equal('BAD_SIGNATURE')
    expect((await send(windowAt(device, 0, 0, 64))).status).to.equal('accepted')
  })

  it('answers OVERLOADED when nobody pulls the windows of a project, after a restart too, until somebody does', async () => {
    gateway = await openGateway(chain, undefined, { maxBacklog: 2 })
    for (const index of [0, 1]) expect((await send(windowAt(device, index, index, 1))).status).to.equal('accepted')
    // A count may be half a second old.
    const refused = async (): Promise<Ack> => {
      for (let index = 2; ; index++) {
        const ack = await send(windowAt(device, index, index, 1))
        if (ack.status === 'refused') return ack
      }
    }
    const ack = await refused()
    expect(ack).to.deep.include({ reason: 'OVERLOADED', expected: null })
    expect(ack.detail).to.match(/^backlog/)
    await gateway.stop()
    gateway = await openGateway(chain, gateway.dataFolder, { maxBacklog: 2 })
    expect((await send(readingAt(other, 0))).detail).to.match(/^backlog/)
    const newest = await pull(0)
    expect((await send(readingAt(other, 0))).detail).to.match(/^backlog/)
    // A cursor that nobody gave out does not pull what comes later.
    await pull(newest + 1_000_000)
    expect((await send(readingAt(other, 0))).status).to.equal('accepted')
    const next = ack.subject.position!
    for (const index of [0, 1]) expect((await send(windowAt(device, next + index, next + index, 1))).status).to.equal('accepted')
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect((await send(readingAt(other, 1))).detail).to.match(/^backlog/)
  })

  it('answers a stored window as a duplicate after its data key ended', async () => {
    gateway = await openGateway(chain)
    const window = windowAt(device, 0, 0, 3)
    expect((await send(window)).status).to.equal('accepted')
    chain.keys.delete(device.publicKeys.device)
    expect((await send(window)).status).to.equal('duplicate')
    expect((await send(windowAt(device, 0, 0, 4))).reason).to.equal('NO_DATA_KEY')
    expect((await send(windowAt(device, 1, 3, 3))).reason).to.equal('NO_DATA_KEY')
  })
})
