// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { encryptKeystoreJsonSync, Wallet } from 'ethers'
import { isLocal } from '../../../agents/kit/deployment.ts'
import { loadAccount } from '../../../agents/kit/keys.ts'

const folder = mkdtempSync(join(tmpdir(), 'trellis-keys-'))
const file = (name: string, content: string, mode = 0o600): string => {
  writeFileSync(join(folder, name), content, { mode })
  return join(folder, name)
}
const key = `0x${'4f'.repeat(32)}`
const development = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const { address } = new Wallet(key)

describe('loadAccount', () => {
  it('opens a keystore that ethers made, with its password', () => {
    const keystore = encryptKeystoreJsonSync({ address, privateKey: key }, 'secret', { scrypt: { N: 1024, r: 8, p: 1 } })
    const source = { keyFile: file('v3.json', keystore), passwordFile: file('password', 'secret\n') }
    expect(loadAccount(source, { local: false }).address).to.equal(address)
    const wrong = { ...source, passwordFile: file('wrong', 'secret2') }
    expect(() => loadAccount(wrong, { local: false }))
      .to.throw()
      .with.property('code', 'KEY_UNREADABLE')
    expect(() => loadAccount({ keyFile: source.keyFile }, { local: false }))
      .to.throw()
      .with.property('code', 'KEY_UNREADABLE')
  })

  it('calls a network local only when its deployment says so and its RPC is on loopback', () => {
    expect(isLocal({ kind: 'local' }, 'http://127.0.0.1:8545')).to.equal(true)
    expect(isLocal({ kind: 'local' }, 'http://10.0.0.1:8545')).to.equal(false)
    expect(isLocal({ kind: 'local' }, 'https://127.0.0.1.example.org')).to.equal(false)
    expect(isLocal({ kind: 'public' }, 'http://127.0.0.1:8545')).to.equal(false)
  })

  it('takes bare keys and development keys on local networks only', () => {
    const bare = { keyFile: file('bare', key) }
    expect(loadAccount(bare, { local: true }).address).to.equal(address)
    expect(() => loadAccount(bare, { local: false }))
      .to.throw()
      .with.property('code', 'KEY_UNENCRYPTED')
    const keystore = encryptKeystoreJsonSync({ address: new Wallet(development).address, privateKey: development }, 'p', {
      scrypt: { N: 1024, r: 8, p: 1 },
    })
    const source = { keyFile: file('dev.json', keystore), passwordFile: file('p', 'p') }
    expect(() => loadAccount(source, { local: false }))
      .to.throw()
      .with.property('code', 'KEY_PUBLIC')
    expect(loadAccount(source, { local: true }).address).to.equal(new Wallet(development).address)
  })

  it('refuses a key that others can read, and one that is not there', () => {
    expect(() => loadAccount({ keyFile: file('open', key, 0o644) }, { local: true }))
      .to.throw()
      .with.property('code', 'KEY_EXPOSED')
    expect(() => loadAccount({ keyFile: join(folder, 'none') }, { local: true }))
      .to.throw()
      .with.property('code', 'KEY_UNREADABLE')
  })

  it('never repeats the key in an error', () => {
    expect(() => loadAccount({ keyFile: file('short', key.slice(0, 50)) }, { local: true }))
      .to.throw()
      .and.satisfy((error: Error) => !JSON.stringify(error).includes(key.slice(2, 20)) && !error.message.includes(key.slice(2, 20)))
  })
})
