// SPDX-License-Identifier: Apache-2.0
/** Certificates of devices: what is issued is accepted, and each lie about a path is refused by name, whatever the chain says. */
import 'reflect-metadata'
import { expect } from 'chai'
import fc from 'fast-check'
import { encodeAbiParameters, keccak256, sha256, zeroHash } from 'viem'
import { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, X509CertificateGenerator } from '@peculiar/x509'
import type { TrellisError } from '../../../agents/protocol/errors.ts'
import { deviceId, type DeviceId } from '../../../agents/protocol/ids.ts'
import { certIdOf, certIdsOf, isDnsName, isWithin, parseCertificate, recordOf } from '../../../agents/sdk/x509/certificate.ts'
import { type CertificateSubject, type Issuer, issueBelow, issueRoot, newCertificateKey } from '../../../agents/sdk/x509/issue.ts'
import { type CertificateStatus, type VerifyPathOptions, verifyPath } from '../../../agents/sdk/x509/verify.ts'

const NOW = 1_800_000_000
const device = (n: number): DeviceId => deviceId(`0x${n.toString(16).padStart(40, '0')}`)
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

describe('x509', () => {
  let root: Issuer
  let middle: Issuer
  let end: Issuer
  const subject = (n: number, name: string, change: Partial<CertificateSubject> = {}): CertificateSubject => ({
    ...{ device: device(n), name, notBefore: NOW - 100, notAfter: NOW + 1000 },
    ...change,
  })
  const below = async (issuer: Issuer, what: CertificateSubject): Promise<Issuer> => {
    const keys = await newCertificateKey()
    return { certificate: await issueBelow(what, keys.publicKey, issuer), key: keys.privateKey }
  }
  /** Issued by whoever skips the checks of `issueBelow`: under an authority that claims more than it has. */
  const forced = (issuer: Issuer, what: CertificateSubject): Promise<Issuer> =>
    below({ ...issuer, certificate: { ...issuer.certificate, ca: true, pathLen: 4, name: what.name, notAfter: what.notAfter } }, what)
  const pathOf = (...issuers: Issuer[]): Uint8Array[] => issuers.map(({ certificate }) => certificate.der)
  const valid = (): Promise<CertificateStatus> => Promise.resolve({ status: 'Valid', notAfter: NOW + 900, device: device(3) })
  const verify = (change: Partial<VerifyPathOptions> = {}) =>
    verifyPath({ path: pathOf(end, middle, root), roots: [device(1)], status: valid, now: NOW, ...change })
  const refusal = async (change: Partial<VerifyPathOptions>): Promise<string> =>
    verify(change).then(
      () => 'accepted',
      (error: unknown) => (error as TrellisError).code,
    )

  before(async () => {
    const keys = await newCertificateKey()
    root = { certificate: await issueRoot(subject(1, 'example', { pathLen: 1 }), keys), key: keys.privateKey }
    middle = await below(root, subject(2, 'fleet.example', { pathLen: 0 }))
    end = await below(middle, subject(3, 'a.fleet.example'))
  })

  it('accepts a path that it issued, and asks the chain once, about the end', async () => {
    const asked: string[] = []
    const status = (certId: string): Promise<CertificateStatus> => {
      asked.push(certId)
      return valid()
    }
    const peer = await verify({ status, name: 'a.fleet.example', device: device(3) })
    const parts = [{ type: 'bytes32' }, { type: 'address' }, { type: 'bytes32' }]
    const id = [root, middle, end].reduce<`0x${string}`>(
      (parent, { certificate: { der } }, i) => keccak256(encodeAbiParameters(parts, [parent, device(i + 1), sha256(der)])),
      zeroHash,
    )
    expect(asked).to.deep.equal([id])
    expect(peer).to.deep.equal({ device: device(3), name: 'a.fleet.example', certId: id, notAfter: NOW + 900 })
    const record = recordOf(end.certificate, certIdsOf([middle.certificate, root.certificate])[0])
    expect(certIdOf(record)).to.equal(id)
    expect(record).to.include({ ca: false, pathLen: 0, notBefore: NOW - 100, notAfter: NOW + 1000, name: 'a.fleet.example' })
  })

  it('accepts nobody whom the chain does not call valid', async () => {
    for (const status of ['Unknown', 'NotYetValid', 'Expired', 'Revoked', 'AncestorRevoked', 'DeviceRemoved', 'AncestorRemoved'] as const)
      expect(await refusal({ status: async () => ({ ...(await valid()), status }) })).to.equal('CERTIFICATE_STATUS')
    const failed = await verify({ status: () => Promise.reject(new Error('no chain')) }).catch((error: unknown) => (error as Error).message)
    expect(failed).to.equal('no chain')
  })

  it('refuses roots that are not trusted, other peers, other times', async () => {
    expect(await refusal({ roots: [device(2)] })).to.equal('CERTIFICATE_UNTRUSTED')
    expect(await refusal({ path: pathOf(end, middle) })).to.equal('CERTIFICATE_UNTRUSTED')
    expect(await refusal({ path: [] })).to.equal('CERTIFICATE_PATH')
    expect(await refusal({ name: 'b.fleet.example' })).to.equal('CERTIFICATE_OTHER_PEER')
    expect(await refusal({ device: device(2) })).to.equal('CERTIFICATE_OTHER_PEER')
    expect(await refusal({ now: NOW + 1001 })).to.equal('CERTIFICATE_TIME')
    expect(await refusal({ now: NOW - 101 })).to.equal('CERTIFICATE_TIME')
    expect(await refusal({ path: pathOf(middle, root) })).to.equal('CERTIFICATE_PATH')
  })

  it('refuses an expired authority above a certificate that outlives it', async () => {
    const short = await below(root, subject(2, 'fleet.example', { pathLen: 0, notAfter: NOW - 1 }))
    const longer = await forced(short, subject(3, 'a.fleet.example'))
    expect(await refusal({ path: pathOf(longer, short, root) })).to.equal('CERTIFICATE_TIME')
  })

  it('refuses what a certificate above did not sign, or may not', async () => {
    const keys = await newCertificateKey()
    // The right names of issuer and subject, and another key.
    const thief = { ...middle, key: keys.privateKey }
    expect(await refusal({ path: pathOf(await below(thief, subject(3, 'a.fleet.example')), middle, root) })).to.equal(
      'CERTIFICATE_SIGNATURE',
    )
    const other = { certificate: await issueRoot(subject(1, 'example', { pathLen: 1 }), keys), key: keys.privateKey }
    expect(await refusal({ path: pathOf(end, middle, other) })).to.equal('CERTIFICATE_SIGNATURE')
    expect(await refusal({ path: pathOf(end, root) })).to.equal('CERTIFICATE_SIGNATURE')
    const belowEnd = await forced(end, subject(4, 'x.a.fleet.example'))
    expect(await refusal({ path: pathOf(belowEnd, end, middle, root) })).to.equal('CERTIFICATE_PATH')
    const third = await forced(middle, subject(4, 'fleet.example', { pathLen: 0 }))
    expect(await refusal({ path: pathOf(await below(third, subject(3, 'a.fleet.example')), third, middle, root) })).to.equal(
      'CERTIFICATE_PATH',
    )
  })

  it('refuses names outside of the authority’s, anywhere in the path', async () => {
    for (const name of ['a.other.example', 'xfleet.example', 'example'])
      expect(await refusal({ path: pathOf(await forced(middle, subject(3, name)), middle, root) })).to.equal('CERTIFICATE_NAME')
    const away = await forced(root, subject(2, 'fleet.org', { pathLen: 0 }))
    expect(await refusal({ path: pathOf(await below(away, subject(3, 'a.fleet.org')), away, root) })).to.equal('CERTIFICATE_NAME')
  })

  it('issues nothing that no verifier accepts', async () => {
    const wrong: [Issuer, Partial<CertificateSubject>][] = [
      [middle, { name: 'other.example' }],
      [middle, { name: 'A.fleet.example' }],
      [middle, { name: '*.fleet.example' }],
      [middle, { pathLen: 0 }],
      [root, { name: 'fleet.example', pathLen: 1 }],
      [middle, { notAfter: NOW + 1001 }],
      [middle, { notBefore: NOW + 2000 }],
      [end, { name: 'x.a.fleet.example' }],
    ]
    for (const [issuer, change] of wrong) {
      const error = await below(issuer, subject(3, 'a.fleet.example', change)).catch((caught: unknown) => caught)
      expect(error).to.have.property('code', 'CERTIFICATE_NOT_ISSUABLE')
    }
  })

  it('reads no other form of certificate', async () => {
    const keys = await newCertificateKey()
    const params = { name: 'CN=x', keys, signingAlgorithm: algorithm, serialNumber: '01' }
    const basic = new BasicConstraintsExtension(false, undefined, true)
    for (const extensions of [[], [basic], [basic, new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)]]) {
      const foreign = await X509CertificateGenerator.createSelfSigned({ ...params, extensions })
      expect(() => parseCertificate(new Uint8Array(foreign.rawData)))
        .to.throw()
        .with.property('code', 'CERTIFICATE_MALFORMED')
    }
    for (const bytes of [new Uint8Array(), Uint8Array.of(0x30, 0x80)])
      expect(() => parseCertificate(bytes))
        .to.throw()
        .with.property('code', 'CERTIFICATE_MALFORMED')
  })

  it('refuses a path in which any byte differs, or gives it another id', async () => {
    const ids = certIdsOf([end, middle, root].map(({ certificate }) => certificate))
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 2 }), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, place, flip) => {
        const path = pathOf(end, middle, root).map((der) => Uint8Array.from(der))
        const target = path[which]!
        const at = place % target.length
        target[at] = target[at]! ^ flip
        const answer = await verifyPath({ path, roots: [device(1)], status: valid, now: NOW }).catch(
          (error: unknown) => error as TrellisError,
        )
        // ECDSA signatures can be written in a second way; the chain knows the id of the first only.
        if ('certId' in answer) expect(ids).not.to.include(answer.certId)
        else expect(answer.code).to.match(/^CERTIFICATE_|^DID_INVALID$/)
      }),
      { numRuns: 300 },
    )
  })

  it('knows names as the registry does', () => {
    for (const name of ['a', 'a.b', '0-1.example', 'a'.repeat(63)]) expect(isDnsName(name), name).to.equal(true)
    for (const name of ['', '.', 'a.', '.a', 'a..b', 'A', '-a', 'a-', '*.a', 'a_b', 'a'.repeat(64), 'a.'.repeat(127)])
      expect(isDnsName(name), name).to.equal(false)
    expect(isWithin('a.b', 'b')).to.equal(true)
    expect(isWithin('ab', 'b')).to.equal(false)
  })
})
