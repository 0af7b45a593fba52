// SPDX-License-Identifier: Apache-2.0
/** Forms of did:io in the field: what each is read as, and what is refused by name. */
import { base58, bech32 } from '@scure/base'
import { expect } from 'chai'
import fc from 'fast-check'
import { getAddress, hexToBytes } from 'viem'
import { type DidForm, parseDid } from '../../../agents/protocol/did.ts'
import type { TrellisError } from '../../../agents/protocol/errors.ts'
import type { Hex } from '../../../agents/protocol/ids.ts'

const refusal = (did: string): Pick<TrellisError, 'code' | 'details'> => {
  try {
    parseDid(did)
  } catch (error) {
    return error as TrellisError
  }
  throw new Error(`${did} was read`)
}

describe('protocol/did', () => {
  // As their own tools print them.
  const field: [string, DidForm, string, number?][] = [
    ['did:io:0x6c5ea73f0824f366665a6618dc140f37652daf96', 'address', '0x6c5ea73f0824f366665a6618dc140f37652daf96'],
    ['did:io:0x476c81C27036D05cB5ebfe30ae58C23351a61C4A', 'mixedCase', '0x476c81c27036d05cb5ebfe30ae58c23351a61c4a'],
    ['did:io:io1ph0u2psnd7muq5xv9623rmxdsxc4uapxhzpg02', 'ioAddress', '0x0ddfc506136fb7c050cc2e9511eccd81b15e7426'],
    ['did:io:4690:0x0ddfC506136fb7c050Cc2E9511eccD81b15e7426', 'network', '0x0ddfc506136fb7c050cc2e9511eccd81b15e7426', 4690],
    [`did:io:0x${'00'.repeat(12)}${'ab'.repeat(20)}`, 'identifier', `0x${'ab'.repeat(20)}`],
  ]
  for (const [did, form, device, chainId] of field) {
    it(`reads ${form}`, () => {
      expect(parseDid(did)).to.deep.equal({ form, device, did: `did:io:${device}`, ...(chainId !== undefined && { chainId }) })
    })
  }

  it('reads every form of one device as the same device', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.integer({ min: 1, max: 2 ** 31 }), (bytes, chainId) => {
        const device = `0x${Buffer.from(bytes).toString('hex')}` as Hex
        const padded = Uint8Array.of(...new Uint8Array(12), ...bytes)
        const forms = [
          ...[device, getAddress(device), bech32.encode('io', bech32.toWords(bytes)), base58.encode(padded)],
          ...[`0x${Buffer.from(padded).toString('hex')}`, `${chainId}:${getAddress(device)}`],
        ]
        for (const form of forms) expect(parseDid(`did:io:${form}`).device).to.equal(device)
      }),
    )
  })

  it('refuses by name what names no device of a registry', () => {
    for (const [did, form] of [
      ['did:io:5RJ1UfUCLX68KeFMmuvaVsm6m5Y7yH1bkF5CC4WpHXxa', 'identifier'],
      [`did:io:0x${'01'.repeat(32)}`, 'identifier'],
      ['did:io:ucam:0x476c81c27036d05cb5ebfe30ae58c23351a61c4a', 'namespace'],
      ['did:io:pebble:1:0x476c81c27036d05cb5ebfe30ae58c23351a61c4a', 'namespace'],
    ] as const) {
      const { code, details } = refusal(did)
      expect({ code, form: details['form'] }, did).to.deep.equal({ code: 'DID_FORM_UNSUPPORTED', form })
    }
  })

  it('refuses what is no DID, a broken checksum, and what is too long to be one', () => {
    const good = 'io1ph0u2psnd7muq5xv9623rmxdsxc4uapxhzpg02'
    for (const id of [
      ...['', ':', '12345', '0x', `0x${'ab'.repeat(19)}`, `0X${'ab'.repeat(20)}`, `${good}x`, good.replace('ph0', 'ph9'), '0OIl'],
      ...[
        `0x${'ab'.repeat(20)}#key`,
        `0x${'ab'.repeat(20)}?a=b`,
        'a'.repeat(300),
        bech32.encode('io', bech32.toWords(hexToBytes('0x1234'))),
      ],
      ...['it', 'io1x'].map((prefix) => bech32.encode(prefix, bech32.toWords(hexToBytes(`0x${'ab'.repeat(20)}`)))),
    ])
      expect(refusal(`did:io:${id}`).code, id).to.equal('DID_INVALID')
    expect(refusal(`did:iotex:0x${'ab'.repeat(20)}`).code).to.equal('DID_INVALID')
  })
})
