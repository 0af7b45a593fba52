// SPDX-License-Identifier: Apache-2.0
/** Network files: what is checked, and that every error is told at once. */
import { expect } from 'chai'
import { isLoopback } from '../../../agents/kit/loopback.ts'
import { TrellisError } from '../../../agents/protocol/errors.ts'
import { networkNames, parseNetwork, readNetwork } from '../../../deploy/network.ts'

const local = (): Record<string, unknown> => ({ ...readNetwork('localhost') })

function refusal(content: unknown): TrellisError {
  try {
    parseNetwork(content, 'file.json')
  } catch (error) {
    if (error instanceof TrellisError) return error
    throw error
  }
  throw new Error('the file was accepted')
}

describe('deploy/network', () => {
  it('reads the local network file', () => {
    expect(readNetwork('localhost')).to.include({ kind: 'local', chainId: 31337, replayAllowed: true, upgradeDelaySeconds: 0 })
    expect(networkNames()).to.include.members(['localhost', 'iotex-testnet'])
  })

  it('refuses a name that would leave the folder', () => {
    for (const name of ['../../package', '..', 'a/b', 'a.json', 'LOCALHOST', ''])
      expect(() => readNetwork(name), name)
        .to.throw(TrellisError)
        .with.property('code', 'NETWORK_NAME_INVALID')
    expect(() => readNetwork('nowhere'))
      .to.throw(TrellisError)
      .with.property('code', 'NETWORK_UNKNOWN')
  })

  it('tells every wrong field at once', () => {
    const error = refusal({ ...local(), chainId: -1, rpc: 'ftp://x', confirmations: 0, ioIDPrice: '1.5', feeReceiver: 'me', extra: 1 })
    expect(error.code).to.equal('NETWORK_FILE_INVALID')
    expect(Object.keys(error.details)).to.include.members(['chainId', 'rpc', 'confirmations', 'ioIDPrice', 'feeReceiver', '(file)'])
    expect(error.next).to.be.a('string')
  })

  it('refuses on a public network what is for local ones, all at once', () => {
    const error = refusal({ ...local(), kind: 'public' })
    expect(Object.keys(error.details)).to.have.members([
      'replayAllowed',
      'token',
      'upgradeDelaySeconds',
      'administrator',
      'chainId',
      'ceremonies',
    ])
  })

  it('refuses an administrator that is quicker than upgrades, and a guardian of its own upgrades', () => {
    const account = `0x${'ab'.repeat(20)}`
    const error = refusal({
      ...local(),
      ...{ kind: 'public', chainId: 4690, upgradeDelaySeconds: 172_800, administratorDelaySeconds: 86_400 },
      ...{ upgrader: account, guardian: account.toUpperCase().replace('0X', '0x') },
    })
    expect(Object.keys(error.details)).to.include.members(['administratorDelaySeconds', 'guardian'])
  })

  it('refuses the example until its zero addresses are replaced', () => {
    expect(() => readNetwork('iotex-testnet')).to.throw(TrellisError, 'wrong field')
  })

  it('names the networks that exist when one does not', () => {
    for (const name of ['nowhere', 'iotex']) {
      try {
        readNetwork(name)
        expect.fail('it was found')
      } catch (error) {
        expect((error as TrellisError).code).to.equal('NETWORK_UNKNOWN')
        expect((error as TrellisError).details)
          .to.have.property('known')
          .that.contains('localhost')
      }
    }
  })

  it('takes only addresses of this machine as loopback', () => {
    expect(isLoopback('http://127.0.0.1:8545')).to.equal(true)
    expect(isLoopback('http://localhost:8545')).to.equal(true)
    expect(isLoopback('http://[::1]:8545')).to.equal(true)
    expect(isLoopback('http://127.0.0.1.example.org')).to.equal(false)
    expect(isLoopback('http://10.0.0.1:8545')).to.equal(false)
  })
})
