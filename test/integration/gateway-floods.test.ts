// SPDX-License-Identifier: Apache-2.0
/** What strangers do to the doors of a gateway with sockets alone, while an honest device delivers. */
import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { expect } from 'chai'
import { connectAsync, type MqttClient } from 'mqtt'
import { ackTopic, parseAck, upTopic } from '../../agents/protocol/ack.ts'
import { encodeEnvelope, envelopeToJson } from '../../agents/protocol/envelope.ts'
import type { Accounting } from '../../agents/gateway/ledger.ts'
import type { RunningGateway } from '../../agents/gateway/service.ts'
import { deviceOf, FakeChain, openGateway, project, readingAt } from '../unit/gateway/support.ts'

describe('floods at a gateway', function () {
  this.timeout(30_000)
  const device = deviceOf('one')
  const other = deviceOf('two')
  let gateway: RunningGateway & { dataFolder: string }
  let sockets: Socket[] = []
  let clients: MqttClient[] = []

  const start = async (config: Record<string, unknown>): Promise<void> => {
    const chain = new FakeChain()
    chain.register(device)
    chain.register(other)
    gateway = await openGateway(chain, undefined, config)
  }
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    await Promise.all(clients.map((client) => client.endAsync(true)))
    sockets = []
    clients = []
    await gateway.stop()
  })

  const portOf = (url: string): number => Number(new URL(url).port)
  const tcp = async (url: string): Promise<Socket> => {
    const socket = connectTcp(portOf(url), '127.0.0.1')
    socket.on('error', () => undefined)
    // Without a reader the end of a connection is never seen.
    socket.resume()
    sockets.push(socket)
    await once(socket, 'connect')
    return socket
  }
  const closed = (socket: Socket): Promise<unknown> => (socket.closed ? Promise.resolve() : once(socket, 'close'))
  const mqtt = async (): Promise<MqttClient> => {
    const client = await connectAsync(gateway.mqttUrl, { reconnectPeriod: 0 })
    clients.push(client)
    return client
  }
  const counter = async (name: string): Promise<number> => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text()
    return Number(new RegExp(`^trellis_gateway_${name}(?:\\{[^}]*\\})? (\\d+)$`, 'm').exec(text)?.[1])
  }
  const post = async (sequence: number): Promise<string> => {
    const body = JSON.stringify(envelopeToJson(readingAt(device, sequence)))
    const answer = (await (await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body })).json()) as { status: string }
    return answer.status
  }

  it('MQTT connections that never say CONNECT are ended', async () => {
    await start({ mqtt: { port: 0, connectMs: 300 } })
    const silent = await tcp(gateway.mqttUrl)
    const slow = await tcp(gateway.mqttUrl)
    // The first bytes of a CONNECT whose rest never comes.
    slow.write(Buffer.from([0x10, 0x20, 0x00, 0x04, 0x4d]))
    await Promise.all([closed(silent), closed(slow)])
    const honest = await mqtt()
    expect(honest.connected).to.equal(true)
  })

  it('connections of one address beyond its share are cut, on both doors, and counted', async () => {
    await start({ mqtt: { port: 0, maxPerAddress: 3 }, http: { port: 0, maxPerAddress: 5 } })
    const held = [await tcp(gateway.mqttUrl), await tcp(gateway.mqttUrl), await tcp(gateway.mqttUrl)]
    await closed(await tcp(gateway.mqttUrl))
    expect(await counter('mqtt_connections_refused_total')).to.equal(1)
    held[0]!.destroy()
    // Its end has to reach the gateway.
    for (let tries = 0; tries < 100 && (await counter('mqtt_connections_count')) > 2; tries++)
      await new Promise((wake) => setTimeout(wake, 20))
    expect((await mqtt()).connected).to.equal(true)

    for (let n = 0; n < 4; n++) await tcp(gateway.url)
    // The fifth is the one that the questions above were asked on.
    await closed(await tcp(gateway.url))
    expect(await post(0)).to.equal('accepted')
    expect(await counter('http_connections_refused_total')).to.be.greaterThan(0)
  })

  it('forged signatures over many connections of one address are bounded together, and a device from there is served', async () => {
    await start({ mqtt: { port: 0 } })
    const forgers = await Promise.all(Array.from({ length: 40 }, mqtt))
    const forgery = encodeEnvelope({ ...readingAt(other, 1), device: device.publicKeys.device })
    const started = Date.now()
    let flooding = true
    let sent = 0
    const flood = (async () => {
      while (flooding) {
        for (const forger of forgers) {
          forger.publish(upTopic(project, device.publicKeys.device), forgery)
          sent += 1
        }
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    })()
    try {
      const honest = await mqtt()
      await honest.subscribeAsync(ackTopic(project, device.publicKeys.device))
      for (let sequence = 0; sequence < 40; sequence++) {
        const answered = new Promise<void>((resolve) => {
          const listen = (_: string, payload: Buffer): void => {
            const ack = parseAck(payload)
            if (ack?.status === 'refused' && ack.reason === 'OVERLOADED') setTimeout(publish, ack.retryAfterMs ?? 100)
            if (ack?.status !== 'accepted' || ack.subject.position !== sequence) return
            honest.off('message', listen)
            resolve()
          }
          honest.on('message', listen)
        })
        const publish = (): void =>
          void honest.publish(upTopic(project, device.publicKeys.device), encodeEnvelope(readingAt(device, sequence)))
        publish()
        await answered
      }
    } finally {
      flooding = false
      await flood
    }
    const seconds = (Date.now() - started) / 1000
    const { acceptedReadings, refused } = (await (await fetch(`${gateway.url}/v1/accounting`)).json()) as Accounting
    expect(acceptedReadings).to.equal(40)
    expect(sent).to.be.greaterThan(1_000)
    // 256 at once and 64 a second for the address, one more of each connection that had not forged before, and what was in hand when the pause began.
    expect(refused.BAD_SIGNATURE).to.be.lessThan(256 + 64 * (seconds + 1) + 2 * forgers.length * 64)
    expect(refused.BAD_SIGNATURE).to.be.lessThan(sent)
  })
})
