// SPDX-License-Identifier: Apache-2.0
/** Poseidon over bn254's scalar field, equal to circomlib's `Poseidon(n)` for 1..16 inputs (ePrint 2019/458; x^5, 8 full rounds, capacity word first, 0). */
import { assertBelow, CryptoError } from './errors.ts'
import { FIELD } from './field.ts'
import { BLOCK, FULL_ROUNDS, poseidonParameters } from './poseidon-parameters.ts'

/**
 * Hashes 1..16 field elements to one.
 * @throws CryptoError CRYPTO_LENGTH for another number of inputs, CRYPTO_RANGE for an input that is not in [0, FIELD): nothing is reduced silently.
 */
export function poseidon(inputs: readonly bigint[]): bigint {
  const count = inputs.length
  if (!(count >= 1 && count <= 16)) throw new CryptoError('CRYPTO_LENGTH', `poseidon takes 1 to 16 inputs, got ${count}`)
  for (let i = 0; i < count; i++) assertBelow(`poseidon input ${i}`, inputs[i]!, FIELD)

  const { width, fullConstants, partialConstants, mds, entry, sparseRows, sparseColumns, pending } = poseidonParameters(count + 1)
  const half = FULL_ROUNDS / 2
  let state = [0n, ...inputs]
  for (let round = 0; round < half; round++) {
    fullSbox(state, fullConstants[round]!)
    state = mix(state, round === half - 1 ? entry : mds)
  }
  // BigInt's remainder costs three of its products, so words 1.. keep their value through a block of rounds and take all its updates at once.
  for (let start = 0; start < partialConstants.length; start += BLOCK) {
    const end = Math.min(start + BLOCK, partialConstants.length)
    const firsts: bigint[] = []
    for (let round = start; round < end; round++) {
      const row = sparseRows[round]!
      const owed = pending[round]!
      const first = fifth(state[0]! + partialConstants[round]!)
      let sum = row[0]! * first
      for (let j = 1; j < width; j++) sum += row[j]! * state[j]!
      for (let k = 0; k < owed.length; k++) sum += owed[k]! * firsts[k]!
      state[0] = sum % FIELD
      firsts.push(first)
    }
    for (let j = 1; j < width; j++) {
      let word = state[j]!
      for (let k = 0; k < firsts.length; k++) word += sparseColumns[start + k]![j]! * firsts[k]!
      state[j] = word % FIELD
    }
  }
  for (let round = half; round < FULL_ROUNDS; round++) {
    fullSbox(state, fullConstants[round]!)
    // Only word 0 of the last layer is the digest.
    state = mix(state, round === FULL_ROUNDS - 1 ? mds.slice(0, 1) : mds)
  }
  return state[0]!
}

function fifth(value: bigint): bigint {
  const square = (value * value) % FIELD
  return (((square * square) % FIELD) * value) % FIELD
}

function fullSbox(state: bigint[], constants: readonly bigint[]): void {
  for (let j = 0; j < state.length; j++) state[j] = fifth(state[j]! + constants[j]!)
}

function mix(state: readonly bigint[], matrix: readonly (readonly bigint[])[]): bigint[] {
  return matrix.map((row) => {
    let sum = 0n
    for (let j = 0; j < state.length; j++) sum += row[j]! * state[j]!
    return sum % FIELD
  })
}
