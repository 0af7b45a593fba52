// SPDX-License-Identifier: Apache-2.0
/** MQTT 3.1.1 to any broker in front of a gateway. QoS 0: the acknowledgement that counts is the gateway's own. */
import { connect } from 'mqtt'
import { ackTopic, parseAck, upTopic } from '../../../protocol/ack.ts'
import type { DeviceId, ProjectId } from '../../../protocol/ids.ts'
import type { Transport, TransportEvents } from './transport.ts'

export interface MqttOptions {
  url: string
  project: ProjectId
  device: DeviceId
}

export function openMqtt({ url, project, device }: MqttOptions, { onAck, onConnect, onError }: TransportEvents): Transport {
  const up = upTopic(project, device)
  const acks = ackTopic(project, device)
  // The broker forgets the session: what it would keep for us, the outbox keeps better. `queueQoSZero` off, or old copies would pile up offline.
  const options = {
    clientId: `trellis-${device}`,
    protocolVersion: 4,
    clean: true,
    reconnectPeriod: 500,
    queueQoSZero: false,
    resubscribe: false,
  } as const
  const client = connect(url, options)
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
    const ack = topic === acks ? parseAck(payload) : undefined
    if (ack !== undefined) onAck(ack)
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
