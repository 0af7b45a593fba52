// SPDX-License-Identifier: Apache-2.0
/**
 * Device signatures, verified fast. The chain knows a device by an address only, so its public key is recovered from its first message (noble, 3 ms),
 * compared with the address, and kept as a key of node:crypto, whose verification takes a tenth of that and runs on other threads.
 */
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { addressOfPublicKey, es256kRecover } from '../crypto/es256k.ts'
import type { Address } from '../protocol/ids.ts'
import { BoundedCache } from './bounded-cache.ts'

/** `retired`: by a key that the registry rotated away. `busy`: no answer now, too many unknown keys at once. */
export type SignatureVerdict = 'good' | 'bad' | 'retired' | 'busy'

export interface SignatureVerifier {
  /** @param signer  address of the device's current key, lower case */
  verify(signer: Address, digest: Uint8Array, signature: Uint8Array): Promise<SignatureVerdict>
}

export interface SignatureOptions {
  isRetired: (key: Address) => Promise<boolean>
  /** Recoveries per second. They are what a stranger can make the gateway pay for: 100 take a third of a core. */
  recoveriesPerSecond?: number
  now?: () => number
}

const KEYS = 100_000
/** n / 2 of secp256k1: a signature with a larger s is the mirror of another one and refused. */
const HALF_ORDER = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex')

export function createSignatureVerifier({ isRetired, recoveriesPerSecond = 100, now = Date.now }: SignatureOptions): SignatureVerifier {
  const keys = new BoundedCache<Address, KeyObject>(KEYS)
  let tokens = recoveriesPerSecond
  let filledAt = now()

  const mayRecover = (): boolean => {
    const at = now()
    tokens = Math.min(recoveriesPerSecond, tokens + ((at - filledAt) * recoveriesPerSecond) / 1000)
    filledAt = at
    if (tokens < 1) return false
    tokens -= 1
    return true
  }

  return {
    async verify(signer, digest, signature) {
      if (HALF_ORDER.compare(signature, 32, 64) < 0) return 'bad'
      const known = keys.get(signer)
      if (known !== undefined && (await verifyWith(known, digest, signature))) return 'good'
      // With a known key the signature is bad already; recovery only tells a retired key from a forgery.
      if (!mayRecover()) return known === undefined ? 'busy' : 'bad'
      const candidates = es256kRecover(signature, digest)
      const addresses = candidates.map(addressOfPublicKey)
      const own = candidates[addresses.indexOf(signer)]
      if (own !== undefined) {
        // Set before anything is waited for: the next messages of a device that sends many at once find its key.
        keys.set(signer, keyObjectOf(own))
        return 'good'
      }
      for (const address of addresses) if (await isRetired(address)) return 'retired'
      return 'bad'
    },
  }
}

/** A key of node:crypto from 65 bytes, 04 | x | y. */
export function keyObjectOf(publicKey: Uint8Array): KeyObject {
  const part = (from: number): string => Buffer.from(publicKey.subarray(from, from + 32)).toString('base64url')
  return createPublicKey({ key: { kty: 'EC', crv: 'secp256k1', x: part(1), y: part(33) }, format: 'jwk' })
}

function verifyWith(key: KeyObject, digest: Uint8Array, signature: Uint8Array): Promise<boolean> {
  return new Promise((resolve, reject) => {
    verify('sha256', digest, { key, dsaEncoding: 'ieee-p1363' }, signature, (error, good) => {
      if (error === null) resolve(good)
      else reject(error)
    })
  })
}
