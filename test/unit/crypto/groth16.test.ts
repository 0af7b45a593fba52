// SPDX-License-Identifier: Apache-2.0
/** Groth16 against snarkjs both ways: its proof is accepted here, proofs made from a trapdoor here are accepted there; what neither may accept. */
import { bn254 } from '@noble/curves/bn254.js'
import { expect } from 'chai'
import fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { curves, groth16, type Groth16Proof, type VerificationKey } from 'snarkjs'
import { hexToBytes } from 'viem'
import { CryptoError } from '../../../agents/crypto/errors.ts'
import { FIELD, invert, mod } from '../../../agents/crypto/field.ts'
import { verifyGroth16 } from '../../../agents/crypto/groth16.ts'
import { encodeProof, encodeVerifierKey } from '../../../agents/protocol/verifier-key.ts'
import { settings } from '../../fixtures/properties.ts'

const { G1, G2, fields } = bn254
const BASE_FIELD = fields.Fp.ORDER

interface Case {
  key: VerificationKey
  signals: bigint[]
  proof: Groth16Proof
}

const fixture = JSON.parse(readFileSync(new URL('../../fixtures/groth16/four.json', import.meta.url), 'utf8')) as {
  key: VerificationKey
  proof: Groth16Proof
  publicSignals: string[]
}
const four: Case = { ...fixture, signals: fixture.publicSignals.map(BigInt) }
const keyBytes = (key: VerificationKey): Uint8Array => hexToBytes(encodeVerifierKey(key))
const here = ({ key, signals, proof }: Case): boolean => verifyGroth16(keyBytes(key), signals, encodeProof(proof))
const there = ({ key, signals, proof }: Case): Promise<boolean> => groth16.verify(key, signals.map(String), proof)

const point1 = (scalar: bigint): [string, string, string] => {
  const { x, y } = G1.Point.BASE.multiply(scalar).toAffine()
  return [`${x}`, `${y}`, '1']
}
const point2 = (scalar: bigint): [[string, string], [string, string], [string, string]] => {
  const { x, y } = G2.Point.BASE.multiply(scalar).toAffine()
  return [
    [`${x.c0}`, `${x.c1}`],
    [`${y.c0}`, `${y.c1}`],
    ['1', '0'],
  ]
}

/** A key whose toxic waste is known, and the proof that it allows for any signals: C = (a b - alpha beta - ic gamma) / delta. */
function simulate(
  secrets: { alpha: bigint; beta: bigint; gamma: bigint; delta: bigint; a: bigint; b: bigint; ic: bigint[] },
  signals: bigint[],
): Case {
  const { alpha, beta, gamma, delta, a, b, ic } = secrets
  const statement = signals.reduce((sum, signal, index) => sum + signal * ic[index + 1]!, ic[0]!)
  const c = mod((a * b - alpha * beta - statement * gamma) * invert(delta))
  return {
    key: {
      protocol: 'groth16',
      curve: 'bn128',
      nPublic: signals.length,
      vk_alpha_1: point1(alpha),
      vk_beta_2: point2(beta),
      vk_gamma_2: point2(gamma),
      vk_delta_2: point2(delta),
      vk_alphabeta_12: [],
      IC: ic.map(point1),
    },
    signals,
    proof: { pi_a: point1(a), pi_b: point2(b), pi_c: c === 0n ? ['0', '0', '1'] : point1(c), protocol: 'groth16', curve: 'bn128' },
  }
}

describe('crypto: groth16', function () {
  this.timeout(60_000)
  after(async () => (await curves.getCurveFromName('bn128')).terminate())

  const scalar = fc.bigInt({ min: 1n, max: FIELD - 1n })
  const signal = fc.oneof(fc.constantFrom(0n, 1n, FIELD - 1n), fc.bigInt({ min: 0n, max: FIELD - 1n }))
  const simulated = fc.integer({ min: 1, max: 5 }).chain((n) =>
    fc.record({
      secrets: fc.record({
        ...{ alpha: scalar, beta: scalar, gamma: scalar, delta: scalar, a: scalar, b: scalar },
        ic: fc.array(scalar, { minLength: n + 1, maxLength: n + 1 }),
      }),
      signals: fc.array(signal, { minLength: n, maxLength: n }),
    }),
  )

  it('accepts the proof that snarkjs made', async () => {
    expect(here(four)).to.equal(true)
    expect(await there(four)).to.equal(true)
  })

  it('makes proofs from a trapdoor that both accept, and neither for other signals', async () => {
    await fc.assert(
      fc.asyncProperty(simulated, signal, async ({ secrets, signals }, other) => {
        const made = simulate(secrets, signals)
        expect([here(made), await there(made)]).to.deep.equal([true, true])
        const moved = { ...made, signals: [other, ...signals.slice(1)] }
        expect([here(moved), await there(moved)]).to.deep.equal([other === signals[0], other === signals[0]])
      }),
      settings(5),
    )
  })

  it('refuses every other point in place of A, B or C, as snarkjs does', async () => {
    for (const proof of [
      { ...four.proof, pi_a: point1(5n) },
      { ...four.proof, pi_b: point2(5n) },
      { ...four.proof, pi_c: point1(5n) },
      { ...four.proof, pi_a: four.proof.pi_c, pi_c: four.proof.pi_a },
    ])
      expect([here({ ...four, proof }), await there({ ...four, proof })]).to.deep.equal([false, false])
  })

  it('takes infinity as EIP-197 does: neutral, not an error', () => {
    const secrets = { alpha: 2n, beta: 3n, gamma: 1n, delta: 5n, a: 4n, b: 4n, ic: [7n, 1n] }
    const made = simulate(secrets, [3n]) // 16 - 6 - (7 + 3) = 0, so C is infinity
    expect(made.proof.pi_c[0]).to.equal('0')
    expect(here(made)).to.equal(true)
    expect(verifyGroth16(keyBytes(made.key), [3n], [0n, 0n, ...encodeProof(made.proof).slice(2)])).to.equal(false)
    expect(verifyGroth16(keyBytes(made.key), [3n], new Array<bigint>(8).fill(0n))).to.equal(false)
  })

  const words = encodeProof(four.proof)
  const key = keyBytes(four.key)
  const replaced = (index: number, value: bigint): bigint[] => words.map((word, at) => (at === index ? value : word))

  it('answers false for a flipped bit anywhere, a second name of a number and another length', () => {
    for (let index = 0; index < 8; index++) {
      expect(verifyGroth16(key, four.signals, replaced(index, words[index]! ^ 1n)), `word ${index}`).to.equal(false)
      expect(verifyGroth16(key, four.signals, replaced(index, words[index]! + BASE_FIELD)), `word ${index} + q`).to.equal(false)
      expect(verifyGroth16(key, four.signals, replaced(index, words[index]! - BASE_FIELD)), `word ${index} - q`).to.equal(false)
    }
    four.signals.forEach((value, index) => {
      for (const other of [value ^ 1n, value + FIELD, value - FIELD])
        expect(verifyGroth16(key, four.signals.with(index, other), words), `signal ${index}`).to.equal(false)
    })
    expect(verifyGroth16(key, four.signals.slice(1), words)).to.equal(false)
    expect(verifyGroth16(key, [...four.signals, 0n], words)).to.equal(false)
    expect(verifyGroth16(key, four.signals, [...words, 0n])).to.equal(false)
  })

  it('answers false for B on the twist but outside its subgroup', () => {
    // The twist has about p^2 points, of which the subgroup is one in h: the first x whose right side is a square is outside it.
    let x = { c0: 1n, c1: 0n }
    for (; ; x = { c0: x.c0 + 1n, c1: 0n }) {
      const right = fields.Fp2.add(fields.Fp2.mul(fields.Fp2.sqr(x), x), G2.Point.CURVE().b)
      try {
        const y = fields.Fp2.sqrt(right)
        const outside = replaced(2, x.c1).with(3, x.c0).with(4, y.c1).with(5, y.c0)
        expect(verifyGroth16(key, four.signals, outside)).to.equal(false)
        break
      } catch (error) {
        if ((error as Error).name === 'AssertionError') throw error
      }
    }
  })

  it('throws for a key that the contract would not have registered', () => {
    const changed = (offset: number, bytes: Uint8Array): Uint8Array => {
      const copy = Uint8Array.from(key)
      copy.set(bytes, offset)
      return copy
    }
    const code = (bad: Uint8Array): string => {
      try {
        return String(verifyGroth16(bad, four.signals, words))
      } catch (error) {
        return (error as CryptoError).code
      }
    }
    expect(code(new Uint8Array())).to.equal('CRYPTO_LENGTH')
    expect(code(key.subarray(1))).to.equal('CRYPTO_LENGTH')
    expect(code(key.subarray(0, 512))).to.equal('CRYPTO_LENGTH')
    expect(code(new Uint8Array(448 + 64 * 66))).to.equal('CRYPTO_LENGTH')
    for (const offset of [0, 64, 192, 320, 448]) {
      expect(code(changed(offset, Uint8Array.of(key[offset]! ^ 1))), `point at ${offset}`).to.equal('CRYPTO_POINT')
      expect(code(changed(offset, new Uint8Array(offset === 0 || offset === 448 ? 64 : 128))), `infinity at ${offset}`).to.equal(
        'CRYPTO_POINT',
      )
    }
    const beyond = hexToBytes(`0x${(BigInt(four.key.vk_beta_2[0][1]) + BASE_FIELD).toString(16).padStart(64, '0')}`)
    expect(code(changed(64, beyond)), 'a coordinate of beta named + q').to.equal('CRYPTO_POINT')
    expect(code(changed(320, key.subarray(192, 320))), 'delta equals gamma').to.equal('CRYPTO_POINT')
    expect(() => verifyGroth16(key, ['1'] as unknown as bigint[], words))
      .to.throw(CryptoError)
      .with.property('code', 'CRYPTO_TYPE')
  })
})
