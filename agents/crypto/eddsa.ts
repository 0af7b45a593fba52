// SPDX-License-Identifier: Apache-2.0
/**
 * EdDSA over BabyJubjub with Poseidon, byte for byte circomlibjs' `signPoseidon` / `verifyPoseidon`: a secret is 32 random bytes, BLAKE-512 of it
 * gives a pruned scalar and a nonce prefix, nonces are deterministic, h = Poseidon5(R8, A, M) and S·B8 = R8 + h·8A with S < l.
 */
import { blake512 } from '@noble/hashes/blake1.js'
import { checkEquation, isLowOrder, isOnCurve, mulBase8, type Point, SUBGROUP_ORDER } from './babyjubjub.ts'
import { assertBelow, assertBytes, CryptoError } from './errors.ts'
import { bigintToBytes, bigintToBytesLE, bytesToBigint, bytesToBigintLE, FIELD } from './field.ts'
import { poseidon } from './poseidon.ts'

export interface Signature {
  readonly R8: Point
  /** In [0, l): a larger S would be a second signature of the same message. */
  readonly S: bigint
}

/** What a secret expands to. Whoever has `scalar` can sign; nothing here may be logged. */
export interface ExpandedSecret {
  /** Pruned scalar, a multiple of 8 in [2^254, 2^255). The key is (scalar / 8)·BASE8. */
  readonly scalar: bigint
  /** 32 bytes that make nonces unpredictable. */
  readonly prefix: Uint8Array
  readonly publicKey: Point
}

/** Expands 32 secret bytes as circomlibjs does. Throws CRYPTO_LENGTH, CRYPTO_TYPE. */
export function expandSecret(secret: Uint8Array): ExpandedSecret {
  assertBytes('secret', secret, 32)
  const hash = blake512(secret)
  hash[0]! &= 0xf8
  hash[31] = (hash[31]! & 0x7f) | 0x40
  const scalar = bytesToBigintLE(hash.subarray(0, 32))
  return { scalar, prefix: hash.slice(32), publicKey: mulBase8((scalar >> 3n) % SUBGROUP_ORDER) }
}

/** The key of a secret, always of the prime-order subgroup. */
export function publicKeyOf(secret: Uint8Array): Point {
  return expandSecret(secret).publicKey
}

/** Signs a field element. Throws CRYPTO_RANGE when `message` is not in [0, FIELD). */
export function signPoseidon(secret: Uint8Array, message: bigint): Signature {
  assertBelow('message', message, FIELD)
  const { scalar, prefix, publicKey } = expandSecret(secret)
  const preimage = new Uint8Array(64)
  preimage.set(prefix)
  preimage.set(bigintToBytesLE(message, 32), 32)
  const nonce = bytesToBigintLE(blake512(preimage)) % SUBGROUP_ORDER
  const R8 = mulBase8(nonce)
  const challenge = poseidon([R8.x, R8.y, publicKey.x, publicKey.y, message])
  return { R8, S: (nonce + challenge * scalar) % SUBGROUP_ORDER }
}

/**
 * True when `signature` is valid for `message` under `publicKey`. Bad signatures and keys (S >= l, coordinates not canonical or off the curve, a
 * key of low order) are false, not errors. A key outside the subgroup verifies as in circomlibjs; who admits keys asks `inSubgroup` once.
 * Throws CRYPTO_RANGE when `message` is not in [0, FIELD).
 */
export function verifyPoseidon(message: bigint, signature: Signature, publicKey: Point): boolean {
  assertBelow('message', message, FIELD)
  const { R8, S } = signature
  if (S < 0n || S >= SUBGROUP_ORDER || !isOnCurve(R8) || !isOnCurve(publicKey) || isLowOrder(publicKey)) return false
  const challenge = poseidon([R8.x, R8.y, publicKey.x, publicKey.y, message])
  // 8A lies in the subgroup, so the challenge may be reduced before it multiplies.
  return checkEquation(S, R8, challenge % SUBGROUP_ORDER, publicKey, true)
}

export const SIGNATURE_BYTES = 96

/** R8.x | R8.y | S, 32 bytes big-endian each. Throws CRYPTO_RANGE, CRYPTO_POINT for what no signer makes. */
export function packSignature({ R8, S }: Signature): Uint8Array {
  assertSignature(R8, S)
  const bytes = new Uint8Array(SIGNATURE_BYTES)
  bytes.set(bigintToBytes(R8.x, 32))
  bytes.set(bigintToBytes(R8.y, 32), 32)
  bytes.set(bigintToBytes(S, 32), 64)
  return bytes
}

/** Inverse of `packSignature`; one encoding per signature. Throws CRYPTO_LENGTH, CRYPTO_RANGE, CRYPTO_POINT. */
export function unpackSignature(bytes: Uint8Array): Signature {
  assertBytes('signature', bytes, SIGNATURE_BYTES)
  const R8 = { x: bytesToBigint(bytes.subarray(0, 32)), y: bytesToBigint(bytes.subarray(32, 64)) }
  const S = bytesToBigint(bytes.subarray(64))
  assertSignature(R8, S)
  return { R8, S }
}

function assertSignature(R8: Point, S: bigint): void {
  assertBelow('R8.x', R8.x, FIELD)
  assertBelow('R8.y', R8.y, FIELD)
  assertBelow('S', S, SUBGROUP_ORDER)
  if (!isOnCurve(R8)) throw new CryptoError('CRYPTO_POINT', 'R8 is not on BabyJubjub')
}
