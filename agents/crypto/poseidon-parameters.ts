// SPDX-License-Identifier: Apache-2.0
/**
 * Parameters of Poseidon over bn254's scalar field, generated as the paper's reference script does (ePrint 2019/458, appendix F: Grain LFSR in
 * self-shrinking mode) and brought into the form with one constant and one sparse matrix per partial round (appendix B). Nothing is stored in the
 * source: parameters of a width are made at its first use (some 50 ms for the widest).
 */
import { FIELD, invert, invertAll } from './field.ts'

/** Bits of a field element. */
const BITS = 254
/** Full rounds, half before and half after the partial ones. */
export const FULL_ROUNDS = 8
/** Partial rounds for 1..16 inputs: circomlib's table, 128-bit security rounded up to what fills the state. */
const PARTIAL_ROUNDS = [56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68] as const

export interface PoseidonParameters {
  /** State words: inputs + 1. */
  readonly width: number
  /** Constants of the full rounds, FULL_ROUNDS rows of `width`. */
  readonly fullConstants: readonly (readonly bigint[])[]
  /** The constant of word 0 per partial round; those of the other words are pushed on into the following full round. */
  readonly partialConstants: readonly bigint[]
  /** The MDS matrix; rows give outputs. */
  readonly mds: readonly (readonly bigint[])[]
  /** Linear layer before the first partial round: the MDS matrix and the change of basis that makes the partial ones sparse. */
  readonly entry: readonly (readonly bigint[])[]
  /** Per partial round, first row of the sparse matrix: new word 0 = sum row[j]·word[j]. */
  readonly sparseRows: readonly (readonly bigint[])[]
  /** Per partial round, first column of it: new word j = word[j] + column[j]·word[0], j >= 1; entry 0 is not used. */
  readonly sparseColumns: readonly (readonly bigint[])[]
  /** Per partial round, row·column of the earlier rounds of its block of BLOCK rounds: what their pending column updates add to word 0. */
  readonly pending: readonly (readonly bigint[])[]
}

/** Partial rounds whose column updates are applied together, so that words 1.. are reduced once a block. Measured best of 1, 4, 8, 16. */
export const BLOCK = 8

const known = new Map<number, PoseidonParameters>()

/** Parameters for `width` = 2..17 words. The caller has checked the width. */
export function poseidonParameters(width: number): PoseidonParameters {
  let parameters = known.get(width)
  if (parameters === undefined) {
    parameters = generate(width, PARTIAL_ROUNDS[width - 2]!)
    known.set(width, parameters)
  }
  return parameters
}

/** The 80-bit Grain LFSR that stands for "nothing up my sleeve"; yields bits by self-shrinking. */
class Grain {
  readonly #state = new Uint8Array(80)
  #at = 0

  constructor(width: number, partialRounds: number) {
    // Layout fixed by the reference: prime field (2 bits), S-box x^alpha (4), field bits (12), width (12), rounds (10 + 10), then 30 ones.
    const seed: readonly [bits: number, value: number][] = [
      [2, 1],
      [4, 0],
      [12, BITS],
      [12, width],
      [10, FULL_ROUNDS],
      [10, partialRounds],
      [30, 2 ** 30 - 1],
    ]
    let at = 0
    for (const [bits, value] of seed) for (let i = bits - 1; i >= 0; i--) this.#state[at++] = (value >>> i) & 1
    for (let i = 0; i < 160; i++) this.#clock()
  }

  #clock(): number {
    const state = this.#state
    const at = this.#at
    const bit =
      state[(at + 62) % 80]! ^
      state[(at + 51) % 80]! ^
      state[(at + 38) % 80]! ^
      state[(at + 23) % 80]! ^
      state[(at + 13) % 80]! ^
      state[at]!
    state[at] = bit
    this.#at = (at + 1) % 80
    return bit
  }

  /** An integer of BITS bits, most significant first: of each pair of clocked bits the second counts when the first is 1. */
  integer(): bigint {
    let digits = '0b'
    while (digits.length < BITS + 2) {
      const keep = this.#clock()
      const bit = this.#clock()
      if (keep === 1) digits += bit.toString()
    }
    return BigInt(digits)
  }

  /** A field element by rejection. */
  element(): bigint {
    for (;;) {
      const value = this.integer()
      if (value < FIELD) return value
    }
  }
}

function generate(width: number, partialRounds: number): PoseidonParameters {
  const grain = new Grain(width, partialRounds)
  const half = FULL_ROUNDS / 2
  const constants = Array.from({ length: FULL_ROUNDS + partialRounds }, () => Array.from({ length: width }, () => grain.element()))
  const mds = cauchy(grain, width)

  // A constant on words 1.. passes the partial S-box untouched, so it moves through the linear layer into the next round's constants.
  const partialConstants: bigint[] = []
  let carried = new Array<bigint>(width).fill(0n)
  for (let round = half; round < half + partialRounds; round++) {
    const total = constants[round]!.map((constant, j) => (constant + carried[j]!) % FIELD)
    partialConstants.push(total[0]!)
    total[0] = 0n
    carried = timesColumn(mds, total)
  }
  const fullConstants = [...constants.slice(0, half), ...constants.slice(half + partialRounds)]
  fullConstants[half] = fullConstants[half]!.map((constant, j) => (constant + carried[j]!) % FIELD)

  // M = [m, v; w, H]. With u = diag(1, B_i)·s and B_i = H^(rounds - i) every partial layer becomes [m, v·H^(i - rounds); H^(rounds - i - 1)·w, 1],
  // and only diag(1, H^rounds) is left over, at the entry. Rows come from the last round backwards by H^-1, columns likewise by H.
  const inner = mds.slice(1).map((row) => row.slice(1))
  const innerInverse = inverse(inner)
  const sparseRows: bigint[][] = []
  const sparseColumns: bigint[][] = []
  let row = mds[0]!.slice(1)
  let column = mds.slice(1).map((line) => line[0]!)
  let entryInner = identity(width - 1)
  for (let round = 0; round < partialRounds; round++) {
    row = rowTimes(row, innerInverse)
    sparseRows.unshift([mds[0]![0]!, ...row])
    sparseColumns.unshift([0n, ...column])
    column = timesColumn(inner, column)
  }
  let square = inner
  for (let exponent = partialRounds; exponent > 0; exponent >>= 1) {
    if (exponent & 1) entryInner = times(entryInner, square)
    square = times(square, square)
  }
  const entry = [mds[0]!, ...times(entryInner, mds.slice(1))]
  const pending = sparseRows.map((line, round) =>
    sparseColumns
      .slice(round - (round % BLOCK), round)
      .map((earlier) => line.reduce((sum, value, j) => sum + value * earlier[j]!, 0n) % FIELD),
  )
  return { width, fullConstants, partialConstants, mds, entry, sparseRows, sparseColumns, pending }
}

/** M[i][j] = 1/(x_i + y_j) with 2·width values of the generator, which here are reduced and not rejected (as the reference does). */
function cauchy(grain: Grain, width: number): bigint[][] {
  const values = Array.from({ length: 2 * width }, () => grain.integer() % FIELD)
  const sums = values.slice(0, width).flatMap((x) => values.slice(width).map((y) => (x + y) % FIELD))
  const inverses = invertAll(sums)
  return Array.from({ length: width }, (_, i) => inverses.slice(i * width, (i + 1) * width))
}

function identity(size: number): bigint[][] {
  return Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => (i === j ? 1n : 0n)))
}

function timesColumn(matrix: readonly (readonly bigint[])[], column: readonly bigint[]): bigint[] {
  return matrix.map((line) => line.reduce((sum, value, j) => sum + value * column[j]!, 0n) % FIELD)
}

function rowTimes(row: readonly bigint[], matrix: readonly (readonly bigint[])[]): bigint[] {
  return matrix[0]!.map((_, j) => row.reduce((sum, value, i) => sum + value * matrix[i]![j]!, 0n) % FIELD)
}

function times(left: readonly (readonly bigint[])[], right: readonly (readonly bigint[])[]): bigint[][] {
  return left.map((line) => rowTimes(line, right))
}

/** Gauss-Jordan. A square block of a Cauchy matrix is never singular, so a missing pivot is only ever a swap away. */
function inverse(matrix: readonly (readonly bigint[])[]): bigint[][] {
  const size = matrix.length
  const work = matrix.map((line, i) => [...line, ...identity(size)[i]!])
  for (let k = 0; k < size; k++) {
    const pivot = work.findIndex((line, i) => i >= k && line[k] !== 0n)
    ;[work[k], work[pivot]] = [work[pivot]!, work[k]!]
    const scale = invert(work[k]![k]!)
    const top = work[k]!.map((value) => (value * scale) % FIELD)
    work[k] = top
    for (let i = 0; i < size; i++) {
      const factor = work[i]![k]!
      if (i !== k && factor !== 0n) work[i] = work[i]!.map((value, j) => (value + (FIELD - factor) * top[j]!) % FIELD)
    }
  }
  return work.map((line) => line.slice(size))
}
