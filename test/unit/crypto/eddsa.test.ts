// SPDX-License-Identifier: Apache-2.0
/** EdDSA-Poseidon against circomlibjs both ways, its 96-byte encoding, and the signatures that must not verify. */
import { expect } from 'chai'
import { buildEddsa, type Eddsa } from 'circomlibjs'
import fc from 'fast-check'
import { add, IDENTITY, mul, mulBase8, type Point, SUBGROUP_ORDER } from '../../../agents/crypto/babyjubjub.ts'
import { packSignature, publicKeyOf, type Signature, signPoseidon, unpackSignature, verifyPoseidon } from '../../../agents/crypto/eddsa.ts'
import { CryptoError } from '../../../agents/crypto/errors.ts'
import { bigintToBytes, FIELD } from '../../../agents/crypto/field.ts'
import { element, secret } from './arbitraries.ts'
import { settings } from '../../fixtures/properties.ts'

describe('crypto: eddsa-poseidon', function () {
  this.timeout(60_000)
  let oracle: Eddsa
  before(async () => {
    oracle = await buildEddsa()
  })
  const pair = ({ x, y }: Point): [Uint8Array, Uint8Array] => [oracle.F.e(x), oracle.F.e(y)]
  const key = new Uint8Array(32).fill(7)
  const publicKey = publicKeyOf(key)
  const good = signPoseidon(key, 42n)
  /** A point of order eight: circomlib's generator times l. */
  const torsion = mul(
    {
      x: 995203441582195749578291179787384436505546430278305826713579947235728471134n,
      y: 5472060717959818805561601436314318772137091100104008585924551046643952123905n,
    },
    SUBGROUP_ORDER,
  )

  it('makes the keys and signatures that circomlibjs makes, and verifies in both', () => {
    fc.assert(
      fc.property(secret, element, (bytes, message) => {
        const mine = signPoseidon(bytes, message)
        const theirs = oracle.signPoseidon(bytes, oracle.F.e(message))
        const theirKey = oracle.prv2pub(bytes)
        const myKey = publicKeyOf(bytes)
        expect([oracle.F.toObject(theirKey[0]), oracle.F.toObject(theirKey[1])]).to.deep.equal([myKey.x, myKey.y])
        expect([oracle.F.toObject(theirs.R8[0]), oracle.F.toObject(theirs.R8[1]), theirs.S]).to.deep.equal([mine.R8.x, mine.R8.y, mine.S])
        expect(verifyPoseidon(message, mine, myKey)).to.equal(true)
        expect(oracle.verifyPoseidon(oracle.F.e(message), { R8: pair(mine.R8), S: mine.S }, pair(myKey))).to.equal(true)
      }),
      settings(8),
    )
  })

  it('answers like circomlibjs when one part is wrong', () => {
    fc.assert(
      fc.property(element, fc.constantFrom('message', 'S', 'R8', 'key'), (other, part) => {
        const signature =
          part === 'S' ? { ...good, S: other % SUBGROUP_ORDER } : part === 'R8' ? { ...good, R8: mulBase8(other % SUBGROUP_ORDER) } : good
        const message = part === 'message' ? other : 42n
        const who = part === 'key' ? mulBase8(other % SUBGROUP_ORDER) : publicKey
        const theirs = oracle.verifyPoseidon(oracle.F.e(message), { R8: pair(signature.R8), S: signature.S }, pair(who))
        expect(verifyPoseidon(message, signature, who)).to.equal(theirs)
      }),
      settings(8),
    )
  })

  it('refuses S + l, which satisfies the equation', () => {
    expect(verifyPoseidon(42n, good, publicKey)).to.equal(true)
    expect(verifyPoseidon(42n, { ...good, S: good.S + SUBGROUP_ORDER }, publicKey)).to.equal(false)
    expect(verifyPoseidon(42n, { ...good, S: -1n }, publicKey)).to.equal(false)
  })

  it('refuses coordinates that are not canonical or off the curve', () => {
    const shifted = { x: good.R8.x + FIELD, y: good.R8.y }
    const keys: Point[] = [
      { x: publicKey.x + FIELD, y: publicKey.y },
      { x: publicKey.x, y: publicKey.y + 1n },
      { x: 0n, y: 0n },
    ]
    expect(verifyPoseidon(42n, { ...good, R8: shifted }, publicKey)).to.equal(false)
    expect(verifyPoseidon(42n, { ...good, R8: { x: 1n, y: 1n } }, publicKey)).to.equal(false)
    for (const wrong of keys) expect(verifyPoseidon(42n, good, wrong)).to.equal(false)
  })

  it('refuses a key of low order, under which anybody signs anything', () => {
    for (let k = 0n; k < 8n; k++) {
      const forged: Signature = { R8: mulBase8(5n), S: 5n }
      const lowKey = k === 0n ? IDENTITY : mul(torsion, k)
      expect(verifyPoseidon(99n, forged, lowKey)).to.equal(false)
    }
  })

  it('refuses R8 moved by a point of low order', () => {
    expect(verifyPoseidon(42n, { ...good, R8: add(good.R8, torsion) }, publicKey)).to.equal(false)
  })

  it('throws for a message outside the field and a secret of another length', () => {
    expect(() => signPoseidon(key, FIELD)).to.throw(CryptoError, 'message')
    expect(() => verifyPoseidon(-1n, good, publicKey)).to.throw(CryptoError, 'message')
    expect(() => publicKeyOf(new Uint8Array(31))).to.throw(CryptoError, '32 bytes')
  })

  it('packs to 96 bytes and back', () => {
    fc.assert(
      fc.property(secret, element, (bytes, message) => {
        const signature = signPoseidon(bytes, message)
        const packed = packSignature(signature)
        expect(packed.length).to.equal(96)
        expect(unpackSignature(packed)).to.deep.equal(signature)
      }),
      settings(10),
    )
  })

  it('refuses encodings that no signer makes', () => {
    const packed = packSignature(good)
    expect(() => unpackSignature(packed.subarray(1))).to.throw(CryptoError, '96 bytes')
    const largeS = Uint8Array.from(packed)
    largeS.set(bigintToBytes(good.S + SUBGROUP_ORDER, 32), 64)
    expect(() => unpackSignature(largeS)).to.throw(CryptoError, 'S must lie in')
    const largeX = Uint8Array.from(packed)
    largeX.set(bigintToBytes(good.R8.x + FIELD, 32))
    expect(() => unpackSignature(largeX)).to.throw(CryptoError, 'R8.x must lie in')
    const offCurve = Uint8Array.from(packed)
    offCurve[63]! ^= 1
    expect(() => unpackSignature(offCurve)).to.throw(CryptoError, 'not on BabyJubjub')
    expect(() => packSignature({ ...good, S: SUBGROUP_ORDER })).to.throw(CryptoError, 'S must lie in')
  })
})
