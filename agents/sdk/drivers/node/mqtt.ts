// SPDX-License-Identifier: Apache-2.0
/**
 * MQTT 3.1.1 or 5 to the broker in front of a gateway. QoS 0: the acknowledgement that counts is the gateway's own. A device that was told of keys takes
 * signed acknowledgements only.
 */
import { connect } from 'mqtt'
import { ackTopic, parseAck, upTopic } from '../../../protocol/ack.ts'
import type { EnvelopeDomain } from '../../../protocol/envelope.ts'
import type { DeviceId, ProjectId } from '../../../protocol/ids.ts'
import { type AckKey, openSignedAck } from '../../../protocol/signed-ack.ts'
import type { Transport, TransportEvents } from './transport.ts'

export interface MqttOptions {
  url: string
  project: ProjectId
  device: DeviceId
  domain: EnvelopeDomain
  version?: 4 | 5
  username?: string | undefined
  password?: string | undefined
  /** Keys of the gateway's acknowledgements now; none where they are not signed. */
  ackKeys?: () => readonly AckKey[]
  /** An acknowledgement came that none of the keys signed: forged, or the gateway has another key now. */
  onStranger?: () => void
}

export function openMqtt(options: MqttOptions, { onAck, onConnect, onError }: TransportEvents): Transport {
  const { url, project, device, domain, version = 4, username, password, ackKeys = () => [], onStranger } = options
  const up = upTopic(project, device)
  const acks = ackTopic(project, device)
  // The broker forgets the session: what it would keep for us, the outbox keeps better. `queueQoSZero` off, or old copies would pile up offline.
  const client = connect(url, {
    clientId: `trellis-${device}`,
    protocolVersion: version,
    clean: true,
    reconnectPeriod: 500,
    queueQoSZero: false,
    resubscribe: false,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  })
  let subscribed = false
  client.on('connect', () => {
    client.subscribe(acks, { qos: 0 }, (error) => {
      if (error) return onError(error)
      subscribed = true
      onConnect()
    })
  })
  client.on('close', () => (subscribed = false))
  client.on('error', onError)
  client.on('message', (topic, payload) => {
    if (topic !== acks) return
    const keys = ackKeys()
    const ack = keys.length === 0 ? parseAck(payload) : openSignedAck(payload, keys, { ...domain, topic })
    if (ack === 'stranger') onStranger?.()
    else if (ack !== undefined) onAck(ack)
  })
  return {
    get connected() {
      return subscribed && client.connected
    },
    send(payloads) {
      for (const payload of payloads) client.publish(up, payload, { qos: 0 }, (error) => error && onError(error))
    },
    close: () => client.endAsync(true),
  }
}
