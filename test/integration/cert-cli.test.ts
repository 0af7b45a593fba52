// SPDX-License-Identifier: Apache-2.0
/** `trellis cert` as processes over a real chain: from a device's root to a certificate for TLS that is published, renewed and revoked. */
import { existsSync, statSync, writeFileSync } from 'node:fs'
import { expect } from 'chai'
import { type CliNetwork, startCliNetwork } from './support/cli.ts'

describe('trellis cert', function () {
  this.timeout(180_000)
  let cli: CliNetwork

  const statusOf = async (name: string): Promise<unknown> => (await cli.run('cert', 'status', name, '--json')).json['status']
  const deviceOf = async (name: string): Promise<string> => String((await cli.asked('did', 'show', '--keys', `${name}.json`))['did'])

  before(async () => {
    cli = await startCliNetwork()
    await cli.done('project', 'create', 'fleet', '--type', 'hardware')
    await cli.done('project', 'set-device-contract', '1')
    await cli.done('project', 'apply', '1', '10')
    for (const name of ['hub', 'sensor']) {
      await cli.asked('did', 'new', '--out', `${name}.json`)
      await cli.done('device', 'register', '--project', '1', '--keys', `${name}.json`)
    }
  })
  after(() => cli.stop())

  it('issues, publishes, renews and revokes', async () => {
    const { asked, done, refused, run, file } = cli
    const [hub, sensor] = [await deviceOf('hub'), await deviceOf('sensor')]
    const made = await asked('cert', 'issue', '--device', hub, '--name', 'fleet.example', '--authority', '0', '--out', 'ca')
    expect(statSync(file('ca/key.pem')).mode & 0o077).to.equal(0)
    expect(await statusOf('ca')).to.equal('Unknown')
    await refused('CONFIRMATION_MISSING', 'cert', 'publish', 'ca', '--issuer-keys', 'hub.json')
    expect(await done('cert', 'publish', 'ca', '--issuer-keys', 'hub.json')).to.include({ certId: made['certId'], result: 'published' })
    expect(await done('cert', 'publish', 'ca', '--issuer-keys', 'hub.json')).to.include({ result: 'there' })
    expect(await statusOf(String(made['certId']))).to.equal('Valid')

    await asked('cert', 'issue', '--device', sensor, '--name', 's1.fleet.example', '--issuer', 'ca', '--out', 's1', '--hours', '2')
    await refused('FLAG_MALFORMED', 'cert', 'publish', 's1', '--issuer-keys', 'hub.json', '--yes')
    const wrong = ['--issuer-keys', 'sensor.json', '--subject-keys', 'sensor.json', '--yes']
    await refused('CertificateRegistry_BadDeviceSignature', 'cert', 'publish', 's1', ...wrong)
    const keys = ['--issuer-keys', 'hub.json', '--subject-keys', 'sensor.json']
    await done('cert', 'publish', 's1', ...keys)
    expect(await statusOf('s1')).to.equal('Valid')

    await refused('FLAG_MALFORMED', 'cert', 'renew', 's1', '--out', 's2')
    await asked('cert', 'renew', 's1', '--issuer', 'ca', '--out', 's2', '--hours', '2')
    await done('cert', 'publish', 's2', ...keys)
    expect([await statusOf('s1'), await statusOf('s2')]).to.deep.equal(['Revoked', 'Valid'])

    // The owner who pays needs no keys, and the device's own do him no harm.
    expect(await done('cert', 'revoke', 's2', '--issuer-keys', 'sensor.json')).to.include({ result: 'revoked' })
    expect(await statusOf('s2')).to.equal('Revoked')
    expect((await run('cert', 'status', 's2')).code).to.equal(1)
    await refused('CERTIFICATE_UNKNOWN', 'cert', 'revoke', `0x${'11'.repeat(32)}`, '--yes')
    await refused('FILE_MISSING', 'cert', 'status', 'nofolder')
    await asked('cert', 'issue', '--device', hub, '--name', 'u.example', '--authority', '0', '--out', 'u1')
    await asked('cert', 'renew', 'u1', '--out', 'u2')
    expect(await refused('CERTIFICATE_UNKNOWN', 'cert', 'publish', 'u2', '--issuer-keys', 'hub.json', '--yes')).to.contain(
      'never published',
    )
  })

  it('issues nothing that could not be used, and overwrites nothing', async () => {
    const { refused, file } = cli
    const issue = ['cert', 'issue', '--device', await deviceOf('hub')]
    await refused('CERTIFICATE_EXISTS', ...issue, '--name', 'fleet.example', '--out', 'ca')
    await refused('CERTIFICATE_NOT_ISSUABLE', ...issue, '--name', 'other.example', '--issuer', 'ca', '--out', 'x')
    await refused('CERTIFICATE_NOT_ISSUABLE', ...issue, '--name', 'Fleet.example', '--out', 'x')
    writeFileSync(file('junk.pem'), 'junk')
    await refused('PEM_UNREADABLE', ...issue, '--name', 'a.fleet.example', '--issuer', 'ca', '--public-key', 'junk.pem', '--out', 'x')
    expect(existsSync(file('x'))).to.equal(false)
  })
})
