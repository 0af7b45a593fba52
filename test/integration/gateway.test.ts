// SPDX-License-Identifier: Apache-2.0
/** The gateway with a real broker, a real MQTT client, real HTTP and a real store: what it accepts, and every message that it must not. */
import { expect } from 'chai'
import { connectAsync, type MqttClient } from 'mqtt'
import { type Ack, ackFromJson, ackTopic, parseAck, upTopic } from '../../agents/protocol/ack.ts'
import { canonicalHash, canonicalJson, type Json } from '../../agents/protocol/canonical-json.ts'
import { encodeEnvelope, type Envelope, envelopeToJson } from '../../agents/protocol/envelope.ts'
import { type DeviceId, projectId } from '../../agents/protocol/ids.ts'
import { createDidDocument } from '../../agents/sdk/did-document.ts'
import { createDeviceSigner } from '../../agents/sdk/signer.ts'
import type { Accounting, RefusalItem, WindowItem } from '../../agents/gateway/ledger.ts'
import type { RunningGateway } from '../../agents/gateway/service.ts'
import {
  chainId,
  contracts,
  deviceOf,
  FakeChain,
  keysOf,
  openGateway,
  origin,
  project,
  readingAt,
  terms,
  valueAt,
  windowAt,
} from '../unit/gateway/support.ts'

describe('gateway', function () {
  this.timeout(20_000)
  const device = deviceOf('one')
  const other = deviceOf('two')
  let chain: FakeChain
  let gateway: RunningGateway & { dataFolder: string }

  beforeEach(async () => {
    chain = new FakeChain()
    chain.register(device)
    chain.register(other)
    gateway = await openGateway(chain)
  })
  afterEach(() => gateway.stop())

  const post = async (body: string): Promise<{ status: number; ack: Ack }> => {
    const response = await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body })
    const ack = ackFromJson(await response.json())
    if (ack === undefined) throw new Error('the answer is no acknowledgement')
    return { status: response.status, ack }
  }
  const send = async (envelope: Envelope, change: Record<string, unknown> = {}): Promise<string> => {
    const { ack } = await post(JSON.stringify({ ...envelopeToJson(envelope), ...change }))
    return ack.reason ?? ack.status
  }
  const get = async <T>(path: string): Promise<T> => (await (await fetch(`${gateway.url}${path}`)).json()) as T
  /** Messages answered so far. */
  const messages = async (): Promise<number> => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text()
    return [...text.matchAll(/^trellis_gateway_messages_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
  }
  const accounting = (): Promise<Accounting> => get('/v1/accounting?project=7')

  describe('readings', () => {
    it('are accepted in order, and counted once however often they come', async () => {
      expect(await send(readingAt(device, 0))).to.equal('accepted')
      expect(await send(readingAt(device, 0))).to.equal('duplicate')
      expect(await send(readingAt(device, 1))).to.equal('accepted')
      expect(await accounting()).to.deep.equal({ acceptedReadings: 2, windowedReadings: 0, windows: 0, refused: {} })
    })

    it('keep their order when many arrive at once', async () => {
      const batch = Array.from({ length: 256 }, (_, sequence) => envelopeToJson(readingAt(device, sequence)))
      const response = await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body: JSON.stringify(batch) })
      const { acks } = (await response.json()) as { acks: { status: string; sequence: string }[] }
      expect(acks.map(({ status, sequence }) => `${status} ${sequence}`)).to.deep.equal(batch.map((_, sequence) => `accepted ${sequence}`))
    })

    const refusals: [string, () => Promise<string>, string][] = [
      ['a forged signature', () => send({ ...readingAt(other, 0), device: device.publicKeys.device }), 'BAD_SIGNATURE'],
      ['a changed value', () => send(readingAt(device, 0), { value: '41' }), 'BAD_SIGNATURE'],
      ['a changed time', () => send(readingAt(device, 0), { time: String(origin + 1) }), 'BAD_SIGNATURE'],
      [
        'a mirrored signature',
        () => send({ ...readingAt(device, 0), signature: mirrored(readingAt(device, 0).signature) }),
        'BAD_SIGNATURE',
      ],
      ['a sequence gap', () => send(readingAt(device, 1)), 'SEQUENCE_GAP'],
      ['an unregistered device', () => send(readingAt(deviceOf('stranger'), 0)), 'UNREGISTERED'],
      ['a project without terms', () => send({ ...readingAt(deviceOf('one', projectId(8)), 0) }), 'UNKNOWN_PROJECT'],
      ['another version', () => send(readingAt(device, 0), { v: 2 }), 'UNKNOWN_VERSION'],
      ['NaN', () => send(readingAt(device, 0), { value: 'NaN' }), 'BAD_VALUE'],
      ['more digits than the terms', () => send(readingAt(device, 0), { value: '40.001' }), 'BAD_VALUE'],
      ['a value below the range', () => send(readingAt(device, 0, { value: '-40.01' })), 'OUT_OF_RANGE'],
      ['a value above the range', () => send(readingAt(device, 0, { value: '120.01' })), 'OUT_OF_RANGE'],
      ['a value far above every lane', () => send(readingAt(device, 0, { value: '90000000000' })), 'OUT_OF_RANGE'],
      ['a future time', () => send(readingAt(device, 0, { time: origin + 37_000 })), 'TIME_FUTURE'],
      ['another channel', () => send(readingAt(device, 0, { channel: 'temperature' })), 'WRONG_CHANNEL'],
    ]
    for (const [name, act, code] of refusals) {
      it(`with ${name} are refused: ${code}`, async () => {
        expect(await act()).to.equal(code)
        const { acceptedReadings } = await accounting()
        expect(acceptedReadings).to.equal(0)
        const { items } = await get<{ items: RefusalItem[] }>('/v1/refusals')
        expect(items.map(({ reason }) => reason)).to.deep.equal([code])
        const all = await get<Accounting>('/v1/accounting')
        expect(all.refused).to.deep.equal({ [code]: 1 })
      })
    }

    it('of a removed device, of another project, and by a retired key are refused', async () => {
      chain.devices.set(device.publicKeys.device, { status: 'removed' })
      expect(await send(readingAt(device, 0))).to.equal('REMOVED')
      chain.devices.set(device.publicKeys.device, { status: 'live', projects: [9n], signer: device.publicKeys.signer })
      expect(await send(readingAt(device, 0))).to.equal('WRONG_PROJECT')
      chain.devices.set(device.publicKeys.device, { status: 'live', projects: [project], signer: other.publicKeys.signer })
      chain.retired.add(device.publicKeys.signer)
      expect(await send(readingAt(device, 0))).to.equal('RETIRED_KEY')
    })

    it('of a device without the credential that the project requires are refused, and taken once it has one', async () => {
      chain.requiredCredential = `0x${'cc'.repeat(32)}`
      expect(await send(readingAt(device, 0))).to.equal('NO_CREDENTIAL')
      chain.credentials.set(device.publicKeys.device, 'suspended')
      expect(await send(readingAt(device, 0))).to.equal('NO_CREDENTIAL')
      const { items } = await get<{ items: RefusalItem[] }>('/v1/refusals')
      expect(JSON.stringify(items)).to.contain('suspended').and.to.contain('cccc')
      chain.credentials.set(device.publicKeys.device, 'valid')
      expect(await send(readingAt(device, 0))).to.equal('accepted')
    })

    it('by a key that is rotated away are refused from that moment, and by the new key accepted', async () => {
      expect(await send(readingAt(device, 0))).to.equal('accepted')
      const { device: id, signer } = device.publicKeys
      const rotated = createDeviceSigner({ keys: keysOf('new key of one'), device: id, project, chainId, ...contracts })
      chain.devices.set(id, { status: 'live', projects: [9n, project], signer: rotated.publicKeys.signer })
      chain.retired.add(signer)
      expect(await send(readingAt(device, 1))).to.equal('RETIRED_KEY')
      expect(await send(readingAt(rotated, 1))).to.equal('accepted')
    })

    it('with a used sequence and other content are refused, and say what comes next', async () => {
      await send(readingAt(device, 0))
      const { ack } = await post(encodeEnvelope(readingAt(device, 0, { value: '41' })))
      expect(ack).to.deep.include({ reason: 'SEQUENCE_REUSED', expected: 1 })
      expect((await post(encodeEnvelope(readingAt(device, 7)))).ack).to.deep.include({ reason: 'SEQUENCE_GAP', expected: 1 })
    })

    it('that do not lie after the one before, or lie too far back, are refused; one that is stored may come again at any age', async () => {
      await send(readingAt(device, 0))
      expect(await send(readingAt(device, 1, { time: origin }))).to.equal('TIME_ORDER')
      chain.terms = terms({ maxAge: 3_600 })
      expect(await send(readingAt(device, 1))).to.equal('TIME_PAST')
      expect(await send(readingAt(device, 0))).to.equal('duplicate')
      expect(await send(readingAt(device, 1, { time: origin + 35_000 }))).to.equal('accepted')
    })

    it('are answered OVERLOADED, not lost silently, while the chain does not answer', async () => {
      chain.failing = true
      const { status, ack } = await post(encodeEnvelope(readingAt(device, 0)))
      expect([status, ack.reason]).to.deep.equal([503, 'OVERLOADED'])
      chain.failing = false
      expect(await send(readingAt(device, 0))).to.equal('accepted')
    })
  })

  describe('windows', () => {
    it('are accepted when they equal the readings that came singly, and are given out by cursor and root', async () => {
      for (let sequence = 0; sequence < 3; sequence++) await send(readingAt(device, sequence))
      const window = windowAt(device, 0, 0, 3)
      expect(await send(window)).to.equal('accepted')
      expect(await send(window)).to.equal('duplicate')
      expect(await accounting()).to.deep.equal({ acceptedReadings: 3, windowedReadings: 3, windows: 1, refused: {} })
      const { items, next } = await get<{ items: WindowItem[]; next: number }>('/v1/projects/7/windows')
      const { lanes, dataSignature, signature } = envelopeToJson(window)
      expect(items[0]).to.deep.include({
        cursor: next,
        project: '7',
        device: device.publicKeys.device,
        index: 0,
        firstSequence: '0',
        count: 3,
      })
      expect(items[0]).to.deep.include({ firstTime: String(origin), channel: 'humidity', lanes, dataSignature, signature })
      expect(await get<WindowItem>(`/v1/windows/${items[0]!.root}`)).to.deep.include({ device: device.publicKeys.device, index: 0 })
    })

    it('carry their readings: what was not sent singly counts by the window, and is a duplicate afterwards', async () => {
      await send(readingAt(device, 0))
      expect(await send(windowAt(device, 0, 0, 64))).to.equal('accepted')
      expect(await accounting()).to.deep.include({ acceptedReadings: 64, windowedReadings: 64, windows: 1 })
      expect(await send(readingAt(device, 63))).to.equal('duplicate')
      expect(await send(readingAt(device, 63, { value: '41' }))).to.equal('SEQUENCE_REUSED')
      expect(await send(readingAt(device, 64))).to.equal('accepted')
    })

    it('that differ from readings that came singly are refused', async () => {
      await send(readingAt(device, 0))
      await send(readingAt(device, 1))
      expect(await send(windowAt(device, 0, 0, 3, (reading, at) => (at === 1 ? { ...reading, laneValue: 5 } : reading)))).to.equal(
        'WINDOW_MISMATCH',
      )
      expect(
        await send(windowAt(device, 0, 0, 3, (reading, at) => (at === 1 ? { ...reading, time: reading.time + 1 } : reading))),
      ).to.equal('WINDOW_MISMATCH')
      expect(await send(windowAt(device, 0, 0, 3))).to.equal('accepted')
    })

    it('out of order, or that leave readings out, are refused', async () => {
      expect(await send(windowAt(device, 1, 0, 3))).to.equal('WINDOW_GAP')
      expect(await send(windowAt(device, 0, 1, 3))).to.equal('WINDOW_GAP')
      await send(windowAt(device, 0, 0, 3))
      expect(await send(windowAt(device, 0, 0, 4))).to.equal('WINDOW_MISMATCH')
      expect(await send(windowAt(device, 1, 4, 3))).to.equal('WINDOW_GAP')
      expect(await send(windowAt(device, 1, 3, 3, (reading) => ({ ...reading, time: reading.time - 10 })))).to.equal('TIME_ORDER')
      expect(await send(windowAt(device, 1, 3, 3))).to.equal('accepted')
    })

    it('with a wrong signature of either key, without a bound key, out of range or ahead of time are refused', async () => {
      const window = windowAt(device, 0, 0, 3)
      expect(await send({ ...window, dataSignature: windowAt(other, 0, 0, 3).dataSignature })).to.equal('BAD_DATA_SIGNATURE')
      expect(await send({ ...window, dataSignature: `0x${'00'.repeat(96)}` })).to.equal('BAD_DATA_SIGNATURE')
      expect(await send({ ...window, lanes: window.lanes.map((lane) => lane ^ 1n) })).to.equal('BAD_SIGNATURE')
      expect(await send({ ...window, lanes: [window.lanes[0]!, window.lanes[2]!] })).to.equal('SEQUENCE_GAP')
      expect(await send(windowAt(device, 0, 0, 1, (reading) => ({ ...reading, laneValue: 16_001 })))).to.equal('OUT_OF_RANGE')
      expect(await send(windowAt(device, 0, 0, 2, (reading, at) => ({ ...reading, time: reading.time + at * 40_000 })))).to.equal(
        'TIME_FUTURE',
      )
      chain.keys.delete(device.publicKeys.device)
      expect(await send(window)).to.equal('NO_DATA_KEY')
      expect((await accounting()).acceptedReadings).to.equal(0)
    })

    it('come in pages that stay as they are while more arrive', async () => {
      for (let index = 0; index < 3; index++) await send(windowAt(device, index, index, 1))
      const first = await get<{ items: WindowItem[]; next: number }>('/v1/projects/7/windows?limit=2')
      for (let index = 0; index < 2; index++) await send(windowAt(other, index, index, 1))
      expect(await get('/v1/projects/7/windows?limit=2')).to.deep.equal(first)
      const rest = await get<{ items: WindowItem[]; next: number }>(`/v1/projects/7/windows?after=${first.next}&limit=500`)
      expect(
        [...first.items, ...rest.items].map(({ device: of, index }) => `${of === device.publicKeys.device ? 1 : 2}/${index}`),
      ).to.deep.equal(['1/0', '1/1', '1/2', '2/0', '2/1'])
      expect(await get(`/v1/projects/7/windows?after=${rest.next}`))
        .to.include({ next: rest.next })
        .and.to.have.property('items').that.is.empty
      expect((await fetch(`${gateway.url}/v1/projects/7/windows?limit=501`)).status).to.equal(400)
      expect((await fetch(`${gateway.url}/v1/projects/7/windows?after=x`)).status).to.equal(400)
    })
  })

  describe('over MQTT', () => {
    let client: MqttClient
    let acks: Ack[]
    let topics: string[]

    beforeEach(async () => {
      client = await connectAsync(gateway.mqttUrl, { protocolVersion: 4, reconnectPeriod: 0 })
      acks = []
      topics = []
      client.on('message', (topic, payload) => {
        topics.push(topic)
        const ack = parseAck(payload)
        if (ack !== undefined) acks.push(ack)
      })
      await client.subscribeAsync(ackTopic(project, device.publicKeys.device))
    })
    afterEach(() => client.endAsync(true))

    const up = (of: DeviceId = device.publicKeys.device): string => upTopic(project, of)
    const answers = async (count: number): Promise<Ack[]> => {
      for (let tries = 0; tries < 500 && acks.length < count; tries++) await new Promise((resolve) => setTimeout(resolve, 10))
      if (acks.length < count) throw new Error(`${acks.length} answers came of ${count}`)
      return acks
    }

    it('acknowledges on the topic of the device, after the message is on disk', async () => {
      client.publish(up(), encodeEnvelope(readingAt(device, 0)))
      client.publish(up(), encodeEnvelope(readingAt(device, 1)), { qos: 1 })
      client.publish(up(), encodeEnvelope(readingAt(device, 1)))
      expect((await answers(3)).map(({ status, subject }) => `${status} ${String(subject.position)}`)).to.deep.equal([
        'accepted 0',
        'accepted 1',
        'duplicate 1',
      ])
      expect(new Set(topics)).to.deep.equal(new Set([ackTopic(project, device.publicKeys.device)]))
    })

    it('answers malformed JSON, and what is not text', async () => {
      for (const payload of ['{', '', Buffer.from([0xff, 0xfe, 0x00])]) client.publish(up(), payload)
      expect((await answers(3)).map(({ reason }) => reason)).to.deep.equal(['MALFORMED', 'MALFORMED', 'MALFORMED'])
    })

    it('refuses a megabyte without reading it, and goes on with the same connection', async () => {
      client.publish(up(), Buffer.alloc(1_000_000, '{'))
      client.publish(up(), Buffer.alloc(1_000_000, '{'), { qos: 1 })
      client.publish(up(), encodeEnvelope(readingAt(device, 0)))
      expect((await answers(3)).map(({ reason, status }) => reason ?? status)).to.deep.equal(['TOO_LARGE', 'TOO_LARGE', 'accepted'])
      expect((await accounting()).refused).to.deep.equal({ TOO_LARGE: 2 })
    })

    it('refuses a message on the topic of another device, and on a topic of nobody', async () => {
      client.publish(up(other.publicKeys.device), encodeEnvelope(readingAt(device, 0)))
      client.publish('somewhere/else', encodeEnvelope(readingAt(device, 0)))
      client.publish(ackTopic(project, other.publicKeys.device), encodeEnvelope(readingAt(device, 0)))
      // The first answer goes to the other device's topic, which this client does not read.
      expect((await answers(2)).map(({ reason }) => reason)).to.deep.equal(['WRONG_TOPIC', 'WRONG_TOPIC'])
      for (let tries = 0; tries < 100 && (await accounting()).refused.WRONG_TOPIC !== 3; tries++)
        await new Promise((resolve) => setTimeout(resolve, 10))
      expect(await accounting()).to.deep.include({ acceptedReadings: 0, refused: { WRONG_TOPIC: 3 } })
    })

    it('lets nobody listen to all devices, publish an answer, or leave a retained message', async () => {
      const granted = await client.subscribeAsync(['#', 'trellis/v1/+/+/ack', 'trellis/v1/7/+/up', up()]).catch((error: unknown) => error)
      expect(granted).to.be.an('error')
      client.publish(ackTopic(project, device.publicKeys.device), '{"v":1,"kind":"reading","sequence":"0","status":"accepted"}', {
        retain: true,
      })
      client.publish(up(), encodeEnvelope(readingAt(device, 0)))
      await answers(2)
      const late = await connectAsync(gateway.mqttUrl, { protocolVersion: 4, reconnectPeriod: 0 })
      let retained = 0
      late.on('message', () => (retained += 1))
      await late.subscribeAsync(ackTopic(project, device.publicKeys.device))
      await new Promise((resolve) => setTimeout(resolve, 100))
      await late.endAsync(true)
      expect(retained).to.equal(0)
      // Two answers of the gateway, and nothing that a client put on the topic.
      expect(topics).to.have.length(2)
      expect(acks.filter(({ status }) => status === 'accepted')).to.have.length(1)
    })
  })

  describe('over MQTT, from strangers', () => {
    const connect = (options: object = {}): Promise<MqttClient> =>
      connectAsync(gateway.mqttUrl, { protocolVersion: 4, reconnectPeriod: 0, ...options })
    const some = (n: number): DeviceId => `0x${n.toString(16).padStart(40, '0')}` as DeviceId

    it('does not let one end the connection of another by taking its client id', async () => {
      const clientId = `trellis-${device.publicKeys.device}`
      const first = await connect({ clientId })
      let ended = false
      first.on('close', () => (ended = true))
      const second = await connect({ clientId })
      await first.subscribeAsync(ackTopic(project, device.publicKeys.device))
      const answered = new Promise<string>((resolve) => first.on('message', (_, payload) => resolve(parseAck(payload)!.status)))
      first.publish(upTopic(project, device.publicKeys.device), encodeEnvelope(readingAt(device, 0)))
      expect(await answered).to.equal('accepted')
      expect(ended).to.equal(false)
      await Promise.all([first.endAsync(true), second.endAsync(true)])
    })

    it('keeps no session that outlives its connection', async () => {
      const options = { clientId: 'one', clean: false }
      const before = await connect(options)
      await before.subscribeAsync(ackTopic(project, device.publicKeys.device), { qos: 1 })
      await before.endAsync(true)
      const after = await connect(options)
      let heard = 0
      after.on('message', () => (heard += 1))
      expect(await send(readingAt(device, 0))).to.equal('accepted')
      after.publish(upTopic(project, device.publicKeys.device), encodeEnvelope(readingAt(device, 0)))
      for (let tries = 0; tries < 100 && (await messages()) < 2; tries++) await new Promise((resolve) => setTimeout(resolve, 10))
      await new Promise((resolve) => setTimeout(resolve, 50))
      expect(heard).to.equal(0)
      await after.endAsync(true)
    })

    it('lets one connection listen to 256 topics, and to another when it leaves one', async () => {
      const client = await connect()
      const listen = (n: number): Promise<unknown> => client.subscribeAsync(ackTopic(project, some(n))).catch((error: unknown) => error)
      await client.subscribeAsync(Array.from({ length: 256 }, (_, n) => ackTopic(project, some(n))))
      expect(await listen(256)).to.be.an('error')
      await client.unsubscribeAsync(ackTopic(project, some(7)))
      expect(await listen(256)).not.to.be.an('error')
      await client.endAsync(true)
    })

    it('does not let one that floods forged readings starve the devices', async () => {
      await gateway.stop()
      gateway = await openGateway(chain, gateway.dataFolder, { maxWaiting: 256 })
      expect(await send(readingAt(device, 0))).to.equal('accepted')
      const forger = await connect()
      let flooding = true
      let forged = 0
      const forgery = encodeEnvelope({ ...readingAt(other, 1), device: device.publicKeys.device })
      const flood = (async () => {
        while (flooding) {
          for (let n = 0; n < 200; n++) forger.publish(upTopic(project, device.publicKeys.device), forgery)
          forged += 200
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      })()
      const honest = await connect()
      await honest.subscribeAsync(ackTopic(project, device.publicKeys.device))
      const total = 300
      const finished = new Promise<void>((resolve, reject) => {
        let next = 1
        let answered = 0
        const pump = (): void => {
          while (next <= total && next - 1 - answered < 64)
            honest.publish(upTopic(project, device.publicKeys.device), encodeEnvelope(readingAt(device, next++)))
        }
        honest.on('message', (_, payload) => {
          const ack = parseAck(payload)!
          // The forger's answers arrive on the topic that it names.
          if (ack.status !== 'accepted') return
          answered += 1
          if (answered === total) resolve()
          else pump()
        })
        setTimeout(() => reject(new Error(`${answered} of ${total} readings were accepted`)), 18_000).unref()
        setTimeout(pump, 300)
      })
      try {
        await finished
      } finally {
        flooding = false
        await flood
        await Promise.all([forger.endAsync(true), honest.endAsync(true)])
      }
      expect(forged).to.be.greaterThan(1_000)
      const { acceptedReadings, refused } = await accounting()
      expect(acceptedReadings).to.equal(total + 1)
      expect(refused.BAD_SIGNATURE).to.be.greaterThan(0)
    })

    it('counts refusals of projects that nobody has together', async () => {
      const client = await connect()
      for (const named of ['8', '9', '18446744073709551615', '99999999999999999999', '7'])
        client.publish(`trellis/v1/${named}/${some(1)}/up`, 'x')
      const refused = async (query = ''): Promise<unknown> => (await get<Accounting>(`/v1/accounting${query}`)).refused
      for (let tries = 0; tries < 200; tries++) {
        if (JSON.stringify(await refused()) === '{"MALFORMED":5}') break
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      expect(await refused()).to.deep.equal({ MALFORMED: 5 })
      expect(await refused('?project=7')).to.deep.equal({ MALFORMED: 1 })
      for (const named of ['8', '9']) expect(await refused(`?project=${named}`), named).to.deep.equal({})
      await client.endAsync(true)
    })
  })

  describe('over HTTP', () => {
    it('keeps refusals of indices beyond every window, and gives them out', async () => {
      const indices = ['1000000000000000000', '1e300', '-1e18', '9007199254740992']
      for (const index of indices) expect((await post(`{"v":1,"kind":"window","index":${index}}`)).ack.reason).to.equal('MALFORMED')
      const { items } = await get<{ items: RefusalItem[] }>('/v1/refusals')
      expect(items.map(({ position }) => position)).to.deep.equal(indices.map(() => null))
      expect((await get<Accounting>('/v1/accounting')).refused).to.deep.equal({ MALFORMED: indices.length })
    })

    it('refuses a request that is too large in chunks, too', async () => {
      const batch = `[${new Array(200).fill(`{"v":1,"pad":"${'x'.repeat(4_000)}"}`).join(',')}]`
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(batch))
          controller.close()
        },
      })
      const response = await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body, duplex: 'half' } as RequestInit)
      expect(response.status).to.equal(413)
      expect((await get<Accounting>('/v1/accounting')).refused).to.deep.equal({ TOO_LARGE: 1 })
    })

    it('refuses a megabyte, a batch of 257 and what is not JSON', async () => {
      expect(await post('x'.repeat(1_000_000))).to.deep.include({ status: 413 })
      expect((await post('{')).ack.reason).to.equal('MALFORMED')
      expect((await post('[{]')).ack.reason).to.equal('MALFORMED')
      expect((await post(JSON.stringify(Array.from({ length: 257 }, () => 1)))).ack.reason).to.equal('TOO_LARGE')
      expect((await post(`{"v":1,"pad":"${'x'.repeat(70_000)}"}`)).ack.reason).to.equal('TOO_LARGE')
      expect((await get<Accounting>('/v1/accounting')).refused).to.deep.equal({ MALFORMED: 2, TOO_LARGE: 3 })
    })

    it('keeps DID documents under the hash of their canonical JSON, and refuses others', async () => {
      const { text, hash } = createDidDocument(device.publicKeys)
      const put = (body: string): Promise<Response> => fetch(`${gateway.url}/v1/documents`, { method: 'POST', body })
      const answer = (await (await put(text)).json()) as { hash: string; uri: string }
      expect(answer).to.deep.equal({ hash, uri: `${gateway.url}/v1/documents/${hash}` })
      const found = await (await fetch(answer.uri)).text()
      expect(found).to.equal(text)
      expect(canonicalHash(JSON.parse(found) as Json)).to.equal(hash)
      expect((await put(`${text} `)).status).to.equal(400)
      expect((await put('{"id":"did:web:example.org"}')).status).to.equal(400)
      expect((await put('nothing')).status).to.equal(400)
      expect((await put(canonicalJson({ id: 'did:io:0x', pad: 'x'.repeat(20_000) }))).status).to.equal(413)
      expect((await fetch(`${gateway.url}/v1/documents/0x00`)).status).to.equal(404)
    })

    it('tells a project’s terms, and answers health, readiness and metrics', async () => {
      expect(await get<{ terms: { decimals: number } }>('/v1/projects/7')).to.have.nested.property('terms.decimals', 2)
      expect((await fetch(`${gateway.url}/v1/projects/8`)).status).to.equal(404)
      for (const path of ['/health', '/ready', '/metrics']) expect((await fetch(`${gateway.url}${path}`)).status, path).to.equal(200)
    })
  })

  it('bounds the list of refusals, never the counts', async () => {
    await gateway.stop()
    gateway = await openGateway(chain, gateway.dataFolder, { refusalsKept: 5 })
    for (let i = 0; i < 12; i++) await send(readingAt(device, 3 + i))
    const { items } = await get<{ items: RefusalItem[] }>('/v1/refusals')
    expect(items.map(({ position }) => position)).to.deep.equal([10, 11, 12, 13, 14])
    expect((await accounting()).refused).to.deep.equal({ SEQUENCE_GAP: 12 })
  })

  it('knows after a restart everything that it had acknowledged', async () => {
    await send(readingAt(device, 0))
    await send(windowAt(device, 0, 0, 2))
    const before = await accounting()
    await gateway.stop()
    gateway = await openGateway(chain, gateway.dataFolder)
    expect(await accounting()).to.deep.equal(before)
    expect(await send(readingAt(device, 1))).to.equal('duplicate')
    expect(await send(readingAt(device, 2, { value: valueAt(2) }))).to.equal('accepted')
  })
})

/** The other s of an ECDSA signature: valid mathematically, refused because every message would have two forms. */
function mirrored(signature: string): `0x${string}` {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
  const s = BigInt(`0x${signature.slice(66)}`)
  return `0x${signature.slice(2, 66)}${(order - s).toString(16).padStart(64, '0')}`
}
