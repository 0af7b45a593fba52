// SPDX-License-Identifier: Apache-2.0
/** `trellis credential` as processes, over a real chain: offered, taken by the key that it is for, burned, suspended, revoked. */
import { readFileSync, writeFileSync } from 'node:fs'
import { expect } from 'chai'
import { type CliNetwork, startCliNetwork } from './support/cli.ts'

describe('trellis credential', function () {
  this.timeout(180_000)
  let network: CliNetwork
  let did: string
  let type: string
  const issuer = ['--key-file', 'issuer.key']

  before(async () => {
    network = await startCliNetwork()
    const { done, asked, file } = network
    await done('project', 'create', 'Air', '--type', 'virtual')
    await done('project', 'set-device-contract', '1')
    for (const name of ['a', 'b']) await asked('did', 'new', '--out', `${name}.keys.json`)
    did = (await done('device', 'register', '--project', '1', '--keys', 'a.keys.json'))['did'] as string
    await done('device', 'register', '--project', '1', '--keys', 'b.keys.json')
    // Accounts 1 (who pays, and makes the type) and 5 (who issues) of the development chain.
    writeFileSync(file('issuer.key'), '0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba', { mode: 0o600 })
    writeFileSync(file('calibrated.json'), JSON.stringify({ name: 'Calibrated', by: 'lab 7' }))
  })
  after(() => network.stop())

  it('makes a type, and lets only its issuers offer', async () => {
    const { done, refused } = network
    type = (await done('credential', 'type', 'Calibrated', '--price', '1000'))['type'] as string
    expect((await done('credential', 'type', 'Calibrated', '--price', '1000'))['transactions']).to.deep.equal([])
    const offer = ['credential', 'issue', did, '--type', type, '--credential', 'calibrated.json', '--out', 'offer.json', ...issuer]
    expect(await refused('ISSUER_NOT_OPEN', ...offer)).to.contain('--open 0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc')
    await done('credential', 'type', type, '--open', '0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc')
    await network.asked(...offer)
    await refused('FILE_EXISTS', ...offer)
    // Two offers more: one that is taken back, and one that outlives the revocation of the other.
    await network.asked(...offer.with(8, 'spare.json'))
    writeFileSync(network.file('schema.json'), '{"type":"object"}')
    const schema = ['credential', 'type', 'Calibrated', '--schema', 'schema.json', '--schema-uri', 'https://x.example', '--yes']
    expect(await refused('TYPE_DIFFERS', ...schema)).to.contain('schemaUri')
    const status = await network.run('credential', 'status', did, type, '--json')
    expect([status.code, status.json['status']]).to.deep.equal([1, 'missing'])
  })

  it('shows a type for what it is called, whatever its name orders the terminal to do', async () => {
    const { done, asked, run } = network
    const named = await done('credential', 'type', 'Cal\u001b[8m\n', '--price', '5')
    expect(named['name']).to.equal('Cal\u001b[8m\n')
    await done('credential', 'type', named['type'] as string, '--open', '0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc')
    await asked(
      'credential',
      'issue',
      did,
      '--type',
      named['type'] as string,
      '--credential',
      'calibrated.json',
      '--out',
      'evil.json',
      ...issuer,
    )
    const { err } = await run('credential', 'claim', 'evil.json', '--keys', 'a.keys.json')
    expect(err).not.to.contain('\u001b')
    expect(err).to.match(/"Cal\\u001b\[8m\\n" for .*, pays 0\.000000000000000005 coins \(5 wei\)/)
  })

  it('attack 8: is taken only by the key of the device that it is for', async () => {
    const { refused, file } = network
    // Another's keys say that they are not this device's; so does the chain.
    const other = await refused('CredentialRegistry_NotHolder', 'credential', 'claim', 'offer.json', '--keys', 'b.keys.json', '--yes')
    expect(other).to.contain('trellis device rotate').and.not.to.contain('TRELLIS_DEBUG')
    const changed = readFileSync(file('offer.json'), 'utf8').replace(/"validUntil":\d+/, '"validUntil":4000000000')
    writeFileSync(file('changed.json'), changed)
    await refused('CredentialRegistry_NoConsent', 'credential', 'claim', 'changed.json', '--keys', 'a.keys.json', '--yes')
  })

  it('is claimed once, with what it costs told before', async () => {
    const { done, asked, refused } = network
    expect(await refused('CONFIRMATION_MISSING', 'credential', 'claim', 'offer.json', '--keys', 'a.keys.json')).to.contain('burned')
    const claimed = await done('credential', 'claim', 'offer.json', '--keys', 'a.keys.json')
    expect(claimed).to.include({ result: 'claimed', status: 'valid', paid: '1000' })
    expect(await done('credential', 'claim', 'offer.json', '--keys', 'a.keys.json')).to.include({ result: 'there' })
    expect(await asked('credential', 'status', did, type)).to.include({ status: 'valid' })
    const listed = await asked('credential', 'list', did)
    expect((listed['credentials'] as object[])[0]).to.deep.include({ type, name: 'Calibrated', status: 'valid' })
  })

  it('is suspended and resumed, and revoked for good, by its issuer', async () => {
    const { done, refused } = network
    await refused('NOT_ISSUER', 'credential', 'revoke', did, type, '--yes')
    expect(await done('credential', 'revoke', did, type, '--suspend', ...issuer)).to.include({ status: 'suspended' })
    expect(await done('credential', 'revoke', did, type, '--resume', ...issuer)).to.include({ status: 'valid' })
    expect(await done('credential', 'revoke', did, type, ...issuer)).to.include({ status: 'revoked' })
    const revoked = await done('credential', 'revoke', did, type, ...issuer)
    expect(revoked['transactions']).to.deep.equal([])
    expect(revoked['next']).to.contain('credential cancel')
    const claimed = await network.run('credential', 'claim', 'offer.json', '--keys', 'a.keys.json', '--json', '--yes')
    expect([claimed.code, claimed.json['result'], claimed.json['status']]).to.deep.equal([1, 'there', 'revoked'])
    await refused('NOT_ISSUER', 'credential', 'cancel', 'spare.json', '--yes')
    expect(await done('credential', 'cancel', 'spare.json', ...issuer)).to.include({ result: 'cancelled' })
    expect(await done('credential', 'cancel', 'spare.json', ...issuer)).to.include({ result: 'spent' })
    await refused('CredentialRegistry_NonceSpent', 'credential', 'claim', 'spare.json', '--keys', 'a.keys.json', '--yes')
    const status = await network.run('credential', 'status', did, type, '--json')
    expect([status.code, status.json['status']]).to.deep.equal([1, 'revoked'])
  })
})
