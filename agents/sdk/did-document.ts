// SPDX-License-Identifier: Apache-2.0
/**
 * The DID document of a device and the hash that the registry stores: keccak256 of its canonical JSON (RFC 8785). `read-document.ts` reads both forms.
 *
 * Strict form: two verification methods of type `JsonWebKey`: the identity key (crv secp256k1, RFC 8812) and the data key. BabyJubjub has no registered curve
 * name; the document says `crv: "BabyJubjub"`, `alg: "EdDSA-Poseidon"`, coordinates as base64url of 32 bytes big-endian, as RFC 7518 does for EC.
 *
 * ioConnect's form: methods of type `JsonWebKey2020`, whose fragment is the JWK's `kid`; one to authenticate, one to agree on keys. A key's DID is the
 * last 20 bytes of keccak256(x | y) on P-256 as on secp256k1, so the method to agree on keys has a DID of its own as its id, under the device's control.
 */
import { bigintToBytes } from '../crypto/field.ts'
import { canonicalHash, canonicalJson, type Json } from '../protocol/canonical-json.ts'
import { keccak256 } from 'viem'
import { type Did, didOf, didUrl } from '../protocol/did.ts'
import { type DeviceId, deviceId, type Hex } from '../protocol/ids.ts'
import type { DevicePublicKeys } from './keys.ts'

export interface DidDocument {
  did: Did
  document: Json
  /** Canonical JSON text of `document`. */
  text: string
  hash: Hex
}

/** Where the device's messages are taken, for the document's service entry. */
export interface DocumentService {
  id: string
  type: string
  serviceEndpoint: string
}

/** Builds the strict form. Equal input gives an equal hash. */
export function createDidDocument(
  keys: Pick<DevicePublicKeys, 'device' | 'identityKey' | 'dataKey'>,
  services: readonly DocumentService[] = [],
): DidDocument {
  const did = didOf(keys.device)
  const identity = didUrl(did, 'identity')
  const data = didUrl(did, 'data')
  const document = {
    '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/jwk/v1'],
    id: did,
    verificationMethod: [
      {
        id: identity,
        type: 'JsonWebKey',
        controller: did,
        publicKeyJwk: {
          kty: 'EC',
          crv: 'secp256k1',
          x: base64url(keys.identityKey.subarray(1, 33)),
          y: base64url(keys.identityKey.subarray(33)),
        },
      },
      {
        id: data,
        type: 'JsonWebKey',
        controller: did,
        publicKeyJwk: {
          ...{ kty: 'EC', crv: 'BabyJubjub', alg: 'EdDSA-Poseidon', use: 'sig' },
          ...{ x: base64url(bigintToBytes(keys.dataKey.x, 32)), y: base64url(bigintToBytes(keys.dataKey.y, 32)) },
        },
      },
    ],
    authentication: [identity],
    assertionMethod: [identity, data],
    ...serviceMember(did, services),
  } satisfies Json
  return { did, document, text: canonicalJson(document), hash: canonicalHash(document) }
}

export const IOCONNECT_CONTEXT = ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security#keyAgreementMethod'] as const

/** A key as ioConnect names it. */
export interface IoConnectKey {
  curve: 'P-256' | 'secp256k1'
  /** 65 bytes, 04 | x | y. */
  publicKey: Uint8Array
  /** Such as `Key-p256-2147483618`. */
  kid: string
}

/**
 * Builds ioConnect's form.
 * @param device  identifier, where the signing key is not the device's first one
 */
export function createIoConnectDocument(
  { signing, agreement, device = keyDevice(signing.publicKey) }: { signing: IoConnectKey; agreement: IoConnectKey; device?: DeviceId },
  services: readonly DocumentService[] = [],
): DidDocument {
  const did = didOf(device)
  const authentication = didUrl(did, signing.kid)
  const keyAgreement = didUrl(didOf(keyDevice(agreement.publicKey)), agreement.kid)
  const method = (id: string, { curve, publicKey, kid }: IoConnectKey) => ({
    id,
    type: 'JsonWebKey2020',
    controller: did,
    publicKeyJwk: { crv: curve, x: base64url(publicKey.subarray(1, 33)), y: base64url(publicKey.subarray(33)), kty: 'EC', kid },
  })
  const document = {
    '@context': IOCONNECT_CONTEXT,
    id: did,
    authentication: [authentication],
    keyAgreement: [keyAgreement],
    verificationMethod: [method(authentication, signing), method(keyAgreement, agreement)],
    ...serviceMember(did, services),
  } satisfies Json
  return { did, document, text: canonicalJson(document), hash: canonicalHash(document) }
}

/** The address that a key of either curve gives a device: the last 20 bytes of keccak256(x | y). */
export function keyDevice(publicKey: Uint8Array): DeviceId {
  return deviceId(`0x${keccak256(publicKey.subarray(1)).slice(-40)}`)
}

function serviceMember(did: Did, services: readonly DocumentService[]): { service?: readonly { [member: string]: Json }[] } {
  if (services.length === 0) return {}
  return { service: services.map(({ id, type, serviceEndpoint }) => ({ id: didUrl(did, id), type, serviceEndpoint })) }
}

/** RFC 4648, section 5, without padding. */
function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
