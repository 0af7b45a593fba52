// SPDX-License-Identifier: Apache-2.0
/** Devices and gateways at a real Mosquitto: signed answers, strangers, lost, doubled and reordered packets. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect } from 'chai'
import { connectAsync } from 'mqtt'
import { bytesToHex } from 'viem'
import type { Accounting } from '../../agents/gateway/ledger.ts'
import { ackTopic, encodeAck, parseAck, upTopic } from '../../agents/protocol/ack.ts'
import { encodeEnvelope } from '../../agents/protocol/envelope.ts'
import { openSignedAck } from '../../agents/protocol/signed-ack.ts'
import { datasetTime } from '../../agents/sdk/drivers/node/dataset.ts'
import { openMqtt } from '../../agents/sdk/drivers/node/mqtt.ts'
import type { DeviceReport } from '../../agents/sdk/drivers/node/service.ts'
import {
  chainId,
  contracts,
  deviceOf,
  FakeChain,
  keysOf,
  openGateway,
  project,
  readingAt,
  temporaryFolder,
  terms,
} from '../unit/gateway/support.ts'
import { startChaosProxy } from './support/chaos-proxy.ts'
import { needs } from './support/engines.ts'
import { type MosquittoServer, startMosquitto } from './support/mosquitto.ts'

const FROM = 2_241
const ROWS = 70

describe('outside broker', function () {
  this.timeout(60_000)
  const device = deviceOf('one')
  const id = device.publicKeys.device
  const domain = { chainId, ...contracts }
  let broker: MosquittoServer
  let chain: FakeChain
  const endings: (() => Promise<unknown>)[] = []

  before(async function () {
    needs(this, 'mosquitto')
    broker = await startMosquitto([id])
  })
  after(() => broker?.remove())
  beforeEach(() => {
    chain = new FakeChain()
    chain.register(device)
  })
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end()
  })

  const open = async (change: Record<string, unknown> = {}) => {
    const { url, passwordFile } = broker
    const gateway = await openGateway(chain, undefined, { broker: { url, username: 'gateway', passwordFile }, ...change })
    endings.push(() => gateway.stop())
    return gateway
  }
  const ackKeys = async (url: string): Promise<string[]> =>
    ((await (await fetch(`${url}/v1/projects/7`)).json()) as { ackKeys: string[] }).ackKeys
  const until = async (what: () => boolean | Promise<boolean>): Promise<void> => {
    for (let tries = 0; tries < 1_000; tries++) {
      if (await what()) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error('it did not happen')
  }

  for (const version of [4, 5] as const)
    it(`carries readings in and signed answers out, MQTT ${version}`, async () => {
      const gateway = await open()
      const keys = await ackKeys(gateway.url)
      expect(keys).to.have.length(1)
      const answers: string[] = []
      let strangers = 0
      const transport = openMqtt(
        {
          ...{ url: broker.url, project, device: id, domain, version, username: id, password: broker.password },
          ackKeys: () => keys,
          onStranger: () => (strangers += 1),
        },
        {
          onAck: ({ status, subject }) => answers.push(`${status} ${String(subject.position)}`),
          onConnect: () => undefined,
          onError: () => undefined,
        },
      )
      endings.push(() => transport.close())
      await until(() => transport.connected)
      transport.send([encodeEnvelope(readingAt(device, 0)), encodeEnvelope(readingAt(device, 0))])
      await until(() => answers.length === 2)
      expect(answers).to.deep.equal(['accepted 0', 'duplicate 0'])
      // A stranger that may write answers: unsigned, signed by nobody, or the gateway's own for another topic.
      const stranger = await connectAsync(broker.url, { username: 'stranger', password: broker.password, reconnectPeriod: 0 })
      endings.push(() => stranger.endAsync(true))
      const forged = encodeAck({
        status: 'accepted',
        subject: { device: id, kind: 'reading', position: 2 },
        reason: null,
        detail: null,
        expected: null,
      })
      for (const payload of [
        forged,
        JSON.stringify({ ack: forged, key: keys[0], signature: '00'.repeat(64) }),
        JSON.stringify({ ack: forged, key: 'ab'.repeat(32), signature: '00'.repeat(64) }),
      ])
        await stranger.publishAsync(ackTopic(project, id), payload, { qos: 1 })
      transport.send([encodeEnvelope(readingAt(device, 1))])
      await until(() => answers.length === 3)
      // The forged ones came before it, and name another reading.
      expect(answers[2]).to.equal('accepted 1')
      expect(strangers).to.equal(2)
    })

  it('signs for one topic of one deployment', async () => {
    const gateway = await open()
    const keys = await ackKeys(gateway.url)
    const client = await connectAsync(broker.url, { username: id, password: broker.password, reconnectPeriod: 0 })
    endings.push(() => client.endAsync(true))
    const heard = new Promise<Buffer>((resolve) => client.once('message', (_, payload) => resolve(payload)))
    await client.subscribeAsync(ackTopic(project, id))
    client.publish(upTopic(project, id), encodeEnvelope(readingAt(device, 0)))
    const payload = await heard
    const topic = ackTopic(project, id)
    expect(openSignedAck(payload, keys, { ...domain, topic })).to.deep.include({ status: 'accepted' })
    expect(openSignedAck(payload, keys, { ...domain, topic: ackTopic(8n.toString(), id) })).to.equal('stranger')
    expect(openSignedAck(payload, keys, { ...domain, topic, chainId: 1 })).to.equal('stranger')
    expect(openSignedAck(payload, keys, { ...domain, topic, ioIDRegistry: contracts.projectStore })).to.equal('stranger')
    expect(parseAck(payload)).to.equal(undefined)
  })

  it('does not start at a broker that refuses it, and says what to correct', async () => {
    const { url } = broker
    const wrong = temporaryFolder()
    writeFileSync(join(wrong, 'password'), 'nothing')
    const error = await openGateway(chain, undefined, {
      broker: { url, username: 'gateway', passwordFile: join(wrong, 'password') },
    }).catch((reason: unknown) => reason)
    expect(error).to.have.property('code', 'BROKER_REFUSED')
  })

  it('says that it is not ready while the broker is away, and goes on when it is back', async () => {
    const gateway = await open()
    const ready = async (): Promise<number> => (await fetch(`${gateway.url}/ready`)).status
    expect(await ready()).to.equal(200)
    await broker.stop('SIGKILL')
    await until(async () => (await ready()) === 503)
    await broker.start()
    await until(async () => (await ready()) === 200)
  })

  for (const version of [4, 5] as const)
    it(`a device loses and doubles nothing over packets dropped, doubled and reordered, MQTT ${version}`, async () => {
      chain.terms = terms({ clockOrigin: datasetTime(FROM) + 36_000 })
      const gateway = await open()
      const proxy = await startChaosProxy(broker.port, version, 7 + version)
      endings.push(() => proxy.close())
      const folder = temporaryFolder()
      const { identity, data } = keysOf('one')
      const file = (name: string, content: unknown): string => {
        writeFileSync(join(folder, name), JSON.stringify(content), { mode: 0o600 })
        return join(folder, name)
      }
      const address = (of: string): { address: string } => ({ address: of })
      const { ioIDRegistry: IoIDRegistry, dataKeyRegistry: DataKeyRegistry, projectStore: ProjectStore } = contracts
      const known = { IoIDRegistry: address(IoIDRegistry), DataKeyRegistry: address(DataKeyRegistry), ProjectStore: address(ProjectStore) }
      const config = {
        ...{ project: project.toString(), storeFile: join(folder, 'device.sqlite'), gatewayUrl: gateway.url, mqttUrl: proxy.url },
        ...{ mqttVersion: version, mqttUsername: id, mqttPasswordFile: broker.passwordFile, logLevel: 'silent' },
        ...{ mote: { id: 1, column: 'humidity', from: FROM, to: FROM + ROWS - 1 }, retryMs: 60, retryCapMs: 120, pipeline: 8 },
        keysFile: file('keys.json', { identity: bytesToHex(identity), data: bytesToHex(data) }),
        addressesFile: file('addresses.json', { chainId, contracts: known }),
      }
      const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'device-process.ts'), JSON.stringify(config)])
      endings.push(async () => {
        if (child.exitCode !== null || child.signalCode !== null) return
        child.kill('SIGKILL')
        await once(child, 'exit')
      })
      const exit = once(child, 'exit')
      let report: DeviceReport | undefined
      for await (const text of createInterface({ input: child.stdout! })) report = JSON.parse(text) as DeviceReport
      expect(await exit).to.deep.equal([0, null])
      expect(report).to.deep.include({ readings: ROWS, windows: 2 })
      for (const count of Object.values(proxy.counts)) expect(count).to.be.greaterThan(0)
      const accounting = (await (await fetch(`${gateway.url}/v1/accounting?project=7`)).json()) as Accounting
      expect(accounting).to.deep.include({ acceptedReadings: ROWS, windowedReadings: ROWS, windows: 2 })
    })
})
