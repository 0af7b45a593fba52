// SPDX-License-Identifier: Apache-2.0
/**
 * W3C Bitstring Status List v1.0 over the bits that CredentialRegistry keeps: builds a BitstringStatusListCredential (unsigned: its proof is the
 * chain), reads entries of one, and compares one with the chain. Word w of a list on chain holds bits 256 w to 256 w + 255, the first as its highest.
 */
import { bigintToBytes } from '../crypto/field.ts'
import { TrellisError } from '../protocol/errors.ts'

/** Bits of a list: the least that the standard allows, and what the chain has. */
export const STATUS_LIST_BITS = 131_072
const WORDS = STATUS_LIST_BITS / 256
/** Bytes that a list may unpack to; a small text can name gigabytes of zeros. */
const MAX_BYTES = 1 << 20

export type StatusPurpose = 'revocation' | 'suspension'

/** Even lists on chain revoke, odd ones suspend. */
export const purposeOf = (list: number): StatusPurpose => (list % 2 === 0 ? 'revocation' : 'suspension')

export interface StatusListCredential {
  '@context': string[]
  id: string
  type: string[]
  issuer: string
  validFrom: string
  credentialSubject: { id: string; type: string; statusPurpose: string; encodedList: string }
}

/** `credentialStatus` of a credential. */
export interface StatusListEntry {
  id: string
  type: 'BitstringStatusListEntry'
  statusPurpose: StatusPurpose
  statusListIndex: string
  statusListCredential: string
}

/** Place of a list: where its credential is published, who issues it, and its number on chain. */
export interface StatusListPlace {
  url: string
  issuer: string
  list: number
}

/** Bytes of a list from the words of `CredentialRegistry.statusWords(issuer, list, 0, 512)`. */
export function bitsOfWords(words: readonly bigint[]): Uint8Array<ArrayBuffer> {
  if (words.length !== WORDS) throw listError('STATUS_LIST_LENGTH_ERROR', 'The chain’s list has 512 words.', { words: words.length })
  const bytes = new Uint8Array(STATUS_LIST_BITS / 8)
  words.forEach((word, i) => {
    if (word !== 0n) bytes.set(bigintToBytes(word, 32), 32 * i)
  })
  return bytes
}

/** The list as a credential, valid from `at`. */
export async function statusListCredential(place: StatusListPlace, words: readonly bigint[], at: Date): Promise<StatusListCredential> {
  return {
    '@context': ['https://www.w3.org/ns/credentials/v2'],
    id: place.url,
    type: ['VerifiableCredential', 'BitstringStatusListCredential'],
    issuer: place.issuer,
    validFrom: at.toISOString(),
    credentialSubject: {
      id: `${place.url}#list`,
      type: 'BitstringStatusList',
      statusPurpose: purposeOf(place.list),
      encodedList: await encodeList(bitsOfWords(words)),
    },
  }
}

/** What a credential says of its place in a list. */
export const statusListEntry = ({ url, list }: StatusListPlace, index: number): StatusListEntry => ({
  id: `${url}#${index}`,
  type: 'BitstringStatusListEntry',
  statusPurpose: purposeOf(list),
  statusListIndex: String(index),
  statusListCredential: url,
})

/**
 * Whether the entry's bit is set: section 3.2 of the standard.
 * @throws TrellisError STATUS_VERIFICATION_ERROR, STATUS_LIST_LENGTH_ERROR, RANGE_ERROR, MALFORMED_VALUE_ERROR
 */
export async function readStatus(credential: StatusListCredential, entry: StatusListEntry): Promise<boolean> {
  const { credentialSubject: subject } = credential
  if (credential.id !== entry.statusListCredential || subject.statusPurpose !== entry.statusPurpose) {
    const details = { have: `${subject.statusPurpose} ${credential.id}`, want: `${entry.statusPurpose} ${entry.statusListCredential}` }
    throw listError('STATUS_VERIFICATION_ERROR', 'The entry belongs to another list.', details)
  }
  const bits = await decodeList(subject.encodedList)
  const index = /^(0|[1-9]\d{0,8})$/.test(entry.statusListIndex) ? Number(entry.statusListIndex) : NaN
  if (!(index < 8 * bits.length)) throw listError('RANGE_ERROR', 'The list has no such place.', { index: entry.statusListIndex })
  return ((bits[index >> 3]! >> (7 - (index & 7))) & 1) === 1
}

/** Whether the credential says exactly what the chain says. */
export async function agreesWithChain(credential: StatusListCredential, words: readonly bigint[]): Promise<boolean> {
  const [said, kept] = [await decodeList(credential.credentialSubject.encodedList), bitsOfWords(words)]
  return said.length === kept.length && said.every((byte, i) => byte === kept[i])
}

/** Multibase base64url of the GZIP of the bits. */
export async function encodeList(bits: Uint8Array<ArrayBuffer>): Promise<string> {
  const packed = await collect(new Blob([bits]).stream().pipeThrough(new CompressionStream('gzip')), MAX_BYTES)
  const text = Array.from(packed, (byte) => String.fromCharCode(byte)).join('')
  return `u${btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}`
}

/** @throws TrellisError MALFORMED_VALUE_ERROR, STATUS_LIST_LENGTH_ERROR */
export async function decodeList(encoded: string): Promise<Uint8Array> {
  if (!/^u[A-Za-z0-9_-]+$/.test(encoded)) throw listError('MALFORMED_VALUE_ERROR', 'The list is not multibase base64url.')
  let bits: Uint8Array
  try {
    const packed = Uint8Array.from(atob(encoded.slice(1).replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
    bits = await collect(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip')), MAX_BYTES)
  } catch (cause) {
    if (cause instanceof TrellisError) throw cause
    throw listError('MALFORMED_VALUE_ERROR', 'The list is no GZIP.', {}, cause)
  }
  if (8 * bits.length < STATUS_LIST_BITS)
    throw listError('STATUS_LIST_LENGTH_ERROR', 'The list is shorter than the standard allows.', { bits: 8 * bits.length })
  return bits
}

async function collect(stream: ReadableStream<Uint8Array>, most: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  // Leaving the loop cancels the stream: no more is unpacked than is kept.
  for await (const part of stream) {
    size += part.length
    if (size > most) throw listError('STATUS_LIST_LENGTH_ERROR', 'The list is larger than is taken here.', { bytes: most })
    parts.push(part)
  }
  const all = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

const listError = (code: string, message: string, details: Record<string, unknown> = {}, cause?: unknown): TrellisError =>
  new TrellisError({ code, message, details, cause })
