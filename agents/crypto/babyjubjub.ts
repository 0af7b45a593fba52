// SPDX-License-Identifier: Apache-2.0
/**
 * BabyJubjub (EIP-2494, circomlib's form): 168700·x² + y² = 1 + 168696·x²·y² over bn254's scalar field, order 8·l.
 * Inside, points live on the isomorphic curve −X² + y² = 1 + d'·X²·y², X = x·sqrt(−168700), in extended coordinates (Hisil, Wong, Carter,
 * Dawson 2008), where the addition law is complete and costs 8 products. BigInt is not constant-time: a signer shares its machine with nobody it fears.
 */
import { assertBelow, CryptoError } from './errors.ts'
import { FIELD, invert, invertAll, mod } from './field.ts'

/** Affine point; both coordinates in [0, FIELD). The neutral element is (0, 1). */
export interface Point {
  readonly x: bigint
  readonly y: bigint
}

export const CURVE_A = 168700n
export const CURVE_D = 168696n
/** l, prime order of the subgroup that BASE8 generates. 251 bits. */
export const SUBGROUP_ORDER = 2736030358979909402780800718157159386076813972158567259200215660948447373041n
export const COFACTOR = 8n
export const IDENTITY: Point = Object.freeze({ x: 0n, y: 1n })
/** Eight times the curve's generator; the base of every key and signature. */
export const BASE8: Point = Object.freeze({
  x: 5299619240641551281634865583518297030282874472190772894086521144482721001553n,
  y: 16950150798460657717958625567821834550301663161624707787222815936182638968203n,
})

/** The smaller square root of −CURVE_A; exists because r ≡ 1 mod 4 and CURVE_A is a square. */
const SCALE = 6360561867910373094066688120553762416144456282423235903351243436111059670888n
const SCALE_INVERSE = invert(SCALE)
/** 2·d' with d' = −CURVE_D / CURVE_A. */
const TWICE_D = mod(-2n * CURVE_D * invert(CURVE_A))

/** X, y as X/Z, Y/Z, with T = XY/Z. Coordinates are remainders of either sign: the sign costs nothing until the end. */
interface Extended {
  readonly x: bigint
  readonly y: bigint
  readonly z: bigint
  readonly t: bigint
}
/** The second operand of an addition, prepared: Y − X, Y + X, 2d'·T, 2Z. */
interface Prepared {
  readonly minus: bigint
  readonly plus: bigint
  readonly t: bigint
  readonly z: bigint
}

const ZERO: Extended = { x: 0n, y: 1n, z: 1n, t: 0n }

/** True for a point with canonical coordinates on the curve, of any order. Never throws on bigint coordinates. */
export function isOnCurve({ x, y }: Point): boolean {
  if (x < 0n || x >= FIELD || y < 0n || y >= FIELD) return false
  const xx = (x * x) % FIELD
  const yy = (y * y) % FIELD
  return (CURVE_A * xx + yy - 1n - CURVE_D * ((xx * yy) % FIELD)) % FIELD === 0n
}

/** True for a point of the prime-order subgroup, the neutral element included. Costs one scalar multiplication. */
export function inSubgroup(point: Point): boolean {
  return isOnCurve(point) && isZero(multiply(extend(point), SUBGROUP_ORDER))
}

/** True when 8·point is the neutral element: such a key binds nothing. Throws CRYPTO_POINT off the curve. */
export function isLowOrder(point: Point): boolean {
  assertOnCurve('point', point)
  return isZero(timesCofactor(extend(point)))
}

/** Throws CRYPTO_POINT unless the point is canonical and on the curve. */
export function assertOnCurve(name: string, point: Point): void {
  if (!isOnCurve(point)) throw new CryptoError('CRYPTO_POINT', `${name} (${point.x}, ${point.y}) is not on BabyJubjub`)
}

/** p + q, complete: also for equal, opposite and neutral points. Throws CRYPTO_POINT off the curve. */
export function add(p: Point, q: Point): Point {
  assertOnCurve('p', p)
  assertOnCurve('q', q)
  return flatten(plus(extend(p), prepare(extend(q))))
}

/** −p. Throws CRYPTO_POINT off the curve. */
export function negate(p: Point): Point {
  assertOnCurve('p', p)
  return { x: p.x === 0n ? 0n : FIELD - p.x, y: p.y }
}

/** scalar·point for any point of the curve, 0 <= scalar < 8·l. Throws CRYPTO_POINT, CRYPTO_RANGE. */
export function mul(point: Point, scalar: bigint): Point {
  assertOnCurve('point', point)
  assertBelow('scalar', scalar, COFACTOR * SUBGROUP_ORDER)
  return flatten(multiply(extend(point), scalar))
}

/** scalar·BASE8 from a table, 0 <= scalar < l; about six times as fast as `mul`. Throws CRYPTO_RANGE. */
export function mulBase8(scalar: bigint): Point {
  assertBelow('scalar', scalar, SUBGROUP_ORDER)
  return flatten(multiplyBase8(scalar))
}

/**
 * point / 8 within the prime-order subgroup: the hint with which a contract checks membership by three doublings.
 * Throws CRYPTO_POINT unless the point lies in the subgroup (only there is the quotient unique).
 */
export function eighth(point: Point): Point {
  if (!inSubgroup(point)) throw new CryptoError('CRYPTO_POINT', `(${point.x}, ${point.y}) is not in BabyJubjub's prime-order subgroup`)
  return flatten(multiply(extend(point), invert(COFACTOR, SUBGROUP_ORDER)))
}

/**
 * left·BASE8 == r + right·8·point, the equation of EdDSA (and of Schnorr with `cofactor` false: right·point).
 * Preconditions, checked by the callers: both points on the curve, both scalars below l.
 */
export function checkEquation(left: bigint, r: Point, right: bigint, point: Point, cofactor: boolean): boolean {
  const key = extend(point)
  const sum = plus(multiply(cofactor ? timesCofactor(key) : key, right), prepare(extend(r)))
  const { x, y, z } = multiplyBase8(left)
  return (x * sum.z - sum.x * z) % FIELD === 0n && (y * sum.z - sum.y * z) % FIELD === 0n
}

function extend({ x, y }: Point): Extended {
  const scaled = (x * SCALE) % FIELD
  return { x: scaled, y, z: 1n, t: (scaled * y) % FIELD }
}

function flatten({ x, y, z }: Extended): Point {
  const inverse = invert(z)
  return { x: mod(((x * inverse) % FIELD) * SCALE_INVERSE), y: mod(y * inverse) }
}

function prepare({ x, y, z, t }: Extended): Prepared {
  return { minus: y - x, plus: y + x, t: (t * TWICE_D) % FIELD, z: 2n * z }
}

function isZero({ x, y, z }: Extended): boolean {
  return x === 0n && (y - z) % FIELD === 0n
}

/** p + q (add-2008-hwcd-3). Sums of products are reduced once; `subtract` adds −q instead. */
function plus(p: Extended, q: Prepared, subtract = false): Extended {
  const a = (p.y - p.x) * (subtract ? q.plus : q.minus)
  const b = (p.y + p.x) * (subtract ? q.minus : q.plus)
  const c = subtract ? -p.t * q.t : p.t * q.t
  const d = p.z * q.z
  const e = (b - a) % FIELD
  const f = (d - c) % FIELD
  const g = (d + c) % FIELD
  const h = (b + a) % FIELD
  return { x: (e * f) % FIELD, y: (g * h) % FIELD, z: (f * g) % FIELD, t: (e * h) % FIELD }
}

/** 2p (dbl-2008-hwcd, a = −1). T is left out where another doubling follows: only additions read it. */
function double({ x, y, z }: Extended, withT: boolean): Extended {
  const xx = x * x
  const yy = y * y
  const e = (2n * x * y) % FIELD
  const g = (yy - xx) % FIELD
  const f = (g - 2n * z * z) % FIELD
  const h = -(xx + yy) % FIELD
  return { x: (e * f) % FIELD, y: (g * h) % FIELD, z: (f * g) % FIELD, t: withT ? (e * h) % FIELD : 0n }
}

function timesCofactor(p: Extended): Extended {
  return double(double(double(p, false), false), true)
}

/** Width of the non-adjacent form: digits are odd, |digit| < 2^(WINDOW − 1), 2^(WINDOW − 2) table points. */
const WINDOW = 5

function multiply(point: Extended, scalar: bigint): Extended {
  const table: Prepared[] = [prepare(point)]
  const twice = prepare(double(point, true))
  for (let i = 1, odd = point; i < 1 << (WINDOW - 2); i++) {
    odd = plus(odd, twice)
    table.push(prepare(odd))
  }
  const digits = nonAdjacentForm(scalar)
  let sum = ZERO
  for (let i = digits.length - 1; i >= 0; i--) {
    const digit = digits[i]!
    sum = double(sum, digit !== 0 || i === 0)
    if (digit !== 0) sum = plus(sum, table[(Math.abs(digit) - 1) >> 1]!, digit < 0)
  }
  return sum
}

function nonAdjacentForm(scalar: bigint): number[] {
  const bits = scalar.toString(2)
  const digits: number[] = []
  let carry = 0
  for (let i = bits.length - 1; i >= 0 || carry !== 0;) {
    if (bit(bits, i) + carry !== 1) {
      // 0 + 0 writes a zero; 1 + 1 writes a zero and keeps its carry.
      digits.push(0)
      i--
      continue
    }
    let value = carry
    for (let k = 0; k < WINDOW; k++) value += bit(bits, i - k) * 2 ** k
    carry = value >> (WINDOW - 1)
    digits.push(carry ? value - 2 ** WINDOW : value)
    for (let k = 1; k < WINDOW; k++) digits.push(0)
    i -= WINDOW
  }
  return digits
}

function bit(bits: string, at: number): number {
  return at >= 0 && bits.charCodeAt(at) === 49 ? 1 : 0
}

/** Bits per digit of the fixed-base table: 42 digits of −32..32, 1,344 points of about 100 bytes, built in some 15 ms at first use. */
const DIGIT = 6
let base8Table: Prepared[][] | undefined

function buildBase8Table(): Prepared[][] {
  const rows: Extended[][] = []
  let base = extend(BASE8)
  for (let i = 0; i < Math.ceil(252 / DIGIT); i++) {
    const step = prepare(base)
    const row = [base]
    while (row.length < 1 << (DIGIT - 1)) row.push(plus(row.at(-1)!, step))
    rows.push(row)
    base = double(row.at(-1)!, true)
  }
  // Z = 1 everywhere makes the table's additions one product cheaper (2Z is a small number).
  const inverses = invertAll(rows.flat().map(({ z }) => z))
  return rows.map((row, i) =>
    row.map(({ x, y }, j) => {
      const inverse = inverses[i * row.length + j]!
      const [ax, ay] = [mod(x * inverse), mod(y * inverse)]
      return prepare({ x: ax, y: ay, z: 1n, t: (ax * ay) % FIELD })
    }),
  )
}

function multiplyBase8(scalar: bigint): Extended {
  base8Table ??= buildBase8Table()
  const digits = scalar.toString(2).padStart(base8Table.length * DIGIT, '0')
  let sum = ZERO
  let carry = 0
  for (const [i, row] of base8Table.entries()) {
    const end = digits.length - i * DIGIT
    let digit = Number.parseInt(digits.slice(end - DIGIT, end), 2) + carry
    carry = digit > row.length ? 1 : 0
    if (carry) digit -= 1 << DIGIT
    // The top digit holds 251 − 246 = 5 bits, so its carry is always 0.
    if (digit !== 0) sum = plus(sum, row[Math.abs(digit) - 1]!, digit < 0)
  }
  return sum
}
