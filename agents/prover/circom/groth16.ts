// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * Groth16 proofs under a zkey of snarkjs, in one thread: the key is read once into WASM memory and stays there. The same proof as snarkjs makes, with
 * half the work (multiexp.ts). Sources: Groth, "On the size of pairing-based non-interactive arguments" (2016); snarkjs' zkey format, version 1.
 */
import { randomBytes } from 'node:crypto'
import { bytesToBigint, FIELD, power } from '../../crypto/field.ts'
import { readElement, readSections, writeElement } from './binfile.ts'
import { Arithmetic, type Call, MultiExp } from './multiexp.ts'

/** A and C in G1 as [x, y]; B in G2 as [[x real, x imaginary], [y real, y imaginary]]. */
export interface Groth16Points {
  readonly a: readonly [bigint, bigint]
  readonly b: readonly [readonly [bigint, bigint], readonly [bigint, bigint]]
  readonly c: readonly [bigint, bigint]
}

/** A root of unity of this order, as snarkjs and circom choose them. */
const rootOf = (log: number): bigint => power(5n, (FIELD - 1n) / 2n ** BigInt(log))

export class Groth16Prover {
  readonly #a: Arithmetic
  readonly #first: MultiExp
  readonly #second: MultiExp
  readonly #signals: number
  readonly #public: number
  readonly #domain: number
  /** Where the parts of the key lie. */
  readonly #at: Record<
    'alpha1' | 'beta1' | 'beta2' | 'delta1' | 'delta2' | 'pointsA' | 'pointsB1' | 'pointsB2' | 'pointsC' | 'pointsH',
    number
  >
  /** Terms of the matrices A (0) and B (1): matrix, row, signal; their coefficients lie at #coefficients. */
  readonly #terms: Uint32Array
  readonly #coefficients: number
  readonly #witness: number
  readonly #polynomials: readonly [number, number, number]
  readonly #shift: number
  readonly #scratch: number

  /**
   * @param code  `tm.code` of a single-threaded curve of snarkjs
   * @throws RangeError for what is not a Groth16 key over bn254
   */
  constructor(code: Uint8Array<ArrayBuffer>, zkey: Uint8Array) {
    const sections = readSections(zkey, 'zkey')
    const section = (type: number): Uint8Array => {
      const found = sections.get(type)
      if (found === undefined) throw new RangeError(`the key has no section ${type}`)
      return found
    }
    const header = section(2)
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
    if (section(1)[0] !== 1 || view.getUint32(0, true) !== 32 || view.getUint32(36, true) !== 32 || readElement(header, 40) !== FIELD)
      throw new RangeError('not a Groth16 key over bn254')
    this.#signals = view.getUint32(72, true)
    this.#public = view.getUint32(76, true)
    this.#domain = view.getUint32(80, true)
    const coefficients = section(4)
    const count = (coefficients.length - 4) / 44
    const most = Math.max(this.#signals, this.#domain)
    const capacity =
      [5, 6, 7, 8, 9].reduce((sum, type) => sum + section(type).length, 0) +
      32 * (count + this.#signals + 3 * this.#domain) +
      MultiExp.capacity('g1m', most) +
      MultiExp.capacity('g2m', this.#signals) +
      (1 << 16)
    this.#a = new Arithmetic(code, capacity)
    const points = this.#a.put(header.subarray(84))
    this.#at = {
      alpha1: points,
      beta1: points + 64,
      beta2: points + 128,
      delta1: points + 384,
      delta2: points + 448,
      pointsA: this.#a.put(section(5)),
      pointsB1: this.#a.put(section(6)),
      pointsB2: this.#a.put(section(7)),
      pointsC: this.#a.put(section(8)),
      pointsH: this.#a.put(section(9)),
    }
    this.#terms = new Uint32Array(3 * count)
    this.#coefficients = this.#a.alloc(32 * count)
    const numbers = new DataView(coefficients.buffer, coefficients.byteOffset, coefficients.byteLength)
    for (let i = 0, from = 4; i < count; i++, from += 44) {
      for (let k = 0; k < 3; k++) this.#terms[3 * i + k] = numbers.getUint32(from + 4 * k, true)
      const [matrix, row, signal] = this.#terms.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number]
      if (matrix > 1 || row >= this.#domain || signal >= this.#signals) throw new RangeError(`term ${i} of the key is outside its circuit`)
      this.#a.bytes.set(coefficients.subarray(from + 12, from + 44), this.#coefficients + 32 * i)
    }
    this.#witness = this.#a.alloc(32 * this.#signals)
    this.#polynomials = [0, 1, 2].map(() => this.#a.alloc(32 * this.#domain)) as [number, number, number]
    this.#shift = this.#a.alloc(32)
    writeElement(this.#a.bytes, this.#shift, rootOf(Math.log2(this.#domain) + 1))
    this.#a.call('frm_toMontgomery')(this.#shift, this.#shift)
    this.#scratch = this.#a.alloc(4096)
    this.#first = new MultiExp(this.#a, 'g1m', most)
    this.#second = new MultiExp(this.#a, 'g2m', this.#signals)
  }

  /**
   * Proves; whether the witness satisfies the circuit is not looked at (verify the proof).
   * @param witness  every signal, 32 bytes each, little-endian, below the field's order
   */
  prove(witness: Uint8Array): Groth16Points {
    if (witness.length !== 32 * this.#signals) throw new RangeError(`a witness of ${witness.length / 32} signals for ${this.#signals}`)
    this.#a.bytes.set(witness, this.#witness)
    const quotient = this.#quotient()
    const [r, s] = [randomScalar(), randomScalar()]
    const { alpha1, beta1, beta2, delta1, delta2, pointsA, pointsB1, pointsB2, pointsC, pointsH } = this.#at
    const jacobian = (i: number): number => this.#scratch + 256 * i
    const [a, b1, b2, c, h, t, scalar] = [0, 1, 2, 3, 4, 5, 6].map(jacobian) as [number, number, number, number, number, number, number]
    this.#first.sum(pointsA, this.#witness, this.#signals, a)
    this.#first.sum(pointsB1, this.#witness, this.#signals, b1)
    this.#second.sum(pointsB2, this.#witness, this.#signals, b2)
    const hidden = this.#public + 1
    this.#first.sum(pointsC, this.#witness + 32 * hidden, this.#signals - hidden, c)
    this.#first.sum(pointsH, quotient, this.#domain, h)

    const times = (group: 'g1m' | 'g2m', name: 'timesScalar' | 'timesScalarAffine', point: number, by: bigint, into: number): void => {
      writeElement(this.#a.bytes, scalar, by)
      this.#a.call(`${group}_${name}`)(point, scalar, 32, t)
      this.#a.call(`${group}_add`)(into, t, into)
    }
    const [mixed1, mixed2, add1] = ['g1m_addMixed', 'g2m_addMixed', 'g1m_add'].map((name) => this.#a.call(name)) as [Call, Call, Call]
    mixed1(a, alpha1, a)
    times('g1m', 'timesScalarAffine', delta1, r, a)
    mixed2(b2, beta2, b2)
    times('g2m', 'timesScalarAffine', delta2, s, b2)
    mixed1(b1, beta1, b1)
    times('g1m', 'timesScalarAffine', delta1, s, b1)
    add1(c, h, c)
    times('g1m', 'timesScalar', a, s, c)
    times('g1m', 'timesScalar', b1, r, c)
    times('g1m', 'timesScalarAffine', delta1, FIELD - ((r * s) % FIELD), c)

    const affine = (group: 'g1m' | 'g2m', point: number): bigint[] => {
      this.#a.call(`${group}_toAffine`)(point, t)
      this.#a.call(`${group}_fromMontgomeryAffine`)(t, t)
      return Array.from({ length: group === 'g1m' ? 2 : 4 }, (_, i) => readElement(this.#a.bytes, t + 32 * i))
    }
    const [b0, bi, by0, byi] = affine('g2m', b2) as [bigint, bigint, bigint, bigint]
    return {
      a: affine('g1m', a) as [bigint, bigint],
      b: [
        [b0, bi],
        [by0, byi],
      ],
      c: affine('g1m', c) as [bigint, bigint],
    }
  }

  /** (A·B − C)/Z in the points of the shifted domain, as plain scalars: what section 9 of the key is made for. */
  #quotient(): number {
    const [mul, add, ifft, fft, applyKey, one] = ['mul', 'add', 'ifft', 'fft', 'batchApplyKey', 'one'].map((name) =>
      this.#a.call(`frm_${name}`),
    ) as [Call, Call, Call, Call, Call, Call]
    const { bytes, words } = this.#a
    const [a, b, c] = this.#polynomials
    for (const polynomial of this.#polynomials) bytes.fill(0, polynomial, polynomial + 32 * this.#domain)
    const product = this.#scratch
    const present = new Uint8Array(this.#signals)
    for (let signal = 0; signal < this.#signals; signal++) {
      const at = (this.#witness >> 2) + 8 * signal
      for (let word = 0; word < 8; word++) if (words[at + word] !== 0) present[signal] = 1
    }
    const terms = this.#terms
    for (let i = 0, coefficient = this.#coefficients; 3 * i < terms.length; i++, coefficient += 32) {
      const signal = terms[3 * i + 2]!
      if (present[signal] === 0) continue
      const into = (terms[3 * i] === 0 ? a : b) + 32 * terms[3 * i + 1]!
      // Coefficients carry R², so the product with a plain value is in Montgomery form.
      mul(coefficient, this.#witness + 32 * signal, product)
      add(into, product, into)
    }
    for (let row = 0; row < 32 * this.#domain; row += 32) mul(a + row, b + row, c + row)
    one(product)
    for (const polynomial of this.#polynomials) {
      ifft(polynomial, this.#domain)
      applyKey(polynomial, this.#domain, product, this.#shift, polynomial)
      fft(polynomial, this.#domain)
    }
    this.#a.call('qap_joinABC')(a, b, c, this.#domain, a)
    this.#a.call('frm_batchFromMontgomery')(a, this.#domain, a)
    return a
  }
}

/** Uniform to within 2^-256. */
const randomScalar = (): bigint => bytesToBigint(randomBytes(64)) % FIELD
