// SPDX-License-Identifier: Apache-2.0
/**
 * The other MQTT door: an outside broker whose client the gateway is (MQTT 5). Gateways of one group share the messages of all devices; who may publish
 * as which device is the broker's to say (its ACL), what a device believes is not: answers are signed.
 *
 * QoS 0 in both directions: what a broker or a gateway loses on the way, the device sends again.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type ErrorWithReasonCode } from 'mqtt'
import { TrellisError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import { ackTopic, encodeAck, parseTopic } from '../protocol/ack.ts'
import { ENVELOPE_MAX_BYTES, type EnvelopeDomain } from '../protocol/envelope.ts'
import type { AckSigner } from './ack-signer.ts'
import { BoundedCache } from './bounded-cache.ts'
import type { GatewayConfig } from './config.ts'
import type { Intake } from './intake.ts'
import { Sender } from './senders.ts'

export interface BrokerDoor {
  readonly url: string
  /** Why no message can come, or null. */
  ready(): string | null
  close(): Promise<void>
}

export interface BrokerOptions extends EnvelopeDomain {
  broker: NonNullable<GatewayConfig['broker']>
  /** Messages of one device that are judged at once. */
  share: number
  /** Longest wait for the first connection; it is tried on afterwards. */
  connectMs?: number
}

/** Devices that are told apart as senders. */
const SENDERS = 100_000
/** Bad user name or password, not authorized, banned: MQTT 5, section 3.2.2.2. */
const refusals: ReadonlySet<number> = new Set([134, 135, 138])

/**
 * Connects and subscribes; a broker that is away is waited for in the background.
 * @throws TrellisError BROKER_REFUSED when the broker does not let this gateway in or listen
 */
export async function openBroker(intake: Intake, signer: AckSigner, options: BrokerOptions, log: Logger): Promise<BrokerDoor> {
  const { broker, share, chainId, ioIDRegistry, connectMs = 5_000 } = options
  const { url, username, passwordFile, group } = broker
  const client = connect(url, {
    protocolVersion: 5,
    clientId: `trellis-gateway-${randomBytes(8).toString('hex')}`,
    clean: true,
    reconnectPeriod: 500,
    connectTimeout: 5_000,
    keepalive: 15,
    queueQoSZero: false,
    resubscribe: false,
    properties: { maximumPacketSize: ENVELOPE_MAX_BYTES + 1_024 },
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: readPassword(passwordFile) }),
  })
  const shared = `$share/${group}/trellis/v1/+/+/up`
  let listening = false
  let refusal: TrellisError | undefined
  // One per topic: the broker says who may publish on which, so a device answers for itself.
  const senders = new BoundedCache<string, Sender>(SENDERS)

  const first = new Promise<void>((resolve) => {
    const failed = (error: Error): void => {
      const { code } = error as Partial<ErrorWithReasonCode>
      if (typeof code === 'number' && refusals.has(code)) refusal = brokerRefused(url, error)
      log.warn({ err: refusal ?? error, url }, 'the broker failed')
      if (refusal !== undefined) resolve()
    }
    client.on('error', failed)
    client.on('connect', () => {
      client.subscribe(shared, { qos: 0 }, (error, granted) => {
        const denied = granted?.find(({ qos }) => qos >= 128)
        if (error !== null || denied !== undefined)
          return failed(Object.assign(error ?? new Error('the subscription was denied'), { code: 135 }))
        listening = true
        refusal = undefined
        log.info({ url, group }, 'listening to the broker')
        resolve()
      })
    })
    setTimeout(resolve, connectMs).unref()
  })
  client.on('close', () => (listening = false))
  client.on('message', (topic, payload) => {
    const place = parseTopic(topic)
    if (place?.direction !== 'up') return
    let sender = senders.get(topic)
    if (sender === undefined) senders.set(topic, (sender = new Sender({ share, slowsForgers: true })))
    void intake.accept(payload, { name: 'mqtt', sender, project: place.project, device: place.device }).then((ack) => {
      const to = ackTopic(place.project, place.device)
      client.publish(to, signer.seal(encodeAck(ack), { chainId, ioIDRegistry, topic: to }), { qos: 0 }, (error) => {
        if (error) log.debug({ err: error, topic: to }, 'an answer was not delivered')
      })
    })
  })
  await first
  if (refusal !== undefined) {
    await client.endAsync(true)
    throw refusal
  }
  if (!listening) log.warn({ url }, 'the broker does not answer; it is tried again')
  return {
    url,
    ready: () => (listening ? null : 'the broker is not connected'),
    close: () => client.endAsync(true),
  }
}

function brokerRefused(url: string, cause: Error): TrellisError {
  return new TrellisError({
    code: 'BROKER_REFUSED',
    message: 'The broker does not let this gateway in, or not listen to its devices.',
    details: { url: withoutSecrets(url), reason: cause.message },
    next: 'correct broker.username and broker.passwordFile; the account needs to read trellis/v1/+/+/up and to write trellis/v1/+/+/ack',
    cause,
  })
}

/** @throws TrellisError BROKER_PASSWORD */
function readPassword(file: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new TrellisError({
      code: 'BROKER_PASSWORD',
      message: 'The file with the password for the broker cannot be read.',
      details: { file },
      next: 'correct broker.passwordFile',
      cause: error,
    })
  }
}

function withoutSecrets(url: string): string {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}
