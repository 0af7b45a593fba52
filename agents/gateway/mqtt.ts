// SPDX-License-Identifier: Apache-2.0
/**
 * The MQTT door: a broker in the process (aedes, MQTT 3.1.1). Devices publish on their `up` topic and read answers on their `ack` topic. The broker's
 * own PUBACK says nothing about the disk, so only the acknowledgement on `ack` counts, and QoS 0 is enough in both directions.
 */
import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { Duplex } from 'node:stream'
import { Aedes, type Client } from 'aedes'
import { portBusy } from '../kit/http.ts'
import type { Logger } from '../kit/log.ts'
import { type Ack, ackTopic, encodeAck, parseTopic } from '../protocol/ack.ts'
import { ENVELOPE_MAX_BYTES, parseEnvelope } from '../protocol/envelope.ts'
import { gatheredWrites } from './gathered-writes.ts'
import type { Intake } from './intake.ts'
import type { GatewayMetrics } from './metrics.ts'
import { MqttGuard, OVERSIZE_MARKER } from './mqtt-guard.ts'
import { Addresses, Sender } from './senders.ts'

export interface MqttOptions {
  hostname: string
  /** 0 takes a free port. */
  port: number
  maxConnections: number
  /** Connections from one address. */
  maxPerAddress: number
  /** Milliseconds that a connection has to say CONNECT. */
  connectMs: number
  /** Messages of one connection that are judged at once. */
  share: number
}

export interface MqttDoor {
  readonly url: string
  readonly port: number
  ready(): string | null
  close(): Promise<void>
}

/** A topic that nobody may subscribe to. */
const SINK = 'trellis/received'
/** Topics that one connection may listen to: a device needs one, a bridge in front of devices one for each. */
const SUBSCRIPTIONS_MAX = 256
/** Longest keepalive, seconds: a connection that is silent, or in the middle of a packet, for one and a half times as long is ended. */
const KEEPALIVE_MAX = 120

/** Opens the door. @throws TrellisError PORT_BUSY */
export async function startMqtt(
  intake: Intake,
  { hostname, port, maxConnections, maxPerAddress, connectMs, share }: MqttOptions,
  metrics: GatewayMetrics,
  log: Logger,
): Promise<MqttDoor> {
  const broker = await Aedes.createBroker({
    id: 'trellis-gateway',
    connectTimeout: connectMs,
    preConnect(_client, packet, done) {
      // Nobody proves a client id here: kept, it would let a stranger end a device's connection by its name. No session outlives its connection
      // either, or strangers would fill the memory with sessions that nobody comes back for.
      packet.clientId = randomBytes(11).toString('hex')
      packet.clean = true
      // 0 would mean for ever.
      packet.keepalive = Math.min((packet.keepalive ?? 0) > 0 ? packet.keepalive! : KEEPALIVE_MAX, KEEPALIVE_MAX)
      done(null, true)
    },
    authorizePublish(client, packet, done) {
      if (client === null) {
        done(null)
        return
      }
      const { topic, payload } = packet
      const sender = senderOf(client)
      const answered = receive(client, sender, topic, Buffer.isBuffer(payload) ? payload : Buffer.from(payload))
      // What a client publishes ends here: forwarded on an `ack` topic it would forge an answer, retained it would stay in memory for ever.
      packet.topic = SINK
      packet.payload = Buffer.alloc(0)
      packet.retain = false
      // The broker reads a connection on when what it had read is done: a sender that is ahead of its answers waits in its own socket.
      const { pausedMs } = sender
      if (pausedMs > 0) setTimeout(() => done(null), pausedMs).unref()
      else if (sender.crowded) void answered.finally(() => done(null))
      else done(null)
    },
    authorizeForward: (_client, packet) => (parseTopic(packet.topic)?.direction === 'ack' ? packet : null),
    authorizeSubscribe(client, subscription, done) {
      // Wildcards would let one client read what all others are told. A null subscription is answered with failure 0x80.
      const allowed = parseTopic(subscription.topic)?.direction === 'ack' && mayListen(client, subscription.topic)
      done(null, allowed ? { ...subscription, qos: 0 } : null)
    },
  })

  const senders = new WeakMap<Client, Sender>()
  const senderOf = (client: Client): Sender => {
    const sender = senders.get(client) ?? new Sender({ share, slowsForgers: true })
    senders.set(client, sender)
    return sender
  }

  const topics = new WeakMap<Client, Set<string>>()
  const mayListen = (client: Client | null, topic: string): boolean => {
    if (client === null) return true
    const own = topics.get(client) ?? new Set()
    topics.set(client, own)
    if (own.size >= SUBSCRIPTIONS_MAX && !own.has(topic)) return false
    own.add(topic)
    return true
  }
  broker.on('unsubscribe', (unsubscribed, client) => {
    for (const topic of unsubscribed) topics.get(client)?.delete(topic)
  })

  /** Refusals cost a write each: they take of the sender's share, too. */
  const refuse = async (sender: Sender, ...what: Parameters<Intake['refuse']>): Promise<Ack> => {
    if (sender.waiting >= share) return intake.refuse('OVERLOADED', `${share} messages of this connection are being judged`)
    sender.waiting += 1
    try {
      return await intake.refuse(...what)
    } finally {
      sender.waiting -= 1
    }
  }

  const receive = async (client: Client, sender: Sender, topic: string, payload: Buffer): Promise<void> => {
    const place = parseTopic(topic)
    if (payload.length > ENVELOPE_MAX_BYTES || OVERSIZE_MARKER.equals(payload)) {
      const detail = `a message has at most ${ENVELOPE_MAX_BYTES} bytes`
      const subject = { device: place?.device ?? null, kind: null, position: null }
      answer(client, place, encodeAck(await refuse(sender, 'TOO_LARGE', detail, subject, place?.project)))
      return
    }
    if (place?.direction !== 'up') {
      const parsed = parseEnvelope(payload)
      const subject = parsed.ok ? undefined : parsed.subject
      const of = parsed.ok ? parsed.envelope : undefined
      const named =
        of === undefined ? subject : { device: of.device, kind: of.kind, position: of.kind === 'reading' ? of.sequence : of.index }
      const ack = await refuse(sender, 'WRONG_TOPIC', 'devices publish on trellis/v1/<project>/<device>/up', named, of?.project.toString())
      answer(client, of === undefined ? place : { project: of.project.toString(), device: of.device }, encodeAck(ack), true)
      return
    }
    const ack = await intake.accept(payload, { name: 'mqtt', sender, project: place.project, device: place.device })
    // Said before the signature was looked at: for who sent it, and not for the device that it names.
    answer(client, place, encodeAck(ack), ack.reason === 'OVERLOADED')
  }

  /** `direct` tells the sender alone, whatever it subscribed: used where the topic is not one that it may speak for. */
  const answer = (client: Client, place: { project: string; device: string } | undefined, payload: string, direct = false): void => {
    if (place === undefined && !direct) return
    const topic = ackTopic(place?.project ?? '0', place?.device ?? '0x')
    const packet = { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 0, retain: false, dup: false } as const
    const told = (error?: Error | null): void => {
      if (error) log.debug({ err: error, topic }, 'an answer was not delivered')
    }
    if (direct) client.publish(packet, told)
    else broker.publish(packet, told)
  }

  broker.on('clientError', (_client, error) => log.debug({ err: error }, 'MQTT client failed'))
  broker.on('connectionError', (_client, error) => log.debug({ err: error }, 'MQTT connection failed'))

  const sockets = new Set<Socket>()
  const addresses = new Addresses(maxPerAddress)
  const server = createServer((socket) => {
    const { remoteAddress: address = '' } = socket
    const from = sockets.size >= maxConnections ? undefined : addresses.enter(address)
    if (from === undefined) {
      metrics.refusedConnections.inc()
      return void socket.destroy()
    }
    sockets.add(socket)
    metrics.connections.set(sockets.size)
    socket.setNoDelay(true)
    socket.once('close', () => {
      sockets.delete(socket)
      addresses.leave(address)
      metrics.connections.set(sockets.size)
    })
    const guard = new MqttGuard(ENVELOPE_MAX_BYTES + 1_024)
    const end = (): void => void socket.destroy()
    guard.once('error', end)
    socket.once('error', end)
    const client = broker.handle(Duplex.from({ readable: socket.pipe(guard), writable: gatheredWrites(socket) }))
    senders.set(client, new Sender({ share, slowsForgers: true, address: from }))
  })
  await listen(server, hostname, port)
  const bound = (server.address() as AddressInfo).port
  return {
    url: `mqtt://${hostname}:${bound}`,
    port: bound,
    ready: () => null,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
      await new Promise<void>((resolve) => broker.close(resolve))
    },
  }
}

function listen(server: Server, hostname: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EADDRINUSE' ? portBusy(hostname, port) : error))
    server.listen(port, hostname, resolve)
  })
}
