// SPDX-License-Identifier: Apache-2.0
/** Certificates of devices are made here: a root by the device itself, authorities and short-lived TLS certificates below it. WebCrypto, P-256. */
import 'reflect-metadata'
import { AsnConvert } from '@peculiar/asn1-schema'
import { GeneralName, GeneralSubtree, GeneralSubtrees, id_ce_nameConstraints, NameConstraints } from '@peculiar/asn1-x509'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { bytesToHex, sha256 } from 'viem'
import { didOf } from '../../protocol/did.ts'
import { TrellisError } from '../../protocol/errors.ts'
import type { DeviceId } from '../../protocol/ids.ts'
import { isDnsName, isWithin, MAX_PATH, type ParsedCertificate, parseCertificate, tlsUses } from './certificate.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const

export type CertificateKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

export interface CertificateKeys {
  publicKey: CertificateKey
  privateKey: CertificateKey
}

/** What a certificate is about. Times are whole unix seconds. */
export interface CertificateSubject {
  device: DeviceId
  name: string
  notBefore: number
  notAfter: number
  /** An authority, and how many authorities may stand below it; an end certificate for TLS when undefined. */
  pathLen?: number | undefined
}

export interface Issuer {
  certificate: ParsedCertificate
  /** Private key of `certificate`. */
  key: CertificateKey
}

/** A new P-256 key. Extractable, so that drivers can keep it on disk; the core keeps nothing. */
export function newCertificateKey(): Promise<CertificateKeys> {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

/** Root certificate of a device, signed by its own key. */
export async function issueRoot(subject: CertificateSubject, keys: CertificateKeys): Promise<ParsedCertificate> {
  const name = await subjectName(subject.device, keys.publicKey)
  return issue(subject, keys.publicKey, { name, publicKey: keys.publicKey, key: keys.privateKey })
}

/**
 * Certificate for `publicKey` below the issuer's.
 * @throws TrellisError CERTIFICATE_NOT_ISSUABLE when no verifier would accept it
 */
export async function issueBelow(subject: CertificateSubject, publicKey: CertificateKey, issuer: Issuer): Promise<ParsedCertificate> {
  const { certificate: above, key } = issuer
  const why = !above.ca
    ? 'the issuer is no authority'
    : subject.pathLen !== undefined && subject.pathLen >= above.pathLen
      ? `the issuer allows ${above.pathLen} authorities below it`
      : !isWithin(subject.name, above.name)
        ? `the name is not under ${above.name}`
        : subject.notAfter > above.notAfter
          ? 'it would outlive the issuer'
          : undefined
  if (why !== undefined) throw notIssuable(subject, why)
  return issue(subject, publicKey, { name: above.x509.subject, publicKey: above.x509.publicKey, key })
}

async function issue(
  subject: CertificateSubject,
  publicKey: CertificateKey,
  issuer: { name: string; publicKey: Parameters<typeof AuthorityKeyIdentifierExtension.create>[0]; key: CertificateKey },
): Promise<ParsedCertificate> {
  const { device, name, notBefore, notAfter, pathLen } = subject
  const ca = pathLen !== undefined
  if (!isDnsName(name)) throw notIssuable(subject, 'the name is not of lower-case labels')
  if (!(notBefore <= notAfter)) throw notIssuable(subject, 'its time is empty')
  if (ca && !(pathLen >= 0 && pathLen < MAX_PATH - 1)) throw notIssuable(subject, `at most ${MAX_PATH - 1} authorities stand in a row`)
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: await subjectName(device, publicKey),
    issuer: issuer.name,
    notBefore: new Date(notBefore * 1000),
    notAfter: new Date(notAfter * 1000),
    publicKey,
    signingKey: issuer.key,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(ca, pathLen, true),
      new KeyUsagesExtension(ca ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature, true),
      ...(ca ? [nameConstraint(name)] : [new ExtendedKeyUsageExtension([...tlsUses])]),
      new SubjectAlternativeNameExtension([
        { type: 'dns', value: name },
        { type: 'url', value: didOf(device) },
      ]),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  })
  return parseCertificate(new Uint8Array(certificate.rawData))
}

/** Names of different keys differ, so that a device's certificate for TLS does not look as if it had issued itself. */
async function subjectName(device: DeviceId, publicKey: CertificateKey): Promise<string> {
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
  return `CN=${didOf(device)}, OU=${sha256(spki).slice(2, 34)}`
}

function nameConstraint(name: string): Extension {
  const subtree = new GeneralSubtree({ base: new GeneralName({ dNSName: name }) })
  const constraints = new NameConstraints({ permittedSubtrees: new GeneralSubtrees([subtree]) })
  return new Extension(id_ce_nameConstraints, true, AsnConvert.serialize(constraints))
}

/** 126 random bits, positive and without a leading zero byte in DER. */
function serial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytesToHex(bytes).slice(2)
}

const notIssuable = ({ device, name }: CertificateSubject, why: string): TrellisError =>
  new TrellisError({
    code: 'CERTIFICATE_NOT_ISSUABLE',
    message: `No verifier would accept this certificate: ${why}.`,
    details: { device, name },
  })
