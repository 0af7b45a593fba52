// SPDX-License-Identifier: Apache-2.0
/** Load for a gateway: messages signed beforehand by many devices, pumped through MQTT, every answer waited for and checked. */
import { connectAsync, type MqttClient } from 'mqtt'
import { ackTopic, parseAck, upTopic } from '../../agents/protocol/ack.ts'
import { encodeEnvelope } from '../../agents/protocol/envelope.ts'
import { channelIdOf, type ProjectId } from '../../agents/protocol/ids.ts'
import { packWindow } from '../../agents/protocol/window.ts'
import type { DeviceSigner } from '../../agents/sdk/signer.ts'

export interface LoadOptions {
  project: ProjectId
  devices: readonly DeviceSigner[]
  /** `reading`: one message per reading. `window`: full windows, which carry their readings. */
  kind: 'reading' | 'window'
  messagesPerDevice: number
  channel: string
  decimals: number
  /** `rangeMin` of the terms. */
  rangeMin: bigint
  /** Time of the first reading, project seconds; the next ones follow every five. */
  firstTime: number
  /** Where the devices stand, when they sent something before. */
  firstSequence?: number
  firstWindow?: number
}

export interface SignedLoad {
  kind: 'reading' | 'window'
  readings: number
  devices: { up: string; ack: string; payloads: Buffer[] }[]
}

const WINDOW = 64

/** Signs a load, about 1 ms per reading and 3 ms per window. Values are deterministic, in range, in hundredths around 45. */
export function signLoad(options: LoadOptions): SignedLoad {
  const { project, devices, kind, messagesPerDevice, channel, decimals, rangeMin, firstTime, firstSequence = 0, firstWindow = 0 } = options
  const value = (sequence: number): string => (45 + ((sequence * 37) % 500) / 100).toFixed(2)
  const lane = (sequence: number): number => Number(BigInt(Math.round(Number(value(sequence)) * 10 ** decimals)) - rangeMin)
  const time = (sequence: number): number => firstTime + 5 * (sequence - firstSequence)
  const message = (signer: DeviceSigner, at: number): string => {
    if (kind === 'reading') {
      const sequence = firstSequence + at
      return encodeEnvelope(signer.reading({ sequence, time: time(sequence), channel, value: value(sequence) }, decimals))
    }
    const first = firstSequence + at * WINDOW
    const readings = Array.from({ length: WINDOW }, (_, i) => ({ time: time(first + i), laneValue: lane(first + i) }))
    return encodeEnvelope(signer.window({ index: firstWindow + at, content: packWindow(channelIdOf(channel), first, readings) }, channel))
  }
  return {
    kind,
    readings: devices.length * messagesPerDevice * (kind === 'window' ? WINDOW : 1),
    devices: devices.map((signer) => {
      const { device } = signer.publicKeys
      const payloads = Array.from({ length: messagesPerDevice }, (_, at) => Buffer.from(message(signer, at)))
      return { up: upTopic(project, device), ack: ackTopic(project, device), payloads }
    }),
  }
}

export interface LoadResult {
  readings: number
  messages: number
  seconds: number
  messagesPerSecond: number
  readingsPerSecond: number
  /** From publish to the answer that says it is on disk, milliseconds. */
  p50: number
  p99: number
}

/**
 * Pumps a load: one connection per device, at most `inFlight` unanswered messages each.
 * Resolves when every message was accepted, those that the gateway put off included; rejects at any other refusal, so that a number is
 * never the speed of refusals.
 */
export async function pumpLoad(mqttUrl: string, load: SignedLoad, inFlight = 16): Promise<LoadResult> {
  const clients: MqttClient[] = await Promise.all(
    load.devices.map(async ({ ack }, at) => {
      const client = await connectAsync(mqttUrl, { clientId: `load-${process.pid}-${at}`, protocolVersion: 4, reconnectPeriod: 0 })
      await client.subscribeAsync(ack)
      return client
    }),
  )
  const latencies: number[] = []
  const started = performance.now()
  try {
    await Promise.all(load.devices.map((device, at) => pumpDevice(clients[at]!, device, inFlight, latencies)))
  } finally {
    for (const client of clients) client.end(true)
  }
  const seconds = (performance.now() - started) / 1000
  latencies.sort((a, b) => a - b)
  const messages = latencies.length
  const rank = (part: number): number => latencies[Math.min(messages - 1, Math.floor(messages * part))] ?? 0
  return {
    readings: load.readings,
    messages,
    seconds,
    messagesPerSecond: messages / seconds,
    readingsPerSecond: load.readings / seconds,
    p50: rank(0.5),
    p99: rank(0.99),
  }
}

function pumpDevice(
  client: MqttClient,
  { up, payloads }: SignedLoad['devices'][number],
  inFlight: number,
  latencies: number[],
): Promise<void> {
  return new Promise((resolve, reject) => {
    /** When each message was published first: a wait that the gateway asked for counts as part of its answer. */
    const sentAt: number[] = []
    /** Messages without an answer, oldest first: one device's answers come in the order of its messages. */
    const open: number[] = []
    const stored = new Set<number>()
    let next = 0
    let back: { to: number; waitMs: number } | undefined
    const send = (): void => {
      while (back === undefined && next < payloads.length && open.length < inFlight) {
        sentAt[next] ??= performance.now()
        client.publish(up, payloads[next]!, { qos: 0 })
        open.push(next)
        next += 1
      }
    }
    client.on('message', (_topic, payload) => {
      const ack = parseAck(payload)
      const at = open.shift()
      if (at === undefined || ack === undefined) return reject(new Error(`an answer to nothing: ${payload.toString()}`))
      if (ack.status !== 'refused') {
        if (!stored.has(at)) latencies.push(performance.now() - sentAt[at]!)
        stored.add(at)
        if (stored.size === payloads.length) return resolve()
      } else if (ack.retryAfterMs !== undefined || back !== undefined) {
        // As a device does: wait as it was told, then go back to the first message that was not taken.
        back = { to: Math.min(at, back?.to ?? at), waitMs: Math.max(ack.retryAfterMs ?? 0, back?.waitMs ?? 0) }
      } else return reject(new Error(`a message was not accepted: ${payload.toString()}`))
      if (back !== undefined && open.length === 0) {
        const { to, waitMs } = back
        setTimeout(() => {
          back = undefined
          next = to
          send()
        }, waitMs)
      } else send()
    })
    client.once('close', () => reject(new Error('the gateway closed a connection')))
    client.once('error', reject)
    send()
  })
}
