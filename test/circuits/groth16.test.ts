// SPDX-License-Identifier: Apache-2.0
/** Sums of points as the prover makes them, against ffjavascript's own; keys that it refuses. Whole proofs are in window.test.ts and keys.test.ts. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import fc from 'fast-check'
import * as snarkjs from 'snarkjs'
import { FIELD } from '../../agents/crypto/field.ts'
import { readSections, writeElement, writeSections } from '../../agents/prover/circom/binfile.ts'
import { Groth16Prover } from '../../agents/prover/circom/groth16.ts'
import { Arithmetic, MultiExp } from '../../agents/prover/circom/multiexp.ts'
import { settings } from '../fixtures/properties.ts'

/** What this test uses of ffjavascript's groups besides what the prover does. */
interface Group {
  g: Uint8Array
  zeroAffine: Uint8Array
  toAffine(point: Uint8Array): Uint8Array
  neg(point: Uint8Array): Uint8Array
  timesScalar(point: Uint8Array, scalar: bigint): Uint8Array
  multiExpAffine(points: Uint8Array, scalars: Uint8Array): Promise<Uint8Array>
}

describe('circuits: the Groth16 prover', function () {
  this.timeout(60_000)
  let curve: snarkjs.Curve
  const built = join(import.meta.dirname, '..', '..', 'build', 'circuits', 'sensing_window')
  before(async () => {
    curve = await snarkjs.curves.getCurveFromName('bn128', { singleThread: true })
  })

  // Few different points and scalars, so that equal, opposite and neutral points meet in one bucket.
  const scalars = fc.oneof(
    fc.constantFrom(0n, 1n, 2n, 3n, FIELD - 1n, FIELD - 2n, 1n << 253n, (1n << 64n) - 1n, 0x8000_8000_8000n),
    fc.bigInt({ min: 0n, max: FIELD - 1n }),
  )
  for (const [group, name, size] of [
    ['g1m', 'G1', 64],
    ['g2m', 'G2', 128],
  ] as const) {
    it(`sums as ffjavascript does in ${name}`, async () => {
      const own = curve[name] as unknown as Group
      const points = [1n, 1n, 2n, 5n, 77n, FIELD - 1n].map((k) => own.toAffine(own.timesScalar(own.g, k)))
      points.push(own.zeroAffine, ...Array.from({ length: 5 }, (_, i) => own.toAffine(own.timesScalar(own.g, 3n ** BigInt(40 * i + 40)))))
      const terms = fc.array(fc.tuple(fc.nat(points.length - 1), scalars), { minLength: 1, maxLength: 150 })
      await fc.assert(
        fc.asyncProperty(terms, async (list) => {
          const bytes = new Uint8Array(list.length * size)
          const numbers = new Uint8Array(list.length * 32)
          list.forEach(([point, scalar], i) => {
            bytes.set(points[point]!, i * size)
            writeElement(numbers, 32 * i, scalar)
          })
          const arithmetic = new Arithmetic(curve.tm.code, 1 << 20)
          const sums = new MultiExp(arithmetic, group, list.length)
          const result = arithmetic.alloc(2 * size)
          const [at, by] = [arithmetic.put(bytes), arithmetic.put(numbers)]
          const want = Buffer.from(own.toAffine(await own.multiExpAffine(bytes, numbers))).toString('hex')
          // Twice: nothing of a sum may stay behind for the next.
          for (let again = 0; again < 2; again++) {
            sums.sum(at, by, list.length, result)
            const have = own.toAffine(arithmetic.bytes.slice(result, result + (3 * size) / 2))
            expect(Buffer.from(have).toString('hex')).to.equal(want)
          }
        }),
        settings(12),
      )
    })
  }

  it('refuses what is not a key of its curve and system, and witnesses of another size', () => {
    const key = readFileSync(join(built, 'sensing_window.insecure.zkey'))
    const sections = [...readSections(key, 'zkey')].map(([type, bytes]) => [type, Uint8Array.from(bytes)] as const)
    const changed = (type: number, at: number, value: number): Uint8Array =>
      writeSections(
        'zkey',
        1,
        sections.map(([own, bytes]) => {
          const copy = Uint8Array.from(bytes)
          if (own === type) copy[at] = value
          return [own, copy] as const
        }),
      )
    const code = curve.tm.code
    expect(() => new Groth16Prover(code, key.subarray(1))).to.throw(RangeError, 'not a zkey file')
    expect(() => new Groth16Prover(code, changed(1, 0, 2)), 'PLONK').to.throw(RangeError, 'not a Groth16 key')
    expect(() => new Groth16Prover(code, changed(2, 40, 7)), 'another field').to.throw(RangeError, 'not a Groth16 key')
    expect(() => new Groth16Prover(code, changed(4, 4, 2)), 'a third matrix').to.throw(RangeError, 'outside its circuit')
    expect(() => new Groth16Prover(code, changed(4, 11, 255)), 'a row outside').to.throw(RangeError, 'outside its circuit')
    expect(() => new Groth16Prover(code, key).prove(new Uint8Array(32))).to.throw(RangeError, 'a witness of 1 signals')
  })
})
