// SPDX-License-Identifier: Apache-2.0
/** ES256K against node:crypto both ways and viem's addresses; malleable and malformed signatures refused. */
import { createPrivateKey, createPublicKey, randomBytes, sign, verify } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { publicKeyToAddress } from 'viem/accounts'
import { bytesToHex } from 'viem'
import { CryptoError } from '../../../agents/crypto/errors.ts'
import { addressOfPublicKey, es256kPublicKey, es256kRecover, es256kSign, es256kVerify } from '../../../agents/crypto/es256k.ts'
import { bigintToBytes, bytesToBigint } from '../../../agents/crypto/field.ts'
import { settings } from '../../fixtures/properties.ts'

const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const digestBytes = fc.uint8Array({ minLength: 32, maxLength: 32 })
const secretBytes = fc.bigInt({ min: 1n, max: N - 1n }).map((value) => bigintToBytes(value, 32))

function jwk(publicKey: Uint8Array, secret?: Uint8Array): { kty: string; crv: string; x: string; y: string; d?: string } {
  const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
  return {
    kty: 'EC',
    crv: 'secp256k1',
    x: encode(publicKey.subarray(1, 33)),
    y: encode(publicKey.subarray(33)),
    ...(secret && { d: encode(secret) }),
  }
}

describe('crypto: es256k', () => {
  it('verifies in node:crypto what we sign, and here what node:crypto signs', () => {
    fc.assert(
      fc.property(secretBytes, digestBytes, (secret, digest) => {
        const publicKey = es256kPublicKey(secret)
        const mine = es256kSign(secret, digest)
        expect(mine.length).to.equal(64)
        expect(es256kVerify(mine, digest, publicKey)).to.equal(true)
        expect(
          verify('sha256', digest, { key: createPublicKey({ key: jwk(publicKey), format: 'jwk' }), dsaEncoding: 'ieee-p1363' }, mine),
        ).to.equal(true)
        const theirs = sign('sha256', digest, {
          key: createPrivateKey({ key: jwk(publicKey, secret), format: 'jwk' }),
          dsaEncoding: 'ieee-p1363',
        })
        const s = bytesToBigint(theirs.subarray(32))
        const low = Uint8Array.from([...theirs.subarray(0, 32), ...bigintToBytes(s > N / 2n ? N - s : s, 32)])
        expect(es256kVerify(low, digest, publicKey)).to.equal(true)
      }),
      settings(20),
    )
  })

  it('recovers the signer among at most two keys', () => {
    fc.assert(
      fc.property(secretBytes, digestBytes, (secret, digest) => {
        const address = addressOfPublicKey(es256kPublicKey(secret))
        const recovered = es256kRecover(es256kSign(secret, digest), digest)
        expect(recovered.length).to.equal(2)
        expect(recovered.map(addressOfPublicKey)).to.include(address)
        expect(address).to.equal(publicKeyToAddress(bytesToHex(es256kPublicKey(secret))).toLowerCase())
      }),
      settings(20),
    )
  })

  it('refuses high s, other digests, other keys and malformed bytes', () => {
    const secret = bigintToBytes(5n, 32)
    const digest = randomBytes(32)
    const publicKey = es256kPublicKey(secret)
    const good = es256kSign(secret, digest)
    const high = Uint8Array.from([...good.subarray(0, 32), ...bigintToBytes(N - bytesToBigint(good.subarray(32)), 32)])
    expect(es256kVerify(high, digest, publicKey)).to.equal(false)
    expect(es256kRecover(high, digest)).to.deep.equal([])
    expect(es256kVerify(good, randomBytes(32), publicKey)).to.equal(false)
    expect(es256kVerify(good, digest, es256kPublicKey(bigintToBytes(6n, 32)))).to.equal(false)
    expect(es256kVerify(good.subarray(1), digest, publicKey)).to.equal(false)
    expect(es256kVerify(new Uint8Array(64), digest, publicKey)).to.equal(false)
    expect(es256kVerify(good, digest, new Uint8Array(65))).to.equal(false)
    expect(es256kRecover(new Uint8Array(64), digest)).to.deep.equal([])
    expect(es256kRecover(new Uint8Array(64).fill(255), digest)).to.deep.equal([])
    expect(es256kRecover(good.subarray(1), digest)).to.deep.equal([])
    expect(() => es256kVerify(good, new Uint8Array(31), publicKey)).to.throw(CryptoError, '32 bytes')
    expect(() => es256kSign(secret, new Uint8Array(33))).to.throw(CryptoError, '32 bytes')
    expect(() => es256kSign(new Uint8Array(16), digest)).to.throw(CryptoError, '32 bytes')
  })
})
