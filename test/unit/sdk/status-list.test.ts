// SPDX-License-Identifier: Apache-2.0
/** Status lists against Node's own gzip, and lists that lie. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  agreesWithChain,
  bitsOfWords,
  decodeList,
  purposeOf,
  readStatus,
  STATUS_LIST_BITS,
  statusListCredential,
  statusListEntry,
} from '../../../agents/sdk/status-list.ts'

const place = { url: 'https://issuer.example/status/4', issuer: 'did:io:0x1550000000000000000000000000000000000000', list: 4 }
const at = new Date('2026-01-01T00:00:00Z')
const wordsOf = (indices: readonly number[]): bigint[] => {
  const words = Array.from({ length: STATUS_LIST_BITS / 256 }, () => 0n)
  for (const index of indices) words[index >> 8]! |= 1n << BigInt(255 - (index & 255))
  return words
}
const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error as { code: string }).code,
  )

describe('sdk/status-list', () => {
  it('says of every place what the chain says', async () => {
    const places = fc.uniqueArray(fc.integer({ min: 0, max: STATUS_LIST_BITS - 1 }), { maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(places, fc.integer({ min: 0, max: STATUS_LIST_BITS - 1 }), async (set, other) => {
        const credential = await statusListCredential(place, wordsOf(set), at)
        for (const index of [...set, other])
          expect(await readStatus(credential, statusListEntry(place, index))).to.equal(set.includes(index))
        expect(await agreesWithChain(credential, wordsOf(set))).to.equal(true)
        expect(await agreesWithChain(credential, wordsOf([...set, other]))).to.equal(set.includes(other))
      }),
      { numRuns: 25 },
    )
  })

  it('is the form of the standard: the first place is the highest bit of the first byte, packed by gzip, in base64url', async () => {
    const { credentialSubject, ...credential } = await statusListCredential(place, wordsOf([0, 15]), at)
    expect(credential.type).to.deep.equal(['VerifiableCredential', 'BitstringStatusListCredential'])
    expect(credential.validFrom).to.equal('2026-01-01T00:00:00.000Z')
    expect(credentialSubject.statusPurpose).to.equal('revocation')
    const unpacked = gunzipSync(Buffer.from(credentialSubject.encodedList.slice(1), 'base64url'))
    expect(unpacked.length).to.equal(16_384)
    expect([...unpacked.subarray(0, 3)]).to.deep.equal([0x80, 0x01, 0])
    expect(credentialSubject.encodedList).to.match(/^u[\w-]+$/)
    expect(statusListEntry({ ...place, list: 5 }, 94_567)).to.include({ statusListIndex: '94567', statusPurpose: 'suspension' })
    expect([0, 1, 2].map(purposeOf)).to.deep.equal(['revocation', 'suspension', 'revocation'])
  })

  it('refuses by name what is no list, too short, too large, another list, or has no such place', async () => {
    const credential = await statusListCredential(place, wordsOf([]), at)
    const packed = (bytes: number): string => `u${gzipSync(new Uint8Array(bytes)).toString('base64url')}`
    expect(await codeOf(decodeList('H4sI'))).to.equal('MALFORMED_VALUE_ERROR')
    expect(await codeOf(decodeList('uAAAA'))).to.equal('MALFORMED_VALUE_ERROR')
    expect(await codeOf(decodeList(packed(16_383)))).to.equal('STATUS_LIST_LENGTH_ERROR')
    expect(await codeOf(decodeList(packed(1 << 26)))).to.equal('STATUS_LIST_LENGTH_ERROR')
    expect((await decodeList(packed(16_384))).length).to.equal(16_384)
    const entry = statusListEntry(place, 0)
    for (const statusListIndex of ['131072', '-1', '1.5', '01', '0x1', ''])
      expect(await codeOf(readStatus(credential, { ...entry, statusListIndex }))).to.equal('RANGE_ERROR')
    expect(await codeOf(readStatus(credential, { ...entry, statusPurpose: 'suspension' }))).to.equal('STATUS_VERIFICATION_ERROR')
    expect(await codeOf(readStatus(credential, { ...entry, statusListCredential: 'https://else' }))).to.equal('STATUS_VERIFICATION_ERROR')
    expect(() => bitsOfWords([0n])).to.throw()
  })
})
