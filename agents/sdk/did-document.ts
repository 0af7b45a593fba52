// SPDX-License-Identifier: Apache-2.0
/**
 * The DID document of a device and the hash that the registry stores: keccak256 of its canonical JSON (RFC 8785).
 *
 * Two verification methods of type `JsonWebKey`: the identity key (crv secp256k1, RFC 8812) and the data key. BabyJubjub has no registered curve
 * name; the document says `crv: "BabyJubjub"`, `alg: "EdDSA-Poseidon"`, coordinates as base64url of 32 bytes big-endian, as RFC 7518 does for EC.
 */
import { bigintToBytes } from '../crypto/field.ts'
import { canonicalHash, canonicalJson, type Json } from '../protocol/canonical-json.ts'
import { type Did, didOf, didUrl } from '../protocol/did.ts'
import type { Hex } from '../protocol/ids.ts'
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

/** Builds the document. Equal input gives an equal hash. */
export function createDidDocument(keys: DevicePublicKeys, services: readonly DocumentService[] = []): DidDocument {
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
    ...(services.length === 0
      ? {}
      : { service: services.map(({ id, type, serviceEndpoint }) => ({ id: didUrl(did, id), type, serviceEndpoint })) }),
  } satisfies Json
  return { did, document, text: canonicalJson(document), hash: canonicalHash(document) }
}

/** RFC 4648, section 5, without padding. */
function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
