// SPDX-License-Identifier: Apache-2.0
/** BabyJubjub against circomlibjs: group law, membership, order, and the points that must be refused. */
import { expect } from 'chai'
import { buildBabyjub, type BabyJub } from 'circomlibjs'
import fc from 'fast-check'
import * as curve from '../../../agents/crypto/babyjubjub.ts'
import { CryptoError } from '../../../agents/crypto/errors.ts'
import { FIELD } from '../../../agents/crypto/field.ts'
import { scalar } from './arbitraries.ts'
import { settings } from '../../fixtures/properties.ts'

const { add, BASE8, eighth, IDENTITY, inSubgroup, isLowOrder, isOnCurve, mul, mulBase8, negate, SUBGROUP_ORDER } = curve
/** circomlib's generator, of order 8·l. */
const GENERATOR = {
  x: 995203441582195749578291179787384436505546430278305826713579947235728471134n,
  y: 5472060717959818805561601436314318772137091100104008585924551046643952123905n,
}
/** The point of order two, and a point of order eight. */
const ORDER_TWO = { x: 0n, y: FIELD - 1n }
const ORDER_EIGHT = mul(GENERATOR, SUBGROUP_ORDER)

describe('crypto: babyjubjub', function () {
  this.timeout(30_000)
  let oracle: BabyJub
  before(async () => {
    oracle = await buildBabyjub()
  })
  const theirs = ({ x, y }: curve.Point): [Uint8Array, Uint8Array] => [oracle.F.e(x), oracle.F.e(y)]
  const ours = ([x, y]: [Uint8Array, Uint8Array]): curve.Point => ({ x: oracle.F.toObject(x), y: oracle.F.toObject(y) })

  it("has circomlib's base, eight times the generator", () => {
    expect(ours(oracle.Base8)).to.deep.equal(BASE8)
    expect(mul(GENERATOR, 8n)).to.deep.equal(BASE8)
    expect(oracle.subOrder).to.equal(SUBGROUP_ORDER)
  })

  it('multiplies like circomlibjs, with the table and without', () => {
    fc.assert(
      fc.property(scalar, (k) => {
        const product = mulBase8(k)
        expect(product).to.deep.equal(ours(oracle.mulPointEscalar(oracle.Base8, k)))
        expect(mul(BASE8, k)).to.deep.equal(product)
      }),
      settings(15),
    )
  })

  it('adds like circomlibjs, small torsion included', () => {
    const torsion = fc.bigInt({ min: 0n, max: 7n }).map((k) => mul(ORDER_EIGHT, k))
    const point = fc.tuple(scalar, torsion).map(([k, t]) => add(mulBase8(k), t))
    fc.assert(
      fc.property(point, point, (p, q) => {
        const sum = ours(oracle.addPoint(theirs(p), theirs(q)))
        expect(add(p, q)).to.deep.equal(sum)
        expect(add(p, p)).to.deep.equal(ours(oracle.addPoint(theirs(p), theirs(p))))
        expect(add(p, negate(p))).to.deep.equal(IDENTITY)
        expect(add(p, IDENTITY)).to.deep.equal(p)
        expect(isOnCurve(sum)).to.equal(true)
      }),
      settings(40),
    )
  })

  it('multiplies points outside the subgroup by the full order', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 8n * SUBGROUP_ORDER - 1n }), (k) => {
        expect(mul(GENERATOR, k)).to.deep.equal(ours(oracle.mulPointEscalar(oracle.Generator, k)))
      }),
      settings(10),
    )
  })

  it('tells the subgroup from the rest', () => {
    expect(inSubgroup(BASE8)).to.equal(true)
    expect(inSubgroup(IDENTITY)).to.equal(true)
    for (const point of [GENERATOR, ORDER_TWO, ORDER_EIGHT, add(BASE8, ORDER_TWO)]) {
      expect(isOnCurve(point)).to.equal(true)
      expect(inSubgroup(point)).to.equal(false)
    }
  })

  it('finds the eight points of low order', () => {
    for (let k = 0n; k < 8n; k++) expect(isLowOrder(mul(ORDER_EIGHT, k))).to.equal(true)
    expect(isLowOrder(BASE8)).to.equal(false)
    expect(isLowOrder(add(BASE8, ORDER_EIGHT))).to.equal(false)
  })

  it('divides by eight inside the subgroup only', () => {
    fc.assert(
      fc.property(scalar, (k) => {
        const point = mulBase8(k)
        expect(mul(eighth(point), 8n)).to.deep.equal(point)
        expect(inSubgroup(eighth(point))).to.equal(true)
      }),
      settings(5),
    )
    expect(() => eighth(ORDER_TWO)).to.throw(CryptoError, 'prime-order subgroup')
  })

  it('refuses coordinates that are off the curve or not canonical, and scalars out of range', () => {
    const outside = [
      { x: BASE8.x, y: BASE8.y + 1n },
      { x: BASE8.x + FIELD, y: BASE8.y },
      { x: BASE8.x - FIELD, y: BASE8.y },
      { x: BASE8.x, y: BASE8.y + FIELD },
      { x: 0n, y: 0n },
    ]
    for (const point of outside) {
      expect(isOnCurve(point)).to.equal(false)
      expect(inSubgroup(point)).to.equal(false)
      expect(() => add(point, BASE8)).to.throw(CryptoError, 'not on BabyJubjub')
      expect(() => add(BASE8, point)).to.throw(CryptoError, 'not on BabyJubjub')
      expect(() => mul(point, 1n)).to.throw(CryptoError, 'not on BabyJubjub')
      expect(() => isLowOrder(point)).to.throw(CryptoError, 'not on BabyJubjub')
    }
    expect(() => mulBase8(SUBGROUP_ORDER)).to.throw(CryptoError, 'scalar must lie in')
    expect(() => mulBase8(-1n)).to.throw(CryptoError)
    expect(() => mul(BASE8, 8n * SUBGROUP_ORDER)).to.throw(CryptoError)
  })
})
