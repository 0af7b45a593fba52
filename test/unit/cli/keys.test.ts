// SPDX-License-Identifier: Apache-2.0
/** `trellis keys` as a process: what it writes, what it refuses, and that no key and no password is seen. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { encryptKeystoreJsonSync, Wallet } from 'ethers'
import { importKey, keyAddress, listKeys } from '../../../agents/cli/keys.ts'
import { passwordOf } from '../../../agents/cli/password.ts'

const main = join(import.meta.dirname, '../../../agents/cli/main.ts')
const key = `0x${'4f'.repeat(32)}`
const { address } = new Wallet(key)

describe('trellis keys', function () {
  this.timeout(60_000)
  let folder: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'trellis-keys-cli-'))
    writeFileSync(join(folder, 'password'), 'correct horse\n', { mode: 0o600 })
  })
  after(() => rmSync(folder, { recursive: true }))

  const keys = async (args: string[], input?: string): Promise<{ code: number; out: string; err: string }> => {
    const env = { PATH: process.env['PATH'], INIT_CWD: folder }
    const child = spawn(process.execPath, [main, 'keys', ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.stdin.end(input ?? '')
    const [code] = (await once(child, 'close')) as [number]
    return { code, out, err }
  }

  /** The same command in this process, with paths as they are; what it printed. */
  const here = async (command: () => void | Promise<void>): Promise<string> => {
    const lines: string[] = []
    const { log } = console
    console.log = (line: string) => lines.push(line)
    try {
      await command()
    } finally {
      console.log = log
    }
    return lines.join('\n')
  }
  const at = (name: string): string => join(folder, name)
  const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'no error',
      (error: unknown) => (error as { code?: unknown }).code,
    )

  it('makes a keystore that ethers opens, once', async () => {
    const made = await keys(['new', '--out', 'new.json', '--password-file', 'password'])
    expect(made.err).to.equal('')
    const json = readFileSync(join(folder, 'new.json'), 'utf8')
    expect(statSync(join(folder, 'new.json')).mode & 0o777).to.equal(0o600)
    const wallet = await Wallet.fromEncryptedJson(json, 'correct horse')
    expect(made.out.trim()).to.equal(`${wallet.address}  ${join(folder, 'new.json')}`)
    const again = await keys(['new', '--out', 'new.json', '--password-file', 'password'])
    expect(again.code).to.equal(1)
    expect(again.err).to.contain('KEY_FILE_EXISTS')
    expect(readFileSync(join(folder, 'new.json'), 'utf8')).to.equal(json)
    expect(readdirSync(folder).sort()).to.deep.equal(['new.json', 'password'])
  })

  it('imports a hex key from a pipe and a keystore from a file; lists both; checks an address', async () => {
    const piped = await keys(['import', '--out', 'a.json', '--password-file', 'password'], `${key}\n`)
    expect(piped.out).to.contain(address)
    const old = encryptKeystoreJsonSync({ address, privateKey: key }, 'old', { scrypt: { N: 1024, r: 8, p: 1 } })
    writeFileSync(join(folder, 'old.json'), old, { mode: 0o600 })
    writeFileSync(join(folder, 'old password'), 'old', { mode: 0o600 })
    writeFileSync(join(folder, 'bare'), key, { mode: 0o600 })
    const passwordFile = at('password')
    const moved = await here(() =>
      importKey({ from: at('old.json'), fromPasswordFile: at('old password'), out: at('b.json'), passwordFile }),
    )
    expect(moved).to.contain(address)
    const listed = await here(() => listKeys(folder, { json: true }))
    const found = (JSON.parse(listed) as { address: string; kind: string; file: string }[]).map(({ file, ...rest }) => ({
      ...rest,
      file: file.slice(folder.length + 1),
    }))
    const mine = { address: address.toLowerCase(), kind: 'keystore' }
    expect(found.filter(({ file }) => file !== 'new.json')).to.deep.equal([
      { ...mine, file: 'a.json' },
      { ...mine, file: 'b.json' },
      { ...mine, kind: 'bare key', file: 'bare' },
      { ...mine, file: 'old.json' },
    ])
    expect(await here(() => keyAddress(at('b.json'), { passwordFile }))).to.equal(address)
    const wrong = await keyAddress(at('b.json'), { passwordFile: at('old password') }).catch((error: unknown) => error as Error)
    expect(wrong).to.have.property('code', 'KEY_UNREADABLE')
    for (const text of [piped.out, piped.err, moved, listed, JSON.stringify(wrong), (wrong as Error).message]) {
      expect(text).not.to.contain(key.slice(2, 20))
      expect(text).not.to.contain('correct horse')
    }
  })

  it('takes no key and no password as an argument, and asks nobody when there is no terminal', async () => {
    const argument = await keys(['import', key, '--out', 'c.json', '--password-file', 'password'])
    expect([argument.code, argument.err.includes('too many arguments')]).to.deep.equal([1, true])
    expect(argument.out + argument.err).not.to.contain(key.slice(2, 20))
    const silent = await keys(['new', '--out', 'c.json'])
    expect([silent.code, silent.err.includes('PASSWORD_MISSING')]).to.deep.equal([1, true])
    expect(await codeOf(importKey({ from: at('password'), out: at('c.json'), passwordFile: at('password') }))).to.equal('KEY_UNREADABLE')
    expect(readdirSync(folder)).not.to.contain('c.json')
  })

  it('reads a typed password without showing it, with corrections, twice', async () => {
    const input = Object.assign(new PassThrough(), { isTTY: true, raw: [] as boolean[], setRawMode: (on: boolean) => input.raw.push(on) })
    const output = new PassThrough()
    let shown = ''
    output.on('data', (chunk: Buffer) => (shown += chunk.toString()))
    const terminal = { input, output } as never
    const typed = passwordOf(undefined, 'it', { twice: true, at: terminal })
    input.write('secretx\u007f\r')
    while (!shown.includes('again')) await new Promise((resolve) => setImmediate(resolve))
    input.write('secret\r')
    expect(await typed).to.equal('secret')
    expect(shown).not.to.contain('secret')
    expect(input.raw).to.deep.equal([true, false, true, false])

    const interrupted = passwordOf(undefined, 'it', { at: terminal }).catch((error: unknown) => error)
    input.write('abc\u0003')
    expect(await interrupted).to.have.property('code', 'INTERRUPTED')
    shown = ''
    const differs = passwordOf(undefined, 'it', { twice: true, at: terminal }).catch((error: unknown) => error)
    input.write('a\r')
    while (!shown.includes('again')) await new Promise((resolve) => setImmediate(resolve))
    input.write('b\r')
    expect(await differs).to.have.property('code', 'PASSWORD_DIFFERS')
  })
})
