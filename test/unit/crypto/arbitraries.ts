// SPDX-License-Identifier: Apache-2.0
/** Generators and the fixed seed that the crypto tests share. */
import fc from 'fast-check'
import { SUBGROUP_ORDER } from '../../../agents/crypto/babyjubjub.ts'
import { FIELD } from '../../../agents/crypto/field.ts'

/** TRELLIS_TEST_SEED changes the seed, TRELLIS_TEST_DEPTH multiplies the runs; fast-check prints both when a property fails. */
export function settings(runs: number): { seed: number; numRuns: number } {
  return { seed: Number(process.env['TRELLIS_TEST_SEED'] ?? 20260101), numRuns: runs * Number(process.env['TRELLIS_TEST_DEPTH'] ?? 1) }
}

export const element = fc.oneof(fc.constantFrom(0n, 1n, FIELD - 1n), fc.bigInt({ min: 0n, max: FIELD - 1n }))
export const scalar = fc.oneof(fc.constantFrom(0n, 1n, 2n, SUBGROUP_ORDER - 1n), fc.bigInt({ min: 0n, max: SUBGROUP_ORDER - 1n }))
export const secret = fc.uint8Array({ minLength: 32, maxLength: 32 })
