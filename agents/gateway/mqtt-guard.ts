// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps large MQTT packets out of the broker's parser, which would buffer up to 256 MB of one. The body of a PUBLISH beyond the limit is skipped as it
 * arrives and replaced by a marker, so that its sender gets a refusal and keeps its connection; any other packet beyond the limit ends the connection.
 * Framing as in MQTT 3.1.1, section 2.2: one byte of type and flags, then the remaining length in 1 to 4 bytes of 7 bits.
 */
import { Transform, type TransformCallback } from 'node:stream'

/** Payload that stands for a skipped one; no envelope starts with a zero byte. A client that sends it itself only refuses its own message. */
export const OVERSIZE_MARKER = Buffer.from('\0too large')

const PUBLISH = 3
const TOPIC_MAX_BYTES = 512

export class MqttGuard extends Transform {
  readonly #limit: number
  /** Bytes that do not make a decision yet: a fixed header, or the head of an oversize PUBLISH. */
  #head: Buffer = Buffer.alloc(0)
  #pass = 0
  #skip = 0

  /** @param limit  largest packet body in bytes, topic included */
  constructor(limit: number) {
    super()
    this.#limit = limit
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rest = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk])
    this.#head = Buffer.alloc(0)
    while (rest.length > 0) {
      if (this.#skip > 0 || this.#pass > 0) {
        const take = Math.min(rest.length, this.#skip > 0 ? this.#skip : this.#pass)
        if (this.#skip > 0) this.#skip -= take
        else {
          this.#pass -= take
          this.push(rest.subarray(0, take))
        }
        rest = rest.subarray(take)
        continue
      }
      const length = remainingLength(rest)
      if (length === 'more') {
        this.#head = rest
        break
      }
      if (length === 'bad') return done(new Error('not MQTT: the remaining length takes more than four bytes'))
      const body = length.headerBytes
      if (length.value <= this.#limit) {
        // Packets that lie in this chunk as a whole pass together with the next ones in one push.
        this.#pass = body + length.value
        continue
      }
      const type = rest[0]! >> 4
      const qos = (rest[0]! >> 1) & 3
      if (type !== PUBLISH) return done(new Error('an MQTT packet is larger than this broker takes'))
      if (rest.length < body + 2) {
        this.#head = rest
        break
      }
      const variable = 2 + rest.readUInt16BE(body) + (qos > 0 ? 2 : 0)
      if (variable > TOPIC_MAX_BYTES || variable > length.value) return done(new Error('an MQTT topic is longer than this broker takes'))
      if (rest.length < body + variable) {
        this.#head = rest
        break
      }
      const replaced = variable + OVERSIZE_MARKER.length
      this.push(Buffer.concat([Buffer.of(rest[0]!, ...lengthBytes(replaced)), rest.subarray(body, body + variable), OVERSIZE_MARKER]))
      this.#skip = length.value - variable
      rest = rest.subarray(body + variable)
    }
    done()
  }
}

function remainingLength(packet: Buffer): { value: number; headerBytes: number } | 'more' | 'bad' {
  let value = 0
  for (let at = 1; at <= 4; at++) {
    const byte = packet[at]
    if (byte === undefined) return 'more'
    value += (byte & 0x7f) * 128 ** (at - 1)
    if (byte < 0x80) return { value, headerBytes: at + 1 }
  }
  return 'bad'
}

function lengthBytes(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return bytes
}
