// SPDX-License-Identifier: Apache-2.0
/** The one error that this room throws: a caller broke a precondition. Untrusted signatures never throw, they verify to false. */

export type CryptoErrorCode = 'CRYPTO_TYPE' | 'CRYPTO_RANGE' | 'CRYPTO_LENGTH' | 'CRYPTO_POINT'

export class CryptoError extends Error {
  readonly code: CryptoErrorCode
  readonly retryable = false

  constructor(code: CryptoErrorCode, message: string) {
    super(message)
    this.name = 'CryptoError'
    this.code = code
  }
}

/** Throws CRYPTO_TYPE unless `value` is a bigint, CRYPTO_RANGE unless 0 <= value < bound. */
export function assertBelow(name: string, value: bigint, bound: bigint): void {
  if (typeof value !== 'bigint') throw new CryptoError('CRYPTO_TYPE', `${name} must be a bigint, got ${typeof value}`)
  if (value < 0n || value >= bound) throw new CryptoError('CRYPTO_RANGE', `${name} must lie in [0, ${bound}), got ${value}`)
}

/** Throws CRYPTO_TYPE unless `value` is a Uint8Array, CRYPTO_LENGTH unless it has exactly `length` bytes. */
export function assertBytes(name: string, value: Uint8Array, length: number): void {
  if (!(value instanceof Uint8Array)) throw new CryptoError('CRYPTO_TYPE', `${name} must be a Uint8Array`)
  if (value.length !== length) throw new CryptoError('CRYPTO_LENGTH', `${name} must have ${length} bytes, got ${value.length}`)
}
