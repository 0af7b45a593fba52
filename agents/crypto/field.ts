// SPDX-License-Identifier: Apache-2.0
/** Arithmetic modulo the scalar field of bn254, and bytes <-> integers. Not constant-time: BigInt is not. */
import { CryptoError } from './errors.ts'

/** r, the order of bn254's groups; base field of BabyJubjub (EIP-2494). 254 bits. */
export const FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617n

/** Remainder in [0, modulus), also for negative values. */
export function mod(value: bigint, modulus: bigint = FIELD): bigint {
  const rest = value % modulus
  return rest < 0n ? rest + modulus : rest
}

/** base^exponent modulo `modulus`; exponent >= 0. */
export function power(base: bigint, exponent: bigint, modulus: bigint = FIELD): bigint {
  let result = 1n
  let square = mod(base, modulus)
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus
    square = (square * square) % modulus
  }
  return result
}

/** Multiplicative inverse by the extended Euclidean algorithm. Throws CRYPTO_RANGE for 0. `modulus` must be prime. */
export function invert(value: bigint, modulus: bigint = FIELD): bigint {
  let [low, high] = [mod(value, modulus), modulus]
  let [x, y] = [1n, 0n]
  if (low === 0n) throw new CryptoError('CRYPTO_RANGE', 'zero has no inverse')
  while (low !== 0n) {
    const quotient = high / low
    ;[low, high] = [high - quotient * low, low]
    ;[x, y] = [y - quotient * x, x]
  }
  return mod(y, modulus)
}

/** Inverses of all values with one inversion (Montgomery's trick). Throws CRYPTO_RANGE when one of them is 0. */
export function invertAll(values: readonly bigint[], modulus: bigint = FIELD): bigint[] {
  const prefix: bigint[] = []
  let product = 1n
  for (const value of values) {
    prefix.push(product)
    product = (product * mod(value, modulus)) % modulus
  }
  let inverse = invert(product, modulus)
  const result = new Array<bigint>(values.length)
  for (let i = values.length - 1; i >= 0; i--) {
    result[i] = (inverse * prefix[i]!) % modulus
    inverse = (inverse * mod(values[i]!, modulus)) % modulus
  }
  return result
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** Unsigned big-endian integer of any number of bytes. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  let hex = '0x0'
  for (const byte of bytes) hex += HEX[byte]!
  return BigInt(hex)
}

/** Unsigned little-endian integer of any number of bytes. */
export function bytesToBigintLE(bytes: Uint8Array): bigint {
  return bytesToBigint(Uint8Array.from(bytes).reverse())
}

/** `length` bytes, big-endian. Throws CRYPTO_RANGE when the value is negative or does not fit. */
export function bigintToBytes(value: bigint, length: number): Uint8Array {
  if (value < 0n || value >> BigInt(8 * length)) throw new CryptoError('CRYPTO_RANGE', `${value} does not fit ${length} bytes`)
  const hex = value.toString(16).padStart(2 * length, '0')
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** `length` bytes, little-endian. Throws CRYPTO_RANGE when the value is negative or does not fit. */
export function bigintToBytesLE(value: bigint, length: number): Uint8Array {
  return bigintToBytes(value, length).reverse()
}
