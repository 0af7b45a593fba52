// SPDX-License-Identifier: Apache-2.0
/** `trellis cert` as processes over a real chain: from a device's root to a certificate for TLS that is published, renewed and revoked. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createPublicClient, http, keccak256, stringToBytes } from 'viem'
import { readNetwork } from '../../deploy/network.ts'
import { deploySuite } from '../../deploy/suite.ts'
import { type LocalChain, startChain } from './support/chain.ts'

const root = join(import.meta.dirname, '../..')
type Json = Record<string, unknown>

describe('trellis cert', function () {
  this.timeout(180_000)
  let chain: LocalChain
  let folder: string
  let height: () => Promise<bigint>
  let server: Server

  const run = (...args: string[]): Promise<{ code: number | null; out: string; err: string; json: Json }> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [join(root, 'agents/cli/main.ts'), '--state', folder, ...args], {
        env: { ...process.env, INIT_CWD: folder, NO_COLOR: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let [out, err] = ['', '']
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
      child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
      child.on('close', (code) => {
        const last = out.trim().split('\n').at(-1) ?? ''
        resolve({ code, out, err, json: last.startsWith('{') ? (JSON.parse(last) as Json) : {} })
      })
    })
  const done = async (...args: string[]): Promise<Json> => {
    const { code, out, err, json } = await run(...args, '--json')
    expect(code, `${args.join(' ')}\n${out}${err}`).to.equal(0)
    return json
  }
  const sent = (...args: string[]): Promise<Json> => done(...args, '--rpc', chain.rpcUrl, '--yes')
  const statusOf = async (name: string): Promise<unknown> =>
    (await run('cert', 'status', name, '--rpc', chain.rpcUrl, '--json')).json['status']
  const refused = async (code: string, ...args: string[]): Promise<void> => {
    const before = await height()
    const ended = await run(...args)
    expect(ended.code, ended.out).to.equal(1)
    expect(ended.err).to.contain(code)
    expect(await height()).to.equal(before)
  }

  before(async () => {
    chain = await startChain()
    folder = mkdtempSync(join(tmpdir(), 'trellis-cert-'))
    const client = createPublicClient({ transport: http(chain.rpcUrl), cacheTime: 0 })
    height = () => client.getBlockNumber({ cacheTime: 0 })
    await deploySuite({ network: readNetwork('localhost', { rpc: chain.rpcUrl }), stateFolder: folder })
    const documents = new Map<string, string>()
    server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        const name = request.method === 'GET' ? (request.url?.split('/').at(-1) ?? '') : keccak256(stringToBytes(text))
        if (request.method !== 'GET') documents.set(name, text)
        response.statusCode = request.method === 'GET' ? 200 : 201
        response.end(
          request.method === 'GET' ? documents.get(name) : JSON.stringify({ hash: name, uri: `${gateway}/v1/documents/${name}` }),
        )
      })
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const gateway = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await sent('project', 'create', 'fleet', '--type', 'hardware')
    await sent('project', 'set-device-contract', '1')
    await sent('project', 'apply', '1', '10')
    for (const name of ['hub', 'sensor']) {
      await done('did', 'new', '--out', `${name}.json`)
      await sent('device', 'register', '--project', '1', '--keys', `${name}.json`, '--gateway', gateway)
    }
  })
  after(async () => {
    server.close()
    await chain.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const deviceOf = async (name: string): Promise<string> => {
    const { json } = await run('did', 'show', '--keys', `${name}.json`, '--rpc', chain.rpcUrl, '--json')
    return String(json['did'])
  }

  it('issues, publishes, renews and revokes', async () => {
    const [hub, sensor] = [await deviceOf('hub'), await deviceOf('sensor')]
    const made = await done('cert', 'issue', '--device', hub, '--name', 'fleet.example', '--authority', '0', '--out', 'ca')
    expect(statSync(join(folder, 'ca', 'key.pem')).mode & 0o077).to.equal(0)
    expect(await statusOf('ca')).to.equal('Unknown')
    await refused('CONFIRMATION_MISSING', 'cert', 'publish', 'ca', '--issuer-keys', 'hub.json', '--rpc', chain.rpcUrl)
    expect(await sent('cert', 'publish', 'ca', '--issuer-keys', 'hub.json')).to.include({ certId: made['certId'], result: 'published' })
    expect(await sent('cert', 'publish', 'ca', '--issuer-keys', 'hub.json')).to.include({ result: 'there' })
    expect(await statusOf(String(made['certId']))).to.equal('Valid')

    await done('cert', 'issue', '--device', sensor, '--name', 's1.fleet.example', '--issuer', 'ca', '--out', 's1', '--hours', '2')
    await refused('FLAG_MALFORMED', 'cert', 'publish', 's1', '--issuer-keys', 'hub.json', '--rpc', chain.rpcUrl, '--yes')
    await refused(
      'CertificateRegistry_BadDeviceSignature',
      ...['cert', 'publish', 's1', '--issuer-keys', 'sensor.json', '--subject-keys', 'sensor.json', '--rpc', chain.rpcUrl, '--yes'],
    )
    const keys = ['--issuer-keys', 'hub.json', '--subject-keys', 'sensor.json']
    await sent('cert', 'publish', 's1', ...keys)
    expect(await statusOf('s1')).to.equal('Valid')

    await refused('FLAG_MALFORMED', 'cert', 'renew', 's1', '--out', 's2')
    await done('cert', 'renew', 's1', '--issuer', 'ca', '--out', 's2', '--hours', '2')
    await sent('cert', 'publish', 's2', ...keys)
    expect([await statusOf('s1'), await statusOf('s2')]).to.deep.equal(['Revoked', 'Valid'])

    expect(await sent('cert', 'revoke', 's2', '--issuer-keys', 'hub.json')).to.include({ result: 'revoked' })
    expect(await statusOf('s2')).to.equal('Revoked')
    expect((await run('cert', 'status', 's2', '--rpc', chain.rpcUrl)).code).to.equal(1)
  })

  it('issues nothing that could not be used, and overwrites nothing', async () => {
    const hub = await deviceOf('hub')
    const issue = ['cert', 'issue', '--device', hub]
    await refused('CERTIFICATE_EXISTS', ...issue, '--name', 'fleet.example', '--out', 'ca')
    await refused('CERTIFICATE_NOT_ISSUABLE', ...issue, '--name', 'other.example', '--issuer', 'ca', '--out', 'x')
    await refused('CERTIFICATE_NOT_ISSUABLE', ...issue, '--name', 'Fleet.example', '--out', 'x')
    writeFileSync(join(folder, 'junk.pem'), 'junk')
    await refused('PEM_UNREADABLE', ...issue, '--name', 'a.fleet.example', '--issuer', 'ca', '--public-key', 'junk.pem', '--out', 'x')
    expect(existsSync(join(folder, 'x'))).to.equal(false)
  })
})
