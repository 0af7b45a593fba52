// SPDX-License-Identifier: Apache-2.0
/** Keys and proofs of snarkjs as the verifier contract reads them, against the committed fixture. */
import { expect } from 'chai'
import { readFileSync } from 'node:fs'
import {
  encodeProof,
  encodeVerifierKey,
  type SnarkjsProof,
  type SnarkjsVerificationKey,
  verifierKeyId,
} from '../../../agents/protocol/verifier-key.ts'

interface Fixture {
  key: SnarkjsVerificationKey
  untouchedDelta: SnarkjsVerificationKey['vk_delta_2']
  proof: SnarkjsProof
}

const fixture = (): Fixture => JSON.parse(readFileSync(new URL('../../fixtures/groth16/four.json', import.meta.url), 'utf8')) as Fixture
const vector = readFileSync(new URL('../verifiers/Groth16Vector.sol', import.meta.url), 'utf8')

describe('verifier key', () => {
  it('encodes alpha, beta, gamma, delta and IC, 448 + 64 (n + 1) bytes, as the Solidity tests use it', () => {
    const bytes = encodeVerifierKey(fixture().key)
    expect(bytes.length).to.equal(2 + 2 * (448 + 64 * 5))
    expect(vector).to.contain(`hex"${bytes.slice(2)}"`)
    expect(verifierKeyId(bytes)).to.match(/^0x[0-9a-f]{64}$/)
  })

  it('writes the imaginary limb of G2 first', () => {
    const { key } = fixture()
    const bytes = encodeVerifierKey(key)
    expect(BigInt(`0x${bytes.slice(2 + 128, 2 + 192)}`)).to.equal(BigInt(key.vk_beta_2[0]![1]!))
    expect(BigInt(`0x${bytes.slice(2 + 192, 2 + 256)}`)).to.equal(BigInt(key.vk_beta_2[0]![0]!))
  })

  it('encodes a proof as the eight words of the vector', () => {
    const words = encodeProof(fixture().proof)
    words.forEach((word, index) => expect(vector).to.contain(`words[${index}] = ${word};`))
  })

  it('refuses a key without contribution: delta equals gamma', () => {
    const { key, untouchedDelta } = fixture()
    expect(() => encodeVerifierKey({ ...key, vk_delta_2: untouchedDelta }))
      .to.throw('delta equals gamma')
      .with.property('code', 'VERIFIER_KEY_MALFORMED')
  })

  for (const [what, change] of [
    ['another protocol', { protocol: 'plonk' }],
    ['another curve', { curve: 'bls12381' }],
    ['too few points', { nPublic: 5 }],
    ['no signals', { nPublic: 0 }],
    ['a point that is not affine', { vk_alpha_1: ['1', '2', '3'] }],
    ['a number that is none', { vk_alpha_1: ['1', '0x2', '1'] }],
    [
      'a number outside the field',
      { vk_alpha_1: ['1', '21888242871839275222246405745257275088696311157297823662689037894645226208583', '1'] },
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(() => encodeVerifierKey({ ...fixture().key, ...change }))
        .to.throw()
        .with.property('code', 'VERIFIER_KEY_MALFORMED')
    })
  }
})
