// SPDX-License-Identifier: Apache-2.0
/**
 * ES256K as devices use it: ECDSA over secp256k1 of SHA-256(digest), digest = an EIP-712 hash; 64 bytes r | s, low s, no recovery bit (RFC 8812, and so
 * verifiable by any JOSE library and by node:crypto). SHA-256 on top keeps these signatures apart from Ethereum transactions and permits.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { assertBytes } from './errors.ts'

/** 65 bytes, 04 | x | y, of a 32-byte secret. Throws CRYPTO_LENGTH; noble's error for a secret of 0 or >= n. */
export function es256kPublicKey(secret: Uint8Array): Uint8Array {
  assertBytes('secret', secret, 32)
  return secp256k1.getPublicKey(secret, false)
}

/** Deterministic (RFC 6979) signature of a 32-byte digest, 64 bytes. */
export function es256kSign(secret: Uint8Array, digest: Uint8Array): Uint8Array {
  assertBytes('secret', secret, 32)
  assertBytes('digest', digest, 32)
  return secp256k1.sign(digest, secret, { prehash: true, lowS: true, format: 'compact' })
}

/** True when `signature` is valid and has a low s. A malformed signature or public key (33 or 65 bytes) is false; only a digest of another length throws. */
export function es256kVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean {
  assertBytes('digest', digest, 32)
  if (signature.length !== 64) return false
  try {
    return secp256k1.verify(signature, digest, publicKey, { prehash: true, lowS: true, format: 'compact' })
  } catch {
    return false
  }
}

/**
 * The public keys (65 bytes) under which `signature` verifies, at most two in practice: a chain knows a device by its address only, so a gateway
 * recovers once, compares addresses, and then keeps the key for the fast check. Empty for a malformed signature or a high s.
 */
export function es256kRecover(signature: Uint8Array, digest: Uint8Array): Uint8Array[] {
  assertBytes('digest', digest, 32)
  if (signature.length !== 64) return []
  const keys: Uint8Array[] = []
  try {
    const parsed = secp256k1.Signature.fromBytes(signature, 'compact')
    if (parsed.hasHighS()) return []
    for (const bit of [0, 1]) {
      const recovered = secp256k1.recoverPublicKey(Uint8Array.of(bit, ...signature), digest, { prehash: true })
      keys.push(secp256k1.Point.fromBytes(recovered).toBytes(false))
    }
  } catch {
    // r is not the x coordinate of a point, or r or s is out of range: no key fits.
  }
  return keys
}

/** Ethereum address of a public key, lower-case `0x…`: the last 20 bytes of keccak-256(x | y). Throws noble's error for a point off the curve. */
export function addressOfPublicKey(publicKey: Uint8Array): `0x${string}` {
  const uncompressed = secp256k1.Point.fromBytes(publicKey).toBytes(false)
  return `0x${bytesToHex(keccak_256(uncompressed.subarray(1)).subarray(12))}`
}
