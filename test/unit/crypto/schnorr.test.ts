// SPDX-License-Identifier: Apache-2.0
/** Possession proofs: the contract's preimage by viem's ABI encoder, every part bound, and points that must be refused. */
import { expect } from 'chai'
import fc from 'fast-check'
import { encodeAbiParameters, keccak256, parseAbiParameters, toBytes, toHex } from 'viem'
import { add, IDENTITY, mulBase8, SUBGROUP_ORDER } from '../../../agents/crypto/babyjubjub.ts'
import { publicKeyOf, signPoseidon } from '../../../agents/crypto/eddsa.ts'
import { CryptoError } from '../../../agents/crypto/errors.ts'
import { FIELD } from '../../../agents/crypto/field.ts'
import { type KeyBinding, possessionHash, signPossession, verifyPossession } from '../../../agents/crypto/schnorr.ts'
import { secret } from './arbitraries.ts'
import { settings } from '../../fixtures/properties.ts'

const binding: KeyBinding = {
  chainId: 31337n,
  registry: '0x5FbDB2315678afecb367f032d93F642f64180aa3',
  project: 7n,
  device: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
  tokenId: 9n,
  fromWindow: 3,
  deadline: 1_900_000_000n,
}
const key = new Uint8Array(32).fill(9)
const publicKey = publicKeyOf(key)
const good = signPossession(key, binding)

describe('crypto: schnorr possession', () => {
  it('hashes the preimage of IDataKeyRegistry', () => {
    const types = parseAbiParameters(
      'bytes32, uint256, address, uint256, address, uint256, uint256, uint256, uint32, uint256, uint256, uint256',
    )
    const encoded = encodeAbiParameters(types, [
      keccak256(toBytes('trellis.datakey.possession')),
      binding.chainId,
      binding.registry as `0x${string}`,
      binding.project,
      binding.device as `0x${string}`,
      binding.tokenId,
      publicKey.x,
      publicKey.y,
      binding.fromWindow,
      binding.deadline,
      good.r.x,
      good.r.y,
    ])
    expect(toHex(possessionHash(binding, publicKey, good.r))).to.equal(keccak256(encoded))
  })

  it('verifies what it signs, and nothing under another key', () => {
    fc.assert(
      fc.property(secret, (bytes) => {
        const signature = signPossession(bytes, binding)
        expect(verifyPossession(binding, publicKeyOf(bytes), signature)).to.equal(true)
        expect(verifyPossession(binding, mulBase8(5n), signature)).to.equal(false)
      }),
      settings(10),
    )
  })

  it('binds every part', () => {
    const others: KeyBinding[] = [
      { ...binding, chainId: 1n },
      { ...binding, registry: binding.device },
      { ...binding, project: 8n },
      { ...binding, device: binding.registry },
      { ...binding, tokenId: 10n },
      { ...binding, fromWindow: 4 },
      { ...binding, deadline: binding.deadline + 1n },
    ]
    for (const other of others) {
      expect(verifyPossession(other, publicKey, good)).to.equal(false)
      expect(signPossession(key, other).r, 'another binding, another nonce').to.not.deep.equal(good.r)
    }
  })

  it('refuses s + l, points off the curve, and keys outside the subgroup', () => {
    const two = { x: 0n, y: FIELD - 1n }
    expect(verifyPossession(binding, publicKey, { ...good, s: good.s + SUBGROUP_ORDER })).to.equal(false)
    expect(verifyPossession(binding, publicKey, { ...good, r: { x: 1n, y: 1n } })).to.equal(false)
    expect(verifyPossession(binding, publicKey, { ...good, r: add(good.r, two) })).to.equal(false)
    expect(verifyPossession(binding, add(publicKey, two), good)).to.equal(false)
    expect(verifyPossession(binding, IDENTITY, { r: mulBase8(4n), s: 4n })).to.equal(false)
    expect(verifyPossession(binding, { x: publicKey.x + FIELD, y: publicKey.y }, good)).to.equal(false)
  })

  it('does not share a nonce with EdDSA', () => {
    const message = BigInt(toHex(possessionHash(binding, publicKey, { x: 0n, y: 0n }))) % FIELD
    expect(signPoseidon(key, message).R8).to.not.deep.equal(good.r)
  })

  it('throws for what is not an address', () => {
    expect(() => signPossession(key, { ...binding, device: '0x12' })).to.throw(CryptoError, 'not an address')
  })
})
