// SPDX-License-Identifier: Apache-2.0
/** Keys in another process, over HTTP: what they sign is what a key at hand signs, and nothing that the signer answers is believed unseen. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Transaction, verifyMessage, verifyTypedData, Wallet } from 'ethers'
import fc from 'fast-check'
import { parseGwei, type Hex, type LocalAccount } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { openKey } from '../../agents/kit/keys.ts'
import { openRemoteSigner } from '../../agents/kit/remote-signer.ts'
import { authorizeRequest, verifyRequest } from '../../agents/protocol/lease.ts'
import { settings } from '../fixtures/properties.ts'
import { freePort, kill } from './support/chain.ts'

const key: Hex = `0x${'4f'.repeat(32)}`
const development: Hex = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const atHand = privateKeyToAccount(key)
const address = atHand.address.toLowerCase() as Hex

describe('remote signer', function () {
  this.timeout(60_000)
  let folder: string
  let server: ChildProcess
  let url: string
  let tokenFile: string
  let remote: LocalAccount

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trellis-signer-'))
    const port = await freePort()
    const config = join(folder, 'signer.json')
    writeFileSync(config, JSON.stringify({ port, keys: [`0x${'11'.repeat(32)}`, key, development], token: 'let me in' }))
    tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, 'let me in\n', { mode: 0o600 })
    server = spawn(process.execPath, [join(import.meta.dirname, 'support/remote-signer.ts'), config], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((resolve) => server.stdout?.once('data', resolve))
    url = `http://127.0.0.1:${port}`
    remote = await openRemoteSigner({ url, address, tokenFile }, { timeoutMs: 2_000 })
  })
  after(async () => {
    await kill(server)
    rmSync(folder, { recursive: true })
  })
  afterEach(() => mode('good'))
  const mode = (name: string): Promise<unknown> => fetch(`${url}/test/mode`, { method: 'POST', body: JSON.stringify({ mode: name }) })
  const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'no error',
      (error: unknown) => (error as { code?: unknown }).code,
    )

  it('signs transactions as a key at hand does, and ethers reads the same sender', async () => {
    const hex = (bytes: number) =>
      fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value): Hex => `0x${Buffer.from(value).toString('hex')}`)
    await fc.assert(
      fc.asyncProperty(hex(20), hex(68), fc.nat(10_000), fc.bigInt({ min: 0n, max: 10n ** 20n }), async (to, data, nonce, value) => {
        const fees = { maxFeePerGas: parseGwei('3'), maxPriorityFeePerGas: parseGwei('1') }
        const transaction = { type: 'eip1559', chainId: 31337, to, data, nonce, value, gas: 90_000n, ...fees } as const
        const signed = await remote.signTransaction(transaction)
        expect(signed).to.equal(await atHand.signTransaction(transaction))
        expect(Transaction.from(signed).from?.toLowerCase()).to.equal(address)
      }),
      settings(15),
    )
  })

  it('signs messages and typed data as a key at hand does, and ethers reads the same signer', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 200 }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), async (text, amount) => {
        const signed = await remote.signMessage({ message: text })
        expect(signed).to.equal(await atHand.signMessage({ message: text }))
        expect(verifyMessage(text, signed).toLowerCase()).to.equal(address)
        const domain = { name: 'Trellis', version: '1', chainId: 31337, verifyingContract: address } as const
        const types = {
          Order: [
            { name: 'what', type: 'string' },
            { name: 'lines', type: 'Line[]' },
          ],
          Line: [{ name: 'amount', type: 'uint64' }],
        } as const
        const message = { what: text, lines: [{ amount }, { amount: 1n }] } as const
        const typed = await remote.signTypedData({ domain, types, primaryType: 'Order', message })
        expect(typed).to.equal(await atHand.signTypedData({ domain, types, primaryType: 'Order', message }))
        expect(verifyTypedData(domain, structuredClone(types) as never, message, typed).toLowerCase()).to.equal(address)
      }),
      settings(15),
    )
    const raw = `0x${'ab'.repeat(32)}` as const
    expect(await remote.signMessage({ message: { raw } })).to.equal(await atHand.signMessage({ message: { raw } }))
  })

  it('signs the requests of a prover', async () => {
    const request = { method: 'POST', host: 'h', path: '/v1/lease', body: '{}', unixMs: Date.now() }
    const header = await authorizeRequest(remote, request)
    expect((await verifyRequest(header, { ...request, nowMs: request.unixMs })).address).to.equal(address)
  })

  it('uses no answer that is not this key’s signature of these bytes', async () => {
    for (const lie of ['other key', 'other bytes', 'high s', 'wrong v', 'eip155 v', 'short']) {
      await mode(lie)
      expect(await codeOf(remote.signMessage({ message: 'x' })), lie).to.equal('SIGNER_FORGED')
    }
  })

  it('tries again what may pass, and says what failed in bounded time', async () => {
    await mode('failing once')
    expect(await remote.signMessage({ message: 'x' })).to.equal(await atHand.signMessage({ message: 'x' }))
    const hasty = await openRemoteSigner({ url, address, tokenFile }, { timeoutMs: 200, tries: 2 })
    for (const fault of ['silent', 'failing', 'endless', 'elsewhere']) {
      await mode(fault)
      const error = await hasty.signMessage({ message: 'x' }).catch((thrown: unknown) => thrown)
      expect(error, fault).to.include({ code: 'SIGNER_UNREACHABLE', retryable: true })
      if (fault === 'endless') expect(JSON.stringify(error)).to.contain('an answer of more than')
    }
    await mode('keyless')
    expect(await codeOf(remote.signMessage({ message: 'x' }))).to.equal('SIGNER_KEY_UNKNOWN')
  })

  it('refuses a wrong token, a key that the signer has not, plain http to elsewhere, and a password in the URL', async () => {
    const bad = join(folder, 'bad token')
    writeFileSync(bad, 'let me out', { mode: 0o600 })
    const refused = await openRemoteSigner({ url, address, tokenFile: bad }).catch((thrown: unknown) => thrown)
    expect(refused).to.include({ code: 'SIGNER_REFUSED', retryable: true })
    expect(JSON.stringify(refused)).not.to.contain('let me out')
    expect(await codeOf(openRemoteSigner({ url, address: `0x${'12'.repeat(20)}`, tokenFile }))).to.equal('SIGNER_KEY_UNKNOWN')
    expect(await codeOf(openRemoteSigner({ url: 'http://10.0.0.1:9000', address }))).to.equal('SIGNER_INSECURE')
    expect(await codeOf(openRemoteSigner({ url: url.replace('//', '//user:secret@'), address }))).to.equal('SIGNER_INSECURE')
    writeFileSync(join(folder, 'open token'), 'let me in', { mode: 0o644 })
    expect(await codeOf(openRemoteSigner({ url, address, tokenFile: join(folder, 'open token') }))).to.equal('KEY_EXPOSED')
  })

  it('refuses the public development keys off local networks here too, and changes the key at a reload', async () => {
    const source = { remoteSigner: { url, address: new Wallet(development).address as Hex, tokenFile } }
    expect(await codeOf(openKey(source, { local: false }))).to.equal('KEY_PUBLIC')
    const agent = await openKey(source, { local: true })
    expect(await agent.reload({ remoteSigner: { url, address, tokenFile } })).to.equal(true)
    expect(agent.account.address.toLowerCase()).to.equal(address)
  })
})
