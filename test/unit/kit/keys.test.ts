// SPDX-License-Identifier: Apache-2.0
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { encryptKeystoreJsonSync, Wallet } from 'ethers'
import fc from 'fast-check'
import { isLocal } from '../../../agents/kit/deployment.ts'
import { loadAccount, openKey, parseBareKey } from '../../../agents/kit/keys.ts'
import { decryptKeystore, encryptKeystore, parseKeystore } from '../../../agents/kit/keystore.ts'
import { writeSecretFile } from '../../../agents/kit/secret-file.ts'
import { settings } from '../../fixtures/properties.ts'

const folder = mkdtempSync(join(tmpdir(), 'trellis-keys-'))
const file = (name: string, content: string, mode = 0o600): string => {
  const path = join(folder, name)
  rmSync(path, { force: true })
  writeFileSync(path, content, { mode })
  return path
}
const key = `0x${'4f'.repeat(32)}` as const
const other = `0x${'5e'.repeat(32)}` as const
const development = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const { address } = new Wallet(key)
const light = { scrypt: { N: 1024, r: 8, p: 1 } }
const v3 = (privateKey: string, password: string): string =>
  encryptKeystoreJsonSync({ address: new Wallet(privateKey).address, privateKey }, password, light)
const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error as { code?: unknown }).code,
  )

describe('openKey', () => {
  it('opens a keystore that ethers made, with its password', async () => {
    const source = { keyFile: file('v3.json', v3(key, 'secret')), passwordFile: file('password', 'secret\n') }
    expect((await openKey(source, { local: false })).account.address).to.equal(address)
    expect(await codeOf(openKey({ ...source, passwordFile: file('wrong', 'secret2') }, { local: false }))).to.equal('KEY_UNREADABLE')
    expect(await codeOf(openKey({ keyFile: source.keyFile }, { local: false }))).to.equal('KEY_UNREADABLE')
  })

  it('calls a network local only when its deployment says so and its RPC is on loopback', () => {
    expect(isLocal({ kind: 'local' }, 'http://127.0.0.1:8545')).to.equal(true)
    expect(isLocal({ kind: 'local' }, 'http://10.0.0.1:8545')).to.equal(false)
    expect(isLocal({ kind: 'local' }, 'https://127.0.0.1.example.org')).to.equal(false)
    expect(isLocal({ kind: 'public' }, 'http://127.0.0.1:8545')).to.equal(false)
  })

  it('takes bare keys and development keys on local networks only', async () => {
    const bare = { keyFile: file('bare', key) }
    expect((await openKey(bare, { local: true })).account.address).to.equal(address)
    expect(await codeOf(openKey(bare, { local: false }))).to.equal('KEY_UNENCRYPTED')
    const source = { keyFile: file('dev.json', v3(development, 'p')), passwordFile: file('p', 'p') }
    expect(await codeOf(openKey(source, { local: false }))).to.equal('KEY_PUBLIC')
    expect((await openKey(source, { local: true })).account.address).to.equal(new Wallet(development).address)
  })

  it('refuses a key that others can read, and one that is not there', async () => {
    expect(await codeOf(openKey({ keyFile: file('open', key, 0o644) }, { local: true }))).to.equal('KEY_EXPOSED')
    expect(await codeOf(openKey({ keyFile: join(folder, 'none') }, { local: true }))).to.equal('KEY_UNREADABLE')
    const source = { keyFile: file('v3b.json', v3(key, 'secret')), passwordFile: file('open password', 'secret', 0o640) }
    expect(await codeOf(openKey(source, { local: true }))).to.equal('KEY_EXPOSED')
  })

  it('never repeats the key in an error', async () => {
    const short = await loadAccount({ keyFile: file('short', key.slice(0, 50)) }, { local: true }).catch((error: unknown) => error as Error)
    expect(short).to.be.instanceOf(Error)
    expect(JSON.stringify(short) + (short as Error).message).not.to.contain(key.slice(2, 20))
    const mistaken = await loadAccount({ keyFile: key }, { local: true }).catch((error: unknown) => error as Error)
    expect(mistaken).to.have.property('code', 'KEY_UNREADABLE')
    expect(JSON.stringify(mistaken) + (mistaken as Error).message).not.to.contain(key.slice(2, 20))
  })

  it('takes the new key at a reload, and keeps the one in use when the new one is broken', async () => {
    const keyFile = file('rotating', key)
    const agent = await openKey({ keyFile }, { local: true })
    expect(await agent.reload()).to.equal(false)
    writeFileSync(keyFile, other)
    expect(await agent.reload()).to.equal(true)
    expect(agent.account.address).to.equal(new Wallet(other).address)
    writeFileSync(keyFile, 'torn')
    expect(await codeOf(agent.reload())).to.equal('KEY_UNREADABLE')
    chmodSync(keyFile, 0o644)
    expect(await codeOf(agent.reload())).to.equal('KEY_EXPOSED')
    expect(agent.account.address).to.equal(new Wallet(other).address)
    expect(await agent.reload({ keyFile: file('another', key) })).to.equal(true)
    agent.close()
    expect(() => agent.account)
      .to.throw()
      .with.property('code', 'STOPPED')
  })

  it('knows a key from other hex', () => {
    expect(parseBareKey(key.slice(2))).to.equal(key)
    expect(parseBareKey(`0x${'00'.repeat(32)}`)).to.equal(null)
    expect(parseBareKey(`0x${'ff'.repeat(32)}`)).to.equal(null)
    expect(parseBareKey(key.slice(0, -1))).to.equal(null)
  })
})

describe('keystore', () => {
  it('is opened by ethers, also with a password that is not ASCII', async () => {
    const password = 'Schlüssel ﬁ ½ 鍵'
    const json = await encryptKeystore(key, password)
    expect((await Wallet.fromEncryptedJson(json, password)).privateKey).to.equal(key)
    expect(await decryptKeystore(parseKeystore(json)!, password, 'f')).to.equal(key)
    expect(json).not.to.contain(key.slice(2, 12))
  }).timeout(30_000)

  it('opens what ethers writes, whatever the key and the password', async () => {
    const secrets = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`)
    await fc.assert(
      fc.asyncProperty(
        secrets.filter((secret) => parseBareKey(secret) !== null),
        fc.string({ unit: 'grapheme', maxLength: 20 }),
        async (secret, password) => {
          expect(await decryptKeystore(parseKeystore(v3(secret, password))!, password, 'f')).to.equal(secret)
        },
      ),
      settings(20),
    )
  }).timeout(30_000)

  it('opens pbkdf2 and the spelling of the first drafts: the test vector of the specification', async () => {
    const vector = {
      Crypto: {
        cipher: 'aes-128-ctr',
        cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
        ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
        kdf: 'pbkdf2',
        kdfparams: {
          c: 262144,
          dklen: 32,
          prf: 'hmac-sha256',
          salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
        },
        mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
      },
      id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
      version: 3,
    }
    const opened = await decryptKeystore(parseKeystore(JSON.stringify(vector))!, 'testpassword', 'f')
    expect(opened).to.equal('0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d')
  }).timeout(20_000)

  it('refuses parameters that would fill the machine, and an address that is not its key’s', async () => {
    const json = JSON.parse(v3(key, 'p')) as { Crypto: { kdfparams: Record<string, number> }; address: string }
    const heavy = structuredClone(json)
    Object.assign(heavy.Crypto.kdfparams, { n: 2 ** 20, r: 64 })
    expect(await codeOf(decryptKeystore(parseKeystore(JSON.stringify(heavy))!, 'p', 'f'))).to.equal('KEY_UNREADABLE')
    const odd = structuredClone(json)
    odd.Crypto.kdfparams['n'] = 1000
    expect(await codeOf(decryptKeystore(parseKeystore(JSON.stringify(odd))!, 'p', 'f'))).to.equal('KEY_UNREADABLE')
    const claimed = { ...json, address: new Wallet(other).address.slice(2) }
    expect(await codeOf(decryptKeystore(parseKeystore(JSON.stringify(claimed))!, 'p', 'f'))).to.equal('KEY_UNREADABLE')
    expect(parseKeystore('{"version":3}')).to.equal(null)
  })
})

describe('writeSecretFile', () => {
  after(() => rmSync(folder, { recursive: true }))

  it('writes for the owner only, never over a file, and leaves nothing beside', () => {
    const path = join(folder, 'deep', 'key.json')
    writeSecretFile(path, 'one')
    expect(statSync(path).mode & 0o777).to.equal(0o600)
    expect(() => writeSecretFile(path, 'two'))
      .to.throw()
      .with.property('code', 'KEY_FILE_EXISTS')
    expect(readFileSync(path, 'utf8')).to.equal('one')
    expect(readdirSync(join(folder, 'deep'))).to.deep.equal(['key.json'])
  })
})
