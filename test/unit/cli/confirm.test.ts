// SPDX-License-Identifier: Apache-2.0
/** The question before anything is sent: yes, anything else, and a reader who leaves. */
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { advised } from '../../../agents/cli/chain/advice.ts'
import { confirmed } from '../../../agents/cli/chain/spend.ts'
import { callReverted } from '../../../agents/kit/reverts.ts'
import { isTrellisError } from '../../../agents/protocol/errors.ts'

describe('cli/chain/spend: the question', () => {
  const answer = (typed: string): Promise<unknown> => {
    const input = new PassThrough()
    const asked = confirmed({ input, output: new PassThrough() }).catch((error: unknown) => (isTrellisError(error) ? error.code : error))
    input.write(typed)
    return asked
  }

  it('goes on at yes alone', async () => {
    expect(await answer('y\n')).to.equal(true)
    expect(await answer(' YES \n')).to.equal(true)
    for (const typed of ['\n', 'n\n', 'yesterday\n']) expect(await answer(typed)).to.equal(false)
  })

  it('is interrupted by Ctrl-C and by Ctrl-D', async () => {
    expect(await answer('\u0003')).to.equal('INTERRUPTED')
    expect(await answer('\u0004')).to.equal('INTERRUPTED')
  })

  it('says what to do where a contract refuses, by name and by text', () => {
    const refused = (name: string, args: unknown[] = []) => advised(callReverted({ name, args, data: '0x01' }, { to: '0x', function: 'f' }))
    expect(refused('Error', ['nft already used'])).to.include({
      next: 'another command used this device NFT meanwhile: run it again, it takes what is missing',
    })
    for (const name of [
      'CredentialRegistry_NotHolder',
      'CertificateRegistry_UnknownDevice',
      'IoIDRegistry_KeyTaken',
      'CredentialRegistry_BadValidity',
    ])
      expect((refused(name) as { next: string | null }).next, name).to.be.a('string')
    expect(refused('Strange')).to.include({ next: null })
  })
})
