// SPDX-License-Identifier: Apache-2.0
/** Generators that the crypto tests share. */
import fc from 'fast-check'
import { SUBGROUP_ORDER } from '../../../agents/crypto/babyjubjub.ts'
import { FIELD } from '../../../agents/crypto/field.ts'

export const element = fc.oneof(fc.constantFrom(0n, 1n, FIELD - 1n), fc.bigInt({ min: 0n, max: FIELD - 1n }))
export const scalar = fc.oneof(fc.constantFrom(0n, 1n, 2n, SUBGROUP_ORDER - 1n), fc.bigInt({ min: 0n, max: SUBGROUP_ORDER - 1n }))
export const secret = fc.uint8Array({ minLength: 32, maxLength: 32 })
