// SPDX-License-Identifier: Apache-2.0
/**
 * Envelopes between a device and its gateway, version 1: strict parser, canonical EIP-712 digest, acknowledgements, topics.
 *
 * A field that version 1 does not name is refused, not ignored: the signature would not cover it. The digest equals viem's `hashTypedData`;
 * it is written out by hand here because the gateway computes one per message.
 */
import { keccak_256 } from '@noble/hashes/sha3.js'
import { TIME_LIMIT } from './clock.ts'
import type { Address, DeviceId, Hex, ProjectId } from './ids.ts'
import { lanesFromHex, lanesToHex, SEQUENCE_LIMIT, WINDOW_INDEX_LIMIT } from './window.ts'

export const ENVELOPE_VERSION = 1
/** Largest message in bytes that a door reads. A full window takes about 1.6 kB. */
export const ENVELOPE_MAX_BYTES = 64 * 1024
/** Most envelopes of one HTTP request. */
export const ENVELOPE_BATCH = 256
const CHANNEL_MAX_LENGTH = 64

/** One reading, signed by the device's identity key. */
export interface ReadingEnvelope {
  v: 1
  kind: 'reading'
  project: ProjectId
  device: DeviceId
  sequence: number
  /** Project seconds. */
  time: number
  channel: string
  /** Decimal string, as the device wrote it. */
  value: string
  /** r || s, ES256K with low s. */
  signature: Hex
}

/** A closed window, signed by the data key (`dataSignature`, for the circuit) and by the identity key. */
export interface WindowEnvelope {
  v: 1
  kind: 'window'
  project: ProjectId
  device: DeviceId
  index: number
  firstSequence: number
  firstTime: number
  channel: string
  lanes: bigint[]
  /** R8.x | R8.y | S. */
  dataSignature: Hex
  signature: Hex
}

export type Envelope = ReadingEnvelope | WindowEnvelope
export type UnsignedReading = Omit<ReadingEnvelope, 'signature'>
export type UnsignedWindow = Omit<WindowEnvelope, 'signature'>

/** Why a gateway refuses a message. */
export const refusalCodes = [
  // not the JSON of a message: a field is missing, unknown or of another form
  'MALFORMED',
  // `v` is not a version that this gateway knows
  'UNKNOWN_VERSION',
  // more bytes, or more messages at once, than are taken
  'TOO_LARGE',
  // project and device of the message are not those of its MQTT topic
  'WRONG_TOPIC',
  // the project has no published terms
  'UNKNOWN_PROJECT',
  // the device has no ioID yet
  'UNREGISTERED',
  // the device was removed by its owner
  'REMOVED',
  // the device does not work for this project
  'WRONG_PROJECT',
  // the signature is not of the current key of the device
  'BAD_SIGNATURE',
  // signed with a key that the device no longer has
  'RETIRED_KEY',
  // the signature of the window is not of its data key
  'BAD_DATA_SIGNATURE',
  // no data key is bound for this window
  'NO_DATA_KEY',
  // the device does not hold the credential that the project asks for
  'NO_CREDENTIAL',
  // the terms name another channel
  'WRONG_CHANNEL',
  // the value has more decimals than the terms say, or is no decimal number
  'BAD_VALUE',
  // the value lies outside of the range of the terms
  'OUT_OF_RANGE',
  // a reading before this one is missing; `expected` says which
  'SEQUENCE_GAP',
  // another reading was stored under this sequence
  'SEQUENCE_REUSED',
  // the time lies ahead of the clock of the project
  'TIME_FUTURE',
  // the time is older than the terms allow
  'TIME_PAST',
  // the time does not grow from reading to reading
  'TIME_ORDER',
  // a window before this one is missing; `expected` says which
  'WINDOW_GAP',
  // the window does not hold the readings that were stored singly
  'WINDOW_MISMATCH',
  // the gateway has as much work as it may hold
  'OVERLOADED',
  // the device or project delivers more than its share
  'RATE_LIMITED',
] as const
export type RefusalCode = (typeof refusalCodes)[number]

/** What could be read of a message that is refused, so that its sender knows which one it was. */
export interface MessageSubject {
  device: string | null
  kind: 'reading' | 'window' | null
  /** Sequence of a reading, index of a window. */
  position: number | null
}

export type ParsedEnvelope = { ok: true; envelope: Envelope } | { ok: false; code: RefusalCode; detail: string; subject: MessageSubject }

const readingFields = ['v', 'kind', 'project', 'device', 'sequence', 'time', 'channel', 'value', 'signature']
const windowFields = [
  'v',
  'kind',
  'project',
  'device',
  'index',
  'firstSequence',
  'firstTime',
  'channel',
  'lanes',
  'dataSignature',
  'signature',
]
const devicePattern = /^0x[0-9a-f]{40}$/
const signaturePattern = /^0x[0-9a-f]{128}$/
const dataSignaturePattern = /^0x[0-9a-f]{192}$/
const integerPattern = /^(0|[1-9][0-9]{0,19})$/
// Digits, sign, point and exponent only: the finer reading of a value needs the terms' decimals.
const valuePattern = /^-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?$/

/** Parses one message. Never throws. `detail` says which field and why, and never repeats more than 80 characters of input. */
export function parseEnvelope(input: string | Uint8Array): ParsedEnvelope {
  if (input.length > ENVELOPE_MAX_BYTES)
    return refuse('TOO_LARGE', `a message has at most ${ENVELOPE_MAX_BYTES} bytes, this one ${input.length}`, {})
  let json: unknown
  try {
    json = JSON.parse(typeof input === 'string' ? input : utf8.decode(input))
  } catch {
    return refuse('MALFORMED', 'not JSON', {})
  }
  return parseEnvelopeJson(json)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** `parseEnvelope` for what is parsed as JSON already. */
export function parseEnvelopeJson(json: unknown): ParsedEnvelope {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return refuse('MALFORMED', 'not a JSON object', {})
  const source = json as Record<string, unknown>
  if (source['v'] !== ENVELOPE_VERSION) return refuse('UNKNOWN_VERSION', `this gateway reads version ${ENVELOPE_VERSION}`, source)
  const kind = source['kind']
  const names = kind === 'reading' ? readingFields : kind === 'window' ? windowFields : undefined
  if (names === undefined) return refuse('MALFORMED', 'kind is neither reading nor window', source)
  for (const name in source)
    if (!names.includes(name)) return refuse('MALFORMED', `unknown field ${JSON.stringify(name.slice(0, 40))}`, source)

  const project = uint(source['project'], 2n ** 64n)
  if (project === undefined || project === 0n) return refuse('MALFORMED', 'project is not a decimal string of 64 bits', source)
  const device = source['device']
  if (typeof device !== 'string' || !devicePattern.test(device)) return refuse('MALFORMED', 'device is not a lower-case address', source)
  const channel = source['channel']
  if (typeof channel !== 'string' || channel.length === 0 || channel.length > CHANNEL_MAX_LENGTH) {
    return refuse('MALFORMED', `channel is not a string of 1 to ${CHANNEL_MAX_LENGTH} characters`, source)
  }
  const signature = source['signature']
  if (typeof signature !== 'string' || !signaturePattern.test(signature))
    return refuse('MALFORMED', 'signature is not 64 bytes of hexadecimal', source)
  const common = { v: 1, project: project as ProjectId, device: device as DeviceId, channel, signature: signature as Hex } as const

  if (kind === 'reading') {
    const sequence = uintBelow(source['sequence'], SEQUENCE_LIMIT)
    if (sequence === undefined) return refuse('MALFORMED', 'sequence is not a decimal string of 40 bits', source)
    const time = uintBelow(source['time'], TIME_LIMIT)
    if (time === undefined) return refuse('MALFORMED', 'time is not a decimal string of 40 bits', source)
    const value = source['value']
    if (typeof value !== 'string' || !valuePattern.test(value)) return refuse('BAD_VALUE', 'value is not a decimal string', source)
    return { ok: true, envelope: { ...common, kind, sequence, time, value } }
  }
  const index = source['index']
  if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index >= WINDOW_INDEX_LIMIT) {
    return refuse('MALFORMED', 'index is not an integer of 32 bits', source)
  }
  const firstSequence = uintBelow(source['firstSequence'], SEQUENCE_LIMIT)
  if (firstSequence === undefined) return refuse('MALFORMED', 'firstSequence is not a decimal string of 40 bits', source)
  const firstTime = uintBelow(source['firstTime'], TIME_LIMIT)
  if (firstTime === undefined) return refuse('MALFORMED', 'firstTime is not a decimal string of 40 bits', source)
  const lanes = typeof source['lanes'] === 'string' ? lanesFromHex(source['lanes']) : undefined
  if (lanes === undefined) return refuse('MALFORMED', 'lanes is not 1 to 64 times 8 bytes of hexadecimal', source)
  const dataSignature = source['dataSignature']
  if (typeof dataSignature !== 'string' || !dataSignaturePattern.test(dataSignature)) {
    return refuse('MALFORMED', 'dataSignature is not 96 bytes of hexadecimal', source)
  }
  return { ok: true, envelope: { ...common, kind: 'window', index, firstSequence, firstTime, lanes, dataSignature: dataSignature as Hex } }
}

function uint(value: unknown, limit: bigint): bigint | undefined {
  if (typeof value !== 'string' || !integerPattern.test(value)) return undefined
  const read = BigInt(value)
  return read < limit ? read : undefined
}

/** `limit` is at most 2^53, so that a number is exact. */
function uintBelow(value: unknown, limit: number): number | undefined {
  if (typeof value !== 'string' || !integerPattern.test(value)) return undefined
  const read = Number(value)
  return read < limit ? read : undefined
}

function refuse(code: RefusalCode, detail: string, source: Record<string, unknown>): ParsedEnvelope {
  const kind = source['kind'] === 'reading' || source['kind'] === 'window' ? source['kind'] : null
  const device = typeof source['device'] === 'string' && devicePattern.test(source['device']) ? source['device'] : null
  const sequence = uintBelow(source['sequence'], SEQUENCE_LIMIT) ?? null
  const position = kind === 'reading' ? sequence : kind === 'window' ? source['index'] : null
  return { ok: false, code, detail, subject: { device, kind, position: positionOf(kind, position) } }
}

/** A position that a message of this kind can have; null for anything else, which a store may be unable to keep or to give back. */
export function positionOf(kind: MessageSubject['kind'], position: unknown): number | null {
  const limit = kind === 'window' ? WINDOW_INDEX_LIMIT : SEQUENCE_LIMIT
  return typeof position === 'number' && Number.isInteger(position) && position >= 0 && position < limit ? position : null
}

/** What the signature of an envelope is bound to besides its fields. */
export interface EnvelopeDomain {
  chainId: bigint | number
  ioIDRegistry: Address
}

/** The typed data of envelopes, for wallets and for tests against viem. */
export const envelopeTypes = {
  Reading: [
    { name: 'project', type: 'uint64' },
    { name: 'device', type: 'address' },
    { name: 'sequence', type: 'uint64' },
    { name: 'time', type: 'uint64' },
    { name: 'channel', type: 'string' },
    { name: 'value', type: 'int64' },
    { name: 'decimals', type: 'uint8' },
  ],
  Window: [
    { name: 'project', type: 'uint64' },
    { name: 'device', type: 'address' },
    { name: 'index', type: 'uint32' },
    { name: 'firstSequence', type: 'uint64' },
    { name: 'count', type: 'uint8' },
    { name: 'firstTime', type: 'uint64' },
    { name: 'channel', type: 'string' },
    { name: 'readingsRoot', type: 'bytes32' },
  ],
} as const

const ascii = new TextEncoder()
const typeHash = (name: keyof typeof envelopeTypes): Uint8Array =>
  keccak_256(ascii.encode(`${name}(${envelopeTypes[name].map((field) => `${field.type} ${field.name}`).join(',')})`))
const readingTypeHash = typeHash('Reading')
const windowTypeHash = typeHash('Window')

/** Digests of envelopes under one domain. Not safe to share between threads: it writes into its own buffers. */
export interface EnvelopeDigests {
  /** `scaled` is the value in units of 10^-decimals. */
  reading(envelope: UnsignedReading, scaled: bigint, decimals: number): Uint8Array
  window(envelope: UnsignedWindow, root: bigint): Uint8Array
}

/** EIP-712 domain {name: "Trellis", version: "1", chainId, verifyingContract: IoIDRegistry}. */
export function envelopeDigests({ chainId, ioIDRegistry }: EnvelopeDomain): EnvelopeDigests {
  const domain = new Words(5)
  domain.bytes(0, keccak_256(ascii.encode('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)')))
  domain.bytes(1, keccak_256(ascii.encode('Trellis')))
  domain.bytes(2, keccak_256(ascii.encode('1')))
  domain.wide(3, BigInt(chainId))
  domain.wide(4, BigInt(ioIDRegistry))
  const final = new Uint8Array(66)
  final.set([0x19, 0x01])
  final.set(domain.hash(), 2)
  const close = (struct: Words): Uint8Array => {
    final.set(struct.hash(), 34)
    return keccak_256(final)
  }

  const channelHashes = new Map<string, Uint8Array>()
  const channelHash = (channel: string): Uint8Array => {
    let hash = channelHashes.get(channel)
    if (hash === undefined) {
      // Names come from outside: the cache must not grow with them.
      if (channelHashes.size >= 256) channelHashes.clear()
      hash = keccak_256(ascii.encode(channel))
      channelHashes.set(channel, hash)
    }
    return hash
  }

  const reading = new Words(8)
  reading.bytes(0, readingTypeHash)
  const window = new Words(9)
  window.bytes(0, windowTypeHash)
  return {
    reading(envelope, scaled, decimals) {
      reading.uint64(1, envelope.project)
      reading.hex(2, envelope.device)
      reading.uint(3, envelope.sequence)
      reading.uint(4, envelope.time)
      reading.bytes(5, channelHash(envelope.channel))
      reading.int64(6, scaled)
      reading.uint(7, decimals)
      return close(reading)
    },
    window(envelope, root) {
      window.uint64(1, envelope.project)
      window.hex(2, envelope.device)
      window.uint(3, envelope.index)
      window.uint(4, envelope.firstSequence)
      window.uint(5, envelope.lanes.length)
      window.uint(6, envelope.firstTime)
      window.bytes(7, channelHash(envelope.channel))
      window.wide(8, root)
      return close(window)
    },
  }
}

/** A run of 32-byte words, written in place. Each writer sets every byte that its earlier use could have set. */
class Words {
  readonly #data: Uint8Array
  readonly #view: DataView

  constructor(count: number) {
    this.#data = new Uint8Array(32 * count)
    this.#view = new DataView(this.#data.buffer)
  }

  bytes(index: number, word: Uint8Array): void {
    this.#data.set(word, 32 * index)
  }

  /** A non-negative integer below 2^53. */
  uint(index: number, value: number): void {
    this.#view.setUint32(32 * index + 24, Math.floor(value / 2 ** 32))
    this.#view.setUint32(32 * index + 28, value % 2 ** 32)
  }

  uint64(index: number, value: bigint): void {
    this.#view.setBigUint64(32 * index + 24, value)
  }

  /** Two's complement, sign extended to 32 bytes. */
  int64(index: number, value: bigint): void {
    this.#data.fill(value < 0n ? 0xff : 0, 32 * index, 32 * index + 24)
    this.#view.setBigInt64(32 * index + 24, value)
  }

  wide(index: number, value: bigint): void {
    for (let part = 0; part < 4; part++)
      this.#view.setBigUint64(32 * index + 8 * part, BigInt.asUintN(64, value >> BigInt(192 - 64 * part)))
  }

  /** An address. */
  hex(index: number, address: Hex): void {
    for (let at = 0; at < 20; at++) this.#data[32 * index + 12 + at] = Number.parseInt(address.slice(2 + 2 * at, 4 + 2 * at), 16)
  }

  hash(): Uint8Array {
    return keccak_256(this.#data)
  }
}

/** Signs a 32-byte digest: ES256K, that is ECDSA over sha256(digest), r || s, low s. */
export type DigestSigner = (digest: Uint8Array) => Uint8Array

/** Canonical JSON text of an envelope: fields in the order of the protocol, integers that may pass 2^53 as strings. */
export function encodeEnvelope(envelope: Envelope): string {
  return JSON.stringify(envelopeToJson(envelope))
}

/** The JSON object of an envelope. */
export function envelopeToJson(envelope: Envelope): Record<string, string | number> {
  const { v, kind, device, channel, signature } = envelope
  const project = envelope.project.toString()
  if (kind === 'reading') {
    return {
      v,
      kind,
      project,
      device,
      sequence: String(envelope.sequence),
      time: String(envelope.time),
      channel,
      value: envelope.value,
      signature,
    }
  }
  const { index, firstSequence, firstTime, lanes, dataSignature } = envelope
  return {
    v,
    kind,
    project,
    device,
    index,
    firstSequence: String(firstSequence),
    firstTime: String(firstTime),
    channel,
    lanes: lanesToHex(lanes),
    dataSignature,
    signature,
  }
}
