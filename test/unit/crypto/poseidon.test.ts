// SPDX-License-Identifier: Apache-2.0
/** Poseidon against circomlibjs for every width, and what it refuses. */
import { expect } from 'chai'
import { buildPoseidon, type Poseidon } from 'circomlibjs'
import fc from 'fast-check'
import { CryptoError } from '../../../agents/crypto/errors.ts'
import { FIELD } from '../../../agents/crypto/field.ts'
import { poseidon } from '../../../agents/crypto/poseidon.ts'
import { element } from './arbitraries.ts'
import { settings } from '../../fixtures/properties.ts'

describe('crypto: poseidon', function () {
  this.timeout(20_000)
  let oracle: Poseidon
  before(async () => {
    oracle = await buildPoseidon()
  })

  it('has the published digest of (1, 2)', () => {
    // circomlib's own test vector.
    expect(poseidon([1n, 2n])).to.equal(7853200120776062878684798364095072458815029376092732009249414926327459813530n)
  })

  for (let count = 1; count <= 16; count++) {
    it(`equals circomlibjs for ${count} inputs`, () => {
      fc.assert(
        fc.property(fc.array(element, { minLength: count, maxLength: count }), (inputs) => {
          expect(poseidon(inputs)).to.equal(oracle.F.toObject(oracle(inputs)))
        }),
        settings(8),
      )
    })
  }

  it('refuses no inputs, 17 inputs, and values outside the field', () => {
    expect(() => poseidon([])).to.throw(CryptoError, 'takes 1 to 16 inputs, got 0')
    expect(() => poseidon(new Array<bigint>(17).fill(1n))).to.throw(CryptoError, 'got 17')
    expect(() => poseidon([1n, FIELD])).to.throw(CryptoError, 'poseidon input 1')
    expect(() => poseidon([-1n])).to.throw(CryptoError, 'poseidon input 0')
    expect(() => poseidon([1 as unknown as bigint])).to.throw(CryptoError, 'must be a bigint')
  })
})
