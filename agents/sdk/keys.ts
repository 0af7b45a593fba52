// SPDX-License-Identifier: Apache-2.0
/** A device's two keys: secp256k1 for its identity, BabyJubjub for its data. */
import { eighth, type Point } from '../crypto/babyjubjub.ts'
import { publicKeyOf } from '../crypto/eddsa.ts'
import { addressOfPublicKey, es256kPublicKey } from '../crypto/es256k.ts'
import { type Address, type DeviceId, deviceId } from '../protocol/ids.ts'

/** 32 secret bytes each. Never logged, never sent; the node driver keeps them in a file of mode 0600. */
export interface DeviceKeys {
  readonly identity: Uint8Array
  readonly data: Uint8Array
}

/** What the world may know of a device's keys. */
export interface DevicePublicKeys {
  /** Identifier: the address of the device's first identity key, for ever. */
  readonly device: DeviceId
  /** Address of the identity key in use. The same as `device` until the key is rotated. */
  readonly signer: Address
  /** 65 bytes, 04 | x | y. */
  readonly identityKey: Uint8Array
  readonly dataKey: Point
  /** dataKey / 8: a point with which the registry checks that the key lies in the prime-order subgroup. */
  readonly eighth: Point
}

/** New keys. `random` fills bytes from a source fit for secrets (`crypto.getRandomValues`, `randomBytes`). */
export function createKeys(random: (length: number) => Uint8Array): DeviceKeys {
  for (;;) {
    const identity = random(32)
    try {
      es256kPublicKey(identity)
      return { identity, data: random(32) }
    } catch {
      // 0 or >= n, once in 2^128 draws.
    }
  }
}

/** @param device  identifier, where the identity key is not the device's first one */
export function publicKeysOf(keys: DeviceKeys, device?: DeviceId): DevicePublicKeys {
  const identityKey = es256kPublicKey(keys.identity)
  const signer = addressOfPublicKey(identityKey)
  const dataKey = publicKeyOf(keys.data)
  return { device: device ?? deviceId(signer), signer, identityKey, dataKey, eighth: eighth(dataKey) }
}
