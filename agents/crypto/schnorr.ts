// SPDX-License-Identifier: Apache-2.0
/**
 * Possession of a BabyJubjub data key, as DataKeyRegistry checks it (there times 8): s·BASE8 = R + c·A, s < l, A of the prime-order subgroup,
 * c = keccak256(abi.encode(keccak256("trellis.datakey.possession"), chainid, registry, project, device, token id, A, from window, deadline, R)) mod l.
 * The same secret signs windows by EdDSA (eddsa.ts): nonces are derived under a tag of their own, so that the two never share one.
 */
import { blake512 } from '@noble/hashes/blake1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import { checkEquation, COFACTOR, inSubgroup, isLowOrder, isOnCurve, mulBase8, type Point, SUBGROUP_ORDER } from './babyjubjub.ts'
import { CryptoError } from './errors.ts'
import { expandSecret } from './eddsa.ts'
import { bigintToBytes, bytesToBigint, bytesToBigintLE } from './field.ts'

/** What the data key consents to. Addresses are `0x` and 40 hexadecimal digits of any case. */
export interface KeyBinding {
  readonly chainId: bigint
  /** DataKeyRegistry. */
  readonly registry: string
  readonly project: bigint
  /** Identifier of the device. */
  readonly device: string
  /** ioID token id. */
  readonly tokenId: bigint
  /** First window index that the key signs. */
  readonly fromWindow: number
  /** Unix seconds. */
  readonly deadline: bigint
}

export interface SchnorrSignature {
  readonly r: Point
  /** In [0, l). */
  readonly s: bigint
}

const PURPOSE = bytesToBigint(keccak_256(utf8ToBytes('trellis.datakey.possession')))
const NONCE_TAG = utf8ToBytes('trellis.datakey.possession.nonce')

/** The contract's `possessionHash`, 32 bytes, before reduction modulo l. Throws CRYPTO_RANGE, CRYPTO_TYPE for parts that no ABI encodes. */
export function possessionHash(binding: KeyBinding, key: Point, r: Point): Uint8Array {
  const { chainId, registry, project, device, tokenId, fromWindow, deadline } = binding
  const words = [
    PURPOSE,
    chainId,
    address(registry),
    project,
    address(device),
    tokenId,
    key.x,
    key.y,
    BigInt(fromWindow),
    deadline,
    r.x,
    r.y,
  ]
  const preimage = new Uint8Array(32 * words.length)
  words.forEach((word, i) => preimage.set(bigintToBytes(word, 32), 32 * i))
  return keccak_256(preimage)
}

/** Signs a binding with the data key of `secret` (32 bytes); deterministic. */
export function signPossession(secret: Uint8Array, binding: KeyBinding): SchnorrSignature {
  const { scalar, prefix, publicKey } = expandSecret(secret)
  const unbound = possessionHash(binding, publicKey, { x: 0n, y: 0n })
  const nonce = bytesToBigintLE(blake512(Uint8Array.from([...NONCE_TAG, ...prefix, ...unbound]))) % SUBGROUP_ORDER
  const r = mulBase8(nonce)
  // The key is (scalar / 8)·BASE8.
  const s = (nonce + challengeOf(binding, publicKey, r) * (scalar / COFACTOR)) % SUBGROUP_ORDER
  return { r, s }
}

/** True when the holder of `key` consented to `binding`. A point off the curve or outside the subgroup, the neutral key, or s >= l is false. */
export function verifyPossession(binding: KeyBinding, key: Point, { r, s }: SchnorrSignature): boolean {
  if (s < 0n || s >= SUBGROUP_ORDER || !isOnCurve(r) || !inSubgroup(key) || isLowOrder(key)) return false
  return checkEquation(s, r, challengeOf(binding, key, r), key, false)
}

function challengeOf(binding: KeyBinding, key: Point, r: Point): bigint {
  return bytesToBigint(possessionHash(binding, key, r)) % SUBGROUP_ORDER
}

function address(value: string): bigint {
  if (!/^0x[0-9a-fA-F]{40}$/.test(value)) throw new CryptoError('CRYPTO_TYPE', `${value} is not an address`)
  return BigInt(value)
}
