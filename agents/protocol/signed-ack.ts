// SPDX-License-Identifier: Apache-2.0
/**
 * Acknowledgements that travel over a broker of somebody else's, signed by the gateway (Ed25519, RFC 8032): a stranger on the broker must not make a
 * device forget readings. The signature covers deployment and topic too, so that an answer counts for one device of one project of one deployment.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { type Ack, parseAck } from './ack.ts'
import type { EnvelopeDomain } from './envelope.ts'

/** A key as gateways tell it: 32 bytes, 64 lower-case hexadecimal digits. */
export type AckKey = string

/** Where an acknowledgement belongs. */
export interface AckPlace extends EnvelopeDomain {
  topic: string
}

const bytes = new TextEncoder()
const keyPattern = /^[0-9a-f]{64}$/
const signaturePattern = /^[0-9a-f]{128}$/

/** What is signed. */
export function signedAckBytes({ chainId, ioIDRegistry, topic }: AckPlace, ack: string): Uint8Array {
  return bytes.encode(`trellis ack v1\n${chainId}/${ioIDRegistry.toLowerCase()}\n${topic}\n${ack}`)
}

/** The message on the wire: the acknowledgement as text, byte for byte as it was signed. */
export function encodeSignedAck(ack: string, key: AckKey, signature: Uint8Array): string {
  return JSON.stringify({ ack, key, signature: hex(signature) })
}

/** The acknowledgement, when one of `keys` signed it for this place; `stranger` when none did, undefined when it is no signed acknowledgement. */
export function openSignedAck(payload: string | Uint8Array, keys: readonly AckKey[], place: AckPlace): Ack | 'stranger' | undefined {
  let ack: unknown
  let key: unknown
  let signature: unknown
  try {
    const text = typeof payload === 'string' ? payload : new TextDecoder().decode(payload)
    ;({ ack, key, signature } = JSON.parse(text) as Record<string, unknown>)
  } catch {
    return undefined
  }
  if (typeof ack !== 'string' || typeof key !== 'string' || typeof signature !== 'string') return undefined
  if (!keyPattern.test(key) || !signaturePattern.test(signature)) return undefined
  if (!keys.includes(key)) return 'stranger'
  const good = ed25519.verify(unhex(signature), signedAckBytes(place, ack), unhex(key))
  return good ? parseAck(ack) : 'stranger'
}

/** The well-formed ones of what a gateway told as its keys. */
export function readAckKeys(json: unknown): AckKey[] {
  return Array.isArray(json) ? json.filter((key): key is AckKey => typeof key === 'string' && keyPattern.test(key)).slice(0, 16) : []
}

function hex(of: Uint8Array): string {
  return Array.from(of, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function unhex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}
