// SPDX-License-Identifier: Apache-2.0
/**
 * Groth16 over bn254, verified where the reader is: a page or a script answers for itself what the chain's verifier answered.
 * Keys, proofs and answers are those of contracts/interfaces/verifiers/IGroth16Verifier.sol, also for points at infinity (EIP-196, EIP-197: 0, 0).
 * Source: Groth, "On the size of pairing-based non-interactive arguments" (2016). About 50 ms; nothing here is secret, so nothing is constant-time.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { CryptoError } from './errors.ts'
import { bytesToBigint, FIELD } from './field.ts'

const { G1, G2, fields, pairingBatch } = bn254
type G1Point = InstanceType<typeof G1.Point>
type G2Point = InstanceType<typeof G2.Point>

/** As in the contract: most public signals, and where the parts of a key begin. */
const MAX_SIGNALS = 64
const [BETA, GAMMA, DELTA, IC] = [64, 192, 320, 448]

/** On the curve with coordinates below the field's order, or undefined. G1 has prime order. */
function g1(x: bigint, y: bigint): G1Point | undefined {
  try {
    const point = G1.Point.fromAffine({ x, y })
    if (!point.is0()) point.assertValidity()
    return point
  } catch {
    return undefined
  }
}

/** On the twist and in its subgroup, or undefined. The imaginary limb comes first. */
function g2(xImaginary: bigint, x: bigint, yImaginary: bigint, y: bigint): G2Point | undefined {
  try {
    const point = G2.Point.fromAffine({ x: { c0: x, c1: xImaginary }, y: { c0: y, c1: yImaginary } })
    if (!point.is0()) point.assertValidity()
    return point
  } catch {
    return undefined
  }
}

/** The points of a key; throws CRYPTO_LENGTH or CRYPTO_POINT for what the contract would not register. */
function readKey(key: Uint8Array): { alpha: G1Point; beta: G2Point; gamma: G2Point; delta: G2Point; ic: G1Point[] } {
  if (!(key instanceof Uint8Array)) throw new CryptoError('CRYPTO_TYPE', 'key must be a Uint8Array')
  const points = (key.length - IC) / 64
  if (!Number.isInteger(points) || points < 2 || points > MAX_SIGNALS + 1)
    throw new CryptoError('CRYPTO_LENGTH', `key must have 448 + 64 (n + 1) bytes for 1 to ${MAX_SIGNALS} signals, got ${key.length}`)
  const word = (offset: number): bigint => bytesToBigint(key.subarray(offset, offset + 32))
  const good = <T extends G1Point | G2Point>(point: T | undefined, offset: number): T => {
    if (point === undefined || point.is0()) throw new CryptoError('CRYPTO_POINT', `the point at byte ${offset} of the key is none`)
    return point
  }
  const one = (offset: number): G1Point => good(g1(word(offset), word(offset + 32)), offset)
  const two = (offset: number): G2Point => good(g2(word(offset), word(offset + 32), word(offset + 64), word(offset + 96)), offset)
  const [gamma, delta] = [two(GAMMA), two(DELTA)]
  if (gamma.equals(delta)) throw new CryptoError('CRYPTO_POINT', 'delta equals gamma: the key has no contribution and anybody can forge')
  return { alpha: one(0), beta: two(BETA), gamma, delta, ic: Array.from({ length: points }, (_, index) => one(IC + 64 * index)) }
}

/**
 * Whether `proof` shows the statement `publicSignals` under `key`. False for what the contract calls false: another number of signals, a number
 * outside its field, a point off its curve or subgroup.
 *
 * @param key  alpha | beta | gamma | delta | IC[0..n] as registered: the code of `keyAccount(keyId)` without its first byte. The caller vouches for
 *   it; throws CRYPTO_LENGTH or CRYPTO_POINT for one that the contract would not have registered
 * @param proof  A.x, A.y, B.x imaginary, B.x real, B.y imaginary, B.y real, C.x, C.y
 */
export function verifyGroth16(key: Uint8Array, publicSignals: readonly bigint[], proof: readonly bigint[]): boolean {
  const { alpha, beta, gamma, delta, ic } = readKey(key)
  for (const value of [...publicSignals, ...proof])
    if (typeof value !== 'bigint') throw new CryptoError('CRYPTO_TYPE', `signals and proof are bigints, got ${typeof value}`)
  if (publicSignals.length !== ic.length - 1 || proof.length !== 8) return false
  // Without this, signal + r would be another name of the same statement.
  if (publicSignals.some((signal) => signal < 0n || signal >= FIELD)) return false
  const [ax, ay, bx1, bx0, by1, by0, cx, cy] = proof as unknown as [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint]
  const [a, b, c] = [g1(ax, ay), g2(bx1, bx0, by1, by0), g1(cx, cy)]
  if (a === undefined || b === undefined || c === undefined) return false
  const statement = publicSignals.reduce((sum, signal, index) => sum.add(ic[index + 1]!.multiplyUnsafe(signal)), ic[0]!)
  const pairs = [
    { g1: a.negate(), g2: b },
    { g1: alpha, g2: beta },
    { g1: statement, g2: gamma },
    { g1: c, g2: delta },
  ]
  // A pairing with infinity is one; the library refuses it, EIP-197 does not.
  const product = pairingBatch(pairs.filter((pair) => !pair.g1.is0() && !pair.g2.is0()))
  return fields.Fp12.eql(product, fields.Fp12.ONE)
}
