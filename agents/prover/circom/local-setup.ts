// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * INSECURE Groth16 proving keys for local networks. The secrets of the set-up are derived from one published seed, so every machine makes the same
 * bytes in seconds, and anybody can forge proofs under them. Output is snarkjs' zkey format (groth16, bn128) with no contributions, which is one of
 * the reasons why deploy refuses it elsewhere (key-check.ts).
 */
import { sha512 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import * as snarkjs from 'snarkjs'
import { bytesToBigint, FIELD, invert, invertAll, power } from '../../crypto/field.ts'
import { writeElement, writeSections } from './binfile.ts'
import { type Combination, type ConstraintSystem } from './r1cs.ts'

/** The published seed of every local key. */
export const LOCAL_SEED = 'trellis: insecure local set-up, anybody can forge proofs under this key'

/** Base field of bn254's G1. */
const BASE_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583n
/** R² with Montgomery's R = 2^256: snarkjs stores coefficients so that one Montgomery product with a plain witness value yields Montgomery form. */
const R2 = (1n << 512n) % FIELD
/** Bits of a digit of the fixed-base tables: 32 rows of 255 points. */
const ROWS = 32
const ROW = 255
const CHUNK = 2048

/** Field element for a purpose: 512 bits reduced, so its bias is negligible (and its secrecy none). */
function secret(seed: string, purpose: string): bigint {
  return bytesToBigint(sha512(utf8ToBytes(`${seed}/${purpose}`))) % FIELD
}

/** L_first(tau), L_first+step(tau), … of the domain of 2^log elements: w^k·(tau^n − 1) / (n·(tau − w^k)). */
function lagrange(tau: bigint, log: number, first: number, step: number): bigint[] {
  const size = 2 ** log
  const root = power(5n, (FIELD - 1n) / BigInt(size))
  const factor = ((power(tau, BigInt(size)) - 1n + FIELD) * invert(BigInt(size))) % FIELD
  const stride = power(root, BigInt(step))
  const elements: bigint[] = []
  for (let k = first, element = power(root, BigInt(first)); k < size; k += step, element = (element * stride) % FIELD)
    elements.push(element)
  const inverses = invertAll(elements.map((element) => tau - element + FIELD))
  return elements.map((element, i) => (((element * factor) % FIELD) * inverses[i]!) % FIELD)
}

type Exports = Record<string, (...pointers: number[]) => number>

/** Multiples of one group's generator by tables, on ffjavascript's WASM: 32 mixed additions each. */
class FixedBase {
  readonly #wasm: Exports
  readonly #memory: WebAssembly.Memory
  readonly #group: 'g1m' | 'g2m'
  readonly #affine: number
  readonly #table: number
  readonly #sums: number
  readonly #out: number

  /** `affine`: bytes of an affine point; `generator`: affine bytes in Montgomery form. */
  constructor(code: Uint8Array<ArrayBuffer>, group: 'g1m' | 'g2m', affine: number, generator: Uint8Array) {
    this.#memory = new WebAssembly.Memory({ initial: 192 })
    this.#wasm = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory: this.#memory } }).exports
    this.#group = group
    this.#affine = affine
    const jacobian = (affine * 3) / 2
    // The module keeps its own data at the bottom and at address 0 where free memory begins; it takes its scratch from there, so ours is marked as taken.
    const free = new Uint32Array(this.#memory.buffer, 0, 1)
    this.#table = (free[0]! + 63) & ~63
    this.#sums = this.#table + ROWS * ROW * affine
    this.#out = this.#sums + Math.max(CHUNK, ROWS * ROW) * jacobian
    free[0] = this.#out + CHUNK * affine
    const bytes = new Uint8Array(this.#memory.buffer)
    const [add, toAffine] = [this.#call('addMixed'), this.#call('batchToAffine')]
    // Rows of Jacobian multiples d·256^row·G, each row from the affine form of its first point, then all affine at once.
    bytes.set(generator, this.#out)
    for (let row = 0; row < ROWS; row++) {
      let sum = this.#sums + row * ROW * jacobian
      this.#call('zero')(sum)
      add(sum, this.#out, sum)
      for (let i = 1; i < ROW; i++, sum += jacobian) add(sum, this.#out, sum + jacobian)
      add(sum, this.#out, this.#out + affine)
      toAffine(this.#out + affine, 1, this.#out)
    }
    toAffine(this.#sums, ROWS * ROW, this.#table)
  }

  #call(name: string): (...pointers: number[]) => number {
    const call = this.#wasm[`${this.#group}_${name}`]
    if (call === undefined) throw new RangeError(`ffjavascript's WASM has no ${this.#group}_${name}`)
    return call
  }

  /** Affine points in Montgomery form, one after another; the multiple by 0 is all zero bytes. */
  multiples(scalars: readonly bigint[]): Uint8Array {
    const [add, zero, toAffine] = [this.#call('addMixed'), this.#call('zero'), this.#call('batchToAffine')]
    const jacobian = (this.#affine * 3) / 2
    const result = new Uint8Array(scalars.length * this.#affine)
    const digits = new Uint8Array(32)
    for (let start = 0; start < scalars.length; start += CHUNK) {
      const chunk = scalars.slice(start, start + CHUNK)
      chunk.forEach((scalar, i) => {
        const sum = this.#sums + i * jacobian
        zero(sum)
        writeElement(digits, 0, scalar)
        for (let row = 0; row < ROWS; row++) {
          const digit = digits[row]!
          if (digit !== 0) add(sum, this.#table + (row * ROW + digit - 1) * this.#affine, sum)
        }
      })
      toAffine(this.#sums, chunk.length, this.#out)
      result.set(new Uint8Array(this.#memory.buffer, this.#out, chunk.length * this.#affine), start * this.#affine)
    }
    return result
  }
}

/** Makes the insecure key of a circuit. Deterministic: the same system and seed give the same bytes. */
export async function localProvingKey(system: ConstraintSystem, seed: string = LOCAL_SEED): Promise<Uint8Array> {
  const { signals, publicSignals, constraints } = system
  const log = Math.ceil(Math.log2(constraints.length + publicSignals + 1))
  const size = 2 ** log
  const [tau, alpha, beta, delta] = [secret(seed, 'tau'), secret(seed, 'alpha'), secret(seed, 'beta'), secret(seed, 'delta')]
  const deltaInverse = invert(delta)

  // Polynomials of each signal at tau. The public signals and the constant get a row each of their own, as in snarkjs, so that none is linearly free.
  const basis = lagrange(tau, log, 0, 1)
  const [a, b, c] = [0, 1, 2].map(() => new Array<bigint>(signals).fill(0n)) as [bigint[], bigint[], bigint[]]
  const accumulate = (into: bigint[], combination: Combination, at: bigint): void => {
    for (const [signal, coefficient] of combination) into[signal] = (into[signal]! + coefficient * at) % FIELD
  }
  const terms: (readonly [matrix: number, row: number, signal: number, coefficient: bigint])[] = []
  constraints.forEach(([left, right, result], row) => {
    accumulate(a, left, basis[row]!)
    accumulate(b, right, basis[row]!)
    accumulate(c, result, basis[row]!)
    for (const [signal, coefficient] of left) terms.push([0, row, signal, coefficient])
    for (const [signal, coefficient] of right) terms.push([1, row, signal, coefficient])
  })
  for (let signal = 0; signal <= publicSignals; signal++) {
    accumulate(a, [[signal, 1n]], basis[constraints.length + signal]!)
    terms.push([0, constraints.length + signal, signal, 1n])
  }
  const joined = a.map((value, s) => (beta * value + alpha * b[s]! + c[s]!) % FIELD)

  const curve = await snarkjs.curves.getCurveFromName('bn128', { singleThread: true })
  const first = new FixedBase(curve.tm.code, 'g1m', 64, curve.G1.toAffine(curve.G1.g))
  const second = new FixedBase(curve.tm.code, 'g2m', 128, curve.G2.toAffine(curve.G2.g))

  const numbers = new Uint8Array(4 + 32 + 4 + 32 + 12)
  const view = new DataView(numbers.buffer)
  view.setUint32(0, 32, true)
  writeElement(numbers, 4, BASE_FIELD)
  view.setUint32(36, 32, true)
  writeElement(numbers, 40, FIELD)
  view.setUint32(72, signals, true)
  view.setUint32(76, publicSignals, true)
  view.setUint32(80, size, true)
  const [alpha1, beta1, delta1] = [first.multiples([alpha]), first.multiples([beta]), first.multiples([delta])]
  const [beta2, gamma2, delta2] = [second.multiples([beta]), second.multiples([1n]), second.multiples([delta])]

  const coefficients = new Uint8Array(4 + 44 * terms.length)
  const coefficientsView = new DataView(coefficients.buffer)
  coefficientsView.setUint32(0, terms.length, true)
  terms.forEach(([matrix, row, signal, coefficient], i) => {
    const at = 4 + 44 * i
    coefficientsView.setUint32(at, matrix, true)
    coefficientsView.setUint32(at + 4, row, true)
    coefficientsView.setUint32(at + 8, signal, true)
    writeElement(coefficients, at + 12, (coefficient * R2) % FIELD)
  })
  const scaled = (values: readonly bigint[]): bigint[] => values.map((value) => (value * deltaInverse) % FIELD)

  return writeSections('zkey', 1, [
    [1, Uint8Array.of(1, 0, 0, 0)],
    [2, join([numbers, alpha1, beta1, beta2, gamma2, delta1, delta2])],
    [4, coefficients],
    [3, first.multiples(joined.slice(0, publicSignals + 1))],
    [9, first.multiples(scaled(lagrange(tau, log + 1, 1, 2)))],
    [8, first.multiples(scaled(joined.slice(publicSignals + 1)))],
    [5, first.multiples(a)],
    [6, first.multiples(b)],
    [7, second.multiples(b)],
    // No circuit hash and no contributions: this key never was in a ceremony.
    [10, new Uint8Array(68)],
  ])
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
