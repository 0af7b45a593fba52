// SPDX-License-Identifier: Apache-2.0
/**
 * Reads a DID document of a did:io device, in the strict form, in ioConnect's, or as other tools write it (DID Core 1.0): every key decoded and on its
 * curve, every reference resolved, every mistake told at once.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { p256 } from '@noble/curves/nist.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { base58, base64urlnopad } from '@scure/base'
import { hexToBytes } from 'viem'
import { inSubgroup, type Point } from '../crypto/babyjubjub.ts'
import { bytesToBigint } from '../crypto/field.ts'
import { canonicalJson, type Json } from '../protocol/canonical-json.ts'
import { parseDid } from '../protocol/did.ts'
import { isTrellisError, TrellisError } from '../protocol/errors.ts'
import type { DeviceId } from '../protocol/ids.ts'
import { createDidDocument, IOCONNECT_CONTEXT } from './did-document.ts'

export const RELATIONSHIPS = ['authentication', 'assertionMethod', 'keyAgreement', 'capabilityInvocation', 'capabilityDelegation'] as const
export type Relationship = (typeof RELATIONSHIPS)[number]

export type Curve = 'secp256k1' | 'P-256' | 'BabyJubjub' | 'Ed25519' | 'X25519'

/** A verification method with its key decoded. */
export interface DocumentKey {
  /** Absolute DID URL. */
  id: string
  type: string
  controller: string
  /** Null for a key of a kind that is not read here. */
  curve: Curve | null
  /** 04 | x | y on curves with two coordinates, 32 bytes on the others; null with `curve`. */
  publicKey: Uint8Array | null
  relationships: Relationship[]
}

export interface ReadDocument {
  form: 'strict' | 'ioConnect' | 'other'
  device: DeviceId
  keys: DocumentKey[]
  services: { id: string; type: string; serviceEndpoint: Json }[]
}

type Tree = { readonly [member: string]: Json }

/** Most methods, and most services, of one document. */
const MAX_ENTRIES = 64
/** Members of a JWK that hold a secret (RFC 7518). */
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/**
 * Reads a document.
 * @throws TrellisError DOCUMENT_INVALID, one detail per mistake; DOCUMENT_HAS_SECRET when a private key lies in it
 */
export function readDidDocument(document: Json): ReadDocument {
  const wrong: string[] = []
  const tree = isTree(document) ? document : {}
  if (!isTree(document)) wrong.push('a JSON object was expected')
  const did = typeof tree['id'] === 'string' ? tree['id'] : ''
  let device: DeviceId | undefined
  try {
    device = parseDid(did).device
  } catch (error) {
    if (!isTrellisError(error)) throw error
    wrong.push(`id: ${error.message}`)
  }

  const entries = (name: string): readonly Json[] => {
    const value = tree[name]
    if (value === undefined) return []
    if (isList(value) && value.length <= MAX_ENTRIES) return value
    wrong.push(`${name}: a list of at most ${MAX_ENTRIES} was expected`)
    return []
  }
  const absolute = (id: string): string => (id.startsWith('#') ? `${did}${id}` : id)
  const keys = new Map<string, DocumentKey>()
  const addMethod = (where: string, value: Json): DocumentKey | undefined => {
    if (!isTree(value)) return void wrong.push(`${where}: an object was expected`)
    const { id, type, controller } = value
    if (typeof id !== 'string' || typeof type !== 'string' || typeof controller !== 'string' || !absolute(id).startsWith('did:'))
      return void wrong.push(`${where}: id, type and controller were expected`)
    if (keys.has(absolute(id))) return void wrong.push(`${where}: ${id} is there twice`)
    let key: Pick<DocumentKey, 'curve' | 'publicKey'> = { curve: null, publicKey: null }
    try {
      key = decodeKey(value)
    } catch (error) {
      if (isTrellisError(error)) throw error
      wrong.push(`${where}: ${error instanceof Error ? error.message : String(error)}`)
    }
    const method: DocumentKey = { id: absolute(id), type, controller, ...key, relationships: [] }
    keys.set(method.id, method)
    return method
  }

  entries('verificationMethod').forEach((value, i) => addMethod(`verificationMethod[${i}]`, value))
  for (const relationship of RELATIONSHIPS) {
    entries(relationship).forEach((value, i) => {
      const where = `${relationship}[${i}]`
      const method = typeof value === 'string' ? keys.get(absolute(value)) : addMethod(where, value)
      method?.relationships.push(relationship)
      // A method of another subject's document is not ours to find.
      if (typeof value === 'string' && method === undefined && absolute(value).startsWith(`${did}#`))
        wrong.push(`${where}: there is no verification method ${value.slice(0, 200)}`)
    })
  }
  const services = entries('service').flatMap((value, i) => {
    const { id, type, serviceEndpoint } = isTree(value) ? value : {}
    if (typeof id === 'string' && typeof type === 'string' && serviceEndpoint !== undefined)
      return [{ id: absolute(id), type, serviceEndpoint }]
    wrong.push(`service[${i}]: id, type and serviceEndpoint were expected`)
    return []
  })

  if (wrong.length > 0 || device === undefined) {
    throw new TrellisError({
      code: 'DOCUMENT_INVALID',
      message: `The DID document has ${wrong.length} mistake${wrong.length === 1 ? '' : 's'}.`,
      details: Object.fromEntries(wrong.map((text, i) => [String(i + 1), text])),
      next: 'make it anew: trellis did new, or mend what is named',
    })
  }
  const read = { device, keys: [...keys.values()], services }
  return { form: isStrict(document, read) ? 'strict' : isIoConnect(tree, read.keys) ? 'ioConnect' : 'other', ...read }
}

/** What `createDidDocument` makes of the same keys and services, member by member. */
function isStrict(document: Json, { device, keys, services }: Omit<ReadDocument, 'form'>): boolean {
  const identityKey = keys.find(({ curve }) => curve === 'secp256k1')?.publicKey
  const dataKey = keys.find(({ curve }) => curve === 'BabyJubjub')?.publicKey
  if (!identityKey || !dataKey || services.some(({ serviceEndpoint }) => typeof serviceEndpoint !== 'string')) return false
  const point = { x: bytesToBigint(dataKey.subarray(1, 33)), y: bytesToBigint(dataKey.subarray(33)) }
  const short = services.map(({ id, type, serviceEndpoint }) => ({
    id: id.slice(id.indexOf('#') + 1),
    type,
    serviceEndpoint: serviceEndpoint as string,
  }))
  return createDidDocument({ device, identityKey, dataKey: point }, short).text === canonicalJson(document)
}

function isIoConnect(tree: Tree, keys: readonly DocumentKey[]): boolean {
  const jwks = isList(tree['verificationMethod']) ? tree['verificationMethod'] : []
  const named = jwks.every((method) => {
    const { id, type, publicKeyJwk } = method as Tree
    const kid = isTree(publicKeyJwk) ? publicKeyJwk['kid'] : undefined
    return type === 'JsonWebKey2020' && typeof id === 'string' && typeof kid === 'string' && id.endsWith(`#${kid}`)
  })
  return named && keys.length > 0 && canonicalJson(tree['@context'] ?? null) === canonicalJson(IOCONNECT_CONTEXT)
}

/** The key of a verification method, checked. @throws Error with what is wrong, for people; TrellisError DOCUMENT_HAS_SECRET */
function decodeKey(method: Tree): Pick<DocumentKey, 'curve' | 'publicKey'> {
  const { publicKeyJwk: jwk, publicKeyHex, publicKeyMultibase } = method
  if (isTree(jwk)) {
    if (SECRET_MEMBERS.some((member) => jwk[member] !== undefined)) throw hasSecret()
    return fromJwk(jwk)
  }
  if (['privateKeyJwk', 'privateKeyHex', 'privateKeyMultibase', 'privateKeyBase58'].some((member) => method[member] !== undefined))
    throw hasSecret()
  // ioctl's documents, compressed.
  if (typeof publicKeyHex === 'string') return onCurve('secp256k1', hexToBytes(`0x${publicKeyHex.replace(/^0x/, '')}`))
  if (typeof publicKeyMultibase === 'string' && publicKeyMultibase.startsWith('z'))
    return fromMulticodec(base58.decode(publicKeyMultibase.slice(1)))
  return { curve: null, publicKey: null }
}

function fromJwk({ kty, crv, x, y }: Tree): Pick<DocumentKey, 'curve' | 'publicKey'> {
  const part = (name: string, value: Json | undefined): Uint8Array => {
    const bytes = typeof value === 'string' ? base64urlnopad.decode(value) : undefined
    if (bytes?.length !== 32) throw new Error(`${name} is not 32 bytes in base64url`)
    return bytes
  }
  if (kty === 'OKP' && (crv === 'Ed25519' || crv === 'X25519')) return onCurve(crv, part('x', x))
  if (kty === 'EC' && (crv === 'secp256k1' || crv === 'P-256' || crv === 'BabyJubjub'))
    return onCurve(crv, Uint8Array.of(4, ...part('x', x), ...part('y', y)))
  return { curve: null, publicKey: null }
}

/** Prefixes of the multicodec table, as varints. */
const MULTICODECS: readonly (readonly [Curve, number, number])[] = [
  ['Ed25519', 0xed, 0x01],
  ['X25519', 0xec, 0x01],
  ['secp256k1', 0xe7, 0x01],
  ['P-256', 0x80, 0x24],
]

function fromMulticodec(bytes: Uint8Array): Pick<DocumentKey, 'curve' | 'publicKey'> {
  const found = MULTICODECS.find(([, first, second]) => bytes[0] === first && bytes[1] === second)
  return found === undefined ? { curve: null, publicKey: null } : onCurve(found[0], bytes.subarray(2))
}

function onCurve(curve: Curve, bytes: Uint8Array): { curve: Curve; publicKey: Uint8Array } {
  const plain = (publicKey: Uint8Array): { curve: Curve; publicKey: Uint8Array } => ({ curve, publicKey })
  try {
    switch (curve) {
      case 'secp256k1':
        return plain(secp256k1.Point.fromBytes(bytes).toBytes(false))
      case 'P-256':
        return plain(p256.Point.fromBytes(bytes).toBytes(false))
      case 'Ed25519':
        return plain(ed25519.Point.fromBytes(bytes).toBytes())
      case 'X25519':
        if (bytes.length === 32) return plain(bytes)
        break
      case 'BabyJubjub':
        if (isDataKey({ x: bytesToBigint(bytes.subarray(1, 33)), y: bytesToBigint(bytes.subarray(33)) })) return plain(bytes)
    }
  } catch {
    // Told below: noble's words name no member of the document.
  }
  throw new Error(`the key is no point of ${curve}`)
}

/** As the data key registry takes it: of prime order, and not the neutral element. */
const isDataKey = (point: Point): boolean => inSubgroup(point) && point.x !== 0n

function hasSecret(): TrellisError {
  return new TrellisError({
    code: 'DOCUMENT_HAS_SECRET',
    message: 'The DID document holds a private key.',
    next: 'never publish it; when it was published already, make new keys and rotate: trellis device rotate',
  })
}

function isTree(value: Json | undefined): value is Tree {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}
