// SPDX-License-Identifier: Apache-2.0
/** Two devices as two processes over TLS 1.3, their certificates on a real chain: connected while all above is good, refused from the block on that it is not. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect } from 'node:tls'
import { expect } from 'chai'
import { type Address, createPublicClient, http, zeroHash } from 'viem'
import { ioIDRegistryDomain, permitTypes } from '../../agents/protocol/eip712/identity.ts'
import type { TrellisError } from '../../agents/protocol/errors.ts'
import { deviceId, type DeviceId } from '../../agents/protocol/ids.ts'
import { type PeerPolicy, type SecurePeer, tlsConnect, type TlsIdentity } from '../../agents/sdk/drivers/node/tls.ts'
import { type CertId, certIdsOf, type ParsedCertificate, recordOf } from '../../agents/sdk/x509/certificate.ts'
import { type CertificateKey, issueBelow, issueRoot, newCertificateKey } from '../../agents/sdk/x509/issue.ts'
import { keyToPem, pathToPem } from '../../agents/sdk/x509/pem.ts'
import { signCertificate, signRevocation, standingReader, statusReader } from '../../agents/sdk/x509/registry.ts'
import { deployIdentity, HASH, type IdentitySuite, key, split, URI } from '../fixtures/identity.ts'
import { kill, type LocalChain, startChain } from './support/chain.ts'
import type { TlsProcessOptions } from './tls-process.ts'

const [ROOT, FLEET, SERVER, CLIENT] = [1, 2, 3, 4]
const secret = (n: number): Uint8Array => Uint8Array.from(Buffer.from((0x1000000 + n).toString(16).padStart(64, '0'), 'hex'))
const device = (n: number): DeviceId => deviceId(key(n).address)
const now = (): number => Math.floor(Date.now() / 1000)
const sleep = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms))

/** A certificate, its key and what stands above it. */
interface Holder {
  owner: number
  key: CertificateKey
  /** This one first. */
  path: ParsedCertificate[]
}

describe('TLS between devices', function () {
  this.timeout(180_000)
  let chain: LocalChain
  let suite: IdentitySuite
  let root: Holder
  let fleet: Holder
  let child: ChildProcess
  let port: number
  let policy: PeerPolicy
  /** What the server says, oldest first. */
  const heard: Record<string, unknown>[] = []

  const places = () => ({
    chainId: suite.chainId,
    ioIDRegistry: suite.registry.address,
    dataKeyRegistry: suite.dataKeys.address,
    certificateRegistry: suite.certificates.address,
  })
  const permit = async (n: number): Promise<unknown[]> => {
    const nonce = await suite.read<bigint>(suite.registry, 'nonces', [key(n).address])
    const domain = ioIDRegistryDomain(suite.chainId, suite.registry.address)
    const message = { owner: suite.owner, nonce }
    const { v, r, s } = split(await key(n).signTypedData({ domain, types: permitTypes, primaryType: 'Permit', message }))
    return [v, r, s]
  }
  const register = async (n: number): Promise<void> => {
    const tokenId = await suite.mintDevice(suite.owner)
    const args = [suite.deviceNFT.address, tokenId, key(n).address, HASH, URI, ...(await permit(n))]
    await suite.send(suite.owner, suite.registry, 'register(address,uint256,address,bytes32,string,uint8,bytes32,bytes32)', args)
  }
  const publish = async (path: readonly ParsedCertificate[], issuer: number, subject: number): Promise<void> => {
    const record = recordOf(path[0]!, certIdsOf(path)[1] ?? zeroHash)
    const deadline = BigInt(now() + 3600)
    const standing = await standingReader(suite.client, suite.certificates.address)(record.device)
    const byIssuer = await signCertificate(secret(issuer), places(), record, standing, deadline)
    const bySubject = issuer === subject ? '0x' : await signCertificate(secret(subject), places(), record, standing, deadline)
    await suite.send(suite.owner, suite.certificates, 'publish', [record, deadline, byIssuer, bySubject])
  }
  const below = async (
    above: Holder,
    owner: number,
    name: string,
    change: { pathLen?: number; seconds?: number } = {},
  ): Promise<Holder> => {
    const keys = await newCertificateKey()
    const { pathLen, seconds = 3600 } = change
    const subject = { device: device(owner), name, notBefore: now() - 60, notAfter: now() + seconds, pathLen }
    const certificate = await issueBelow(subject, keys.publicKey, { certificate: above.path[0]!, key: above.key })
    return { owner, key: keys.privateKey, path: [certificate, ...above.path] }
  }
  const published = async (holder: Holder, issuer: number): Promise<Holder> => {
    await publish(holder.path, issuer, holder.owner)
    return holder
  }
  const identityOf = async (holder: Holder): Promise<TlsIdentity> => ({ key: await keyToPem(holder.key), path: pathToPem(holder.path) })
  const idOf = ({ path }: Holder): CertId => certIdsOf(path)[0]!
  const freshClient = async (n = CLIENT): Promise<Holder> => published(await below(fleet, n, `c${n}.fleet.example`), FLEET)

  /** Connects, and sends a byte there and back: a server that refuses closes instead. */
  const talk = async (holder: Holder, change: Partial<PeerPolicy> = {}): Promise<SecurePeer | undefined> => {
    const connection = await tlsConnect('127.0.0.1', port, await identityOf(holder), { ...policy, ...change })
    connection.socket.write('x')
    const answer = await Promise.race([
      once(connection.socket, 'data').then(() => true),
      once(connection.socket, 'close').then(() => false),
    ])
    return answer ? connection : undefined
  }
  const refusalOf = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'accepted',
      (error: unknown) => (error as TrellisError).code,
    )
  const said = async (wanted: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> => {
    for (let tries = 0; tries < 200; tries += 1) {
      const found = heard.find(wanted)
      if (found !== undefined) return found
      await sleep(25)
    }
    throw new Error(`the server did not say it: ${JSON.stringify(heard)}`)
  }
  /** The server gives a reason, and the client is closed without a byte. */
  const refusedByServer = async (holder: Holder): Promise<Record<string, unknown>> => {
    heard.length = 0
    // Whatever the client thinks of the server.
    const answer = await talk(holder, { status: async (id) => ({ ...(await policy.status(id)), status: 'Valid' }) }).catch(() => undefined)
    expect(answer).to.equal(undefined)
    return said((line) => 'refused' in line)
  }

  before(async () => {
    chain = await startChain()
    const provider = { request: ({ method, params }: { method: string; params?: unknown[] }) => chain.rpc(method, params) }
    suite = await deployIdentity({ provider })
    for (const n of [ROOT, FLEET, SERVER, CLIENT, 5, 6]) await register(n)
    const keys = await newCertificateKey()
    const subject = { device: device(ROOT), name: 'example', notBefore: now() - 60, notAfter: now() + 86_400, pathLen: 1 }
    root = { owner: ROOT, key: keys.privateKey, path: [await issueRoot(subject, keys)] }
    await publish(root.path, ROOT, ROOT)
    fleet = await published(await below(root, FLEET, 'fleet.example', { pathLen: 0, seconds: 80_000 }), ROOT)
    const server = await published(await below(fleet, SERVER, 'server.fleet.example'), FLEET)
    const registry = suite.certificates.address as Address
    const client = createPublicClient({ transport: http(chain.rpcUrl), cacheTime: 0 })
    policy = { roots: [device(ROOT)], status: statusReader(client, registry), name: 'server.fleet.example', recheckMs: 250 }
    const options: TlsProcessOptions = { rpcUrl: chain.rpcUrl, registry, roots: [device(ROOT)], identity: await identityOf(server) }
    child = spawn(process.execPath, [join(import.meta.dirname, 'tls-process.ts'), JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    createInterface({ input: child.stdout! }).on('line', (line) => heard.push(JSON.parse(line) as Record<string, unknown>))
    port = (await said((line) => 'port' in line))['port'] as number
  })
  after(async () => {
    if (child !== undefined) await kill(child)
    await chain.stop()
  })

  it('shakes hands by TLS 1.3, both sides checked against the chain', async () => {
    const connection = await talk(await freshClient())
    expect(connection?.peer).to.include({ device: device(SERVER), name: 'server.fleet.example' })
    expect(connection?.socket.getProtocol()).to.equal('TLSv1.3')
    expect(await said((line) => 'peer' in line)).to.deep.equal({
      peer: device(CLIENT),
      name: `c${CLIENT}.fleet.example`,
      protocol: 'TLSv1.3',
    })
    connection?.socket.destroy()
  })

  it('refuses a client from the moment that its parent revoked it, and cuts what is open', async () => {
    const client = await freshClient()
    const connection = await talk(client)
    const closed = once(connection!.socket, 'close')
    const deadline = BigInt(now() + 3600)
    const signature = await signRevocation(secret(FLEET), places(), idOf(client), deadline)
    await suite.send(suite.stranger, suite.certificates, 'revoke', [idOf(client), deadline, signature])
    expect(await refusedByServer(client)).to.include({ refused: 'CERTIFICATE_STATUS', status: 'Revoked' })
    await closed
  })

  it('refuses a client that its grandparent revoked', async () => {
    const client = await freshClient()
    const deadline = BigInt(now() + 3600)
    const signature = await signRevocation(secret(ROOT), places(), idOf(client), deadline)
    await suite.send(suite.stranger, suite.certificates, 'revoke', [idOf(client), deadline, signature])
    expect(await refusedByServer(client)).to.include({ refused: 'CERTIFICATE_STATUS', status: 'Revoked' })
  })

  it('refuses a client whose device was removed', async () => {
    const client = await freshClient(5)
    ;(await talk(client))?.socket.destroy()
    await suite.send(suite.owner, suite.registry, 'remove(address,uint8,bytes32,bytes32)', [key(5).address, ...(await permit(5))])
    expect(await refusedByServer(client)).to.include({ refused: 'CERTIFICATE_STATUS', status: 'DeviceRemoved' })
  })

  it('refuses a client that nobody published, shows nothing, or speaks an older TLS', async () => {
    expect(await refusedByServer(await below(fleet, CLIENT, 'x.fleet.example'))).to.include({
      refused: 'CERTIFICATE_STATUS',
      status: 'Unknown',
    })
    for (const [options, refused] of [
      [{}, 'CERTIFICATE_PATH'],
      [{ maxVersion: 'TLSv1.2' }, 'handshake'],
    ] as const) {
      heard.length = 0
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
      socket.on('error', () => {})
      await new Promise((closed) => socket.once('close', closed))
      expect(await said((line) => 'refused' in line)).to.include({ refused })
    }
  })

  it('refuses names outside of the authority’s, and keys that it did not certify', async () => {
    const claims = { ...fleet, path: [{ ...fleet.path[0]!, name: 'example' }, ...fleet.path.slice(1)] }
    const outside = await below(claims, CLIENT, 'bank.example')
    expect(await refusedByServer(outside)).to.include({ refused: 'CERTIFICATE_NAME' })
    const thief = await below({ ...fleet, key: (await newCertificateKey()).privateKey }, CLIENT, 'c.fleet.example')
    expect(await refusedByServer(thief)).to.include({ refused: 'CERTIFICATE_SIGNATURE' })
    // A path without its key is of no use: TLS itself asks for a signature.
    const client = await freshClient()
    expect(await refusalOf(talk({ ...client, key: thief.key }))).to.match(/^ERR_OSSL/)
  })

  it('leaves a server that is another one than was called', async () => {
    const client = await freshClient(6)
    expect(await refusalOf(talk(client, { name: 'other.fleet.example' }))).to.equal('CERTIFICATE_OTHER_PEER')
    expect(await refusalOf(talk(client, { device: device(CLIENT) }))).to.equal('CERTIFICATE_OTHER_PEER')
    expect(await refusalOf(talk(client, { roots: [device(FLEET)] }))).to.equal('CERTIFICATE_UNTRUSTED')
  })

  it('refuses a server whose authority the owner of its device voided', async () => {
    const client = await published(await below(root, CLIENT, 'c.example'), ROOT)
    expect((await talk(client))?.peer.device).to.equal(device(SERVER))
    await suite.send(suite.owner, suite.certificates, 'voidAll', [key(FLEET).address, BigInt(now() + 86_400), '0x'])
    expect(await refusalOf(talk(client))).to.equal('CERTIFICATE_STATUS')
  })

  it('refuses what has expired, by its own clock and by the chain’s', async () => {
    expect(await refusedByServer(await below(root, CLIENT, 'late.example', { seconds: -1 }))).to.include({ refused: 'CERTIFICATE_TIME' })
    const client = await published(await below(root, CLIENT, 'd.example'), ROOT)
    await chain.travel(3_700)
    expect(await refusedByServer(client)).to.include({ refused: 'CERTIFICATE_STATUS', status: 'Expired' })
  })
})
