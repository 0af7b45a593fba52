// SPDX-License-Identifier: Apache-2.0
/**
 * X.509 certificates of devices, in one strict form (RFC 5280): P-256 with SHA-256, one dNSName and one URI `did:io:…`, and what the chain keeps of them.
 * An authority's dNSName is at once its name constraint. Whatever else a certificate says is refused: what is not understood is not checked.
 */
import 'reflect-metadata'
import { AsnConvert } from '@peculiar/asn1-schema'
import { id_ce_nameConstraints, NameConstraints } from '@peculiar/asn1-x509'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509Certificate,
} from '@peculiar/x509'
import { encodeAbiParameters, keccak256, sha256, zeroHash } from 'viem'
import { deviceOfDid } from '../../protocol/did.ts'
import { TrellisError } from '../../protocol/errors.ts'
import type { DeviceId, Hex } from '../../protocol/ids.ts'

/** Certificates in one path, root and end certificate included. */
export const MAX_PATH = 5

/** keccak256(abi.encode(parent, device, sha256(DER))): stands for the certificate and all above it. */
export type CertId = Hex

export interface ParsedCertificate {
  readonly x509: X509Certificate
  readonly der: Uint8Array
  readonly device: DeviceId
  readonly name: string
  /** Unix seconds, both inclusive. */
  readonly notBefore: number
  readonly notAfter: number
  readonly ca: boolean
  /** Authorities that may stand below; 0 for an end certificate. */
  readonly pathLen: number
  readonly spkiHash: Hex
  readonly digest: Hex
}

/** `ICertificateRegistry.Certificate`. */
export interface CertificateRecord {
  digest: Hex
  device: DeviceId
  parent: CertId
  spkiHash: Hex
  notBefore: number
  notAfter: number
  ca: boolean
  pathLen: number
  name: string
  replaces: CertId
}

const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
const dnsName = new RegExp(`^${label}(\\.${label})*$`)

/** Lower-case dNSName as the registry takes it. */
export const isDnsName = (name: string): boolean => name.length <= 253 && dnsName.test(name)

/** Whether `name` is `suffix` or below it. */
export const isWithin = (name: string, suffix: string): boolean => name === suffix || name.endsWith(`.${suffix}`)

/** @throws TrellisError CERTIFICATE_MALFORMED naming what is not of the form */
export function parseCertificate(der: Uint8Array): ParsedCertificate {
  try {
    return parse(new X509Certificate(Uint8Array.from(der)), der)
  } catch (error) {
    // The library reads extensions and keys when they are asked for, and throws errors of its own.
    throw error instanceof TrellisError ? error : malformed('it is no X.509 certificate', error)
  }
}

function parse(x509: X509Certificate, der: Uint8Array): ParsedCertificate {
  const known = {
    basic: x509.getExtension(BasicConstraintsExtension),
    usage: x509.getExtension(KeyUsagesExtension),
    extended: x509.getExtension(ExtendedKeyUsageExtension),
    names: x509.getExtension(SubjectAlternativeNameExtension),
    limits: x509.getExtension(id_ce_nameConstraints),
  }
  const understood = new Set(Object.values(known).map((extension) => extension?.type))
  for (const { type, critical } of x509.extensions) {
    if (critical && !understood.has(type)) throw malformed(`the critical extension ${type} is not understood`)
    if (x509.getExtensions(type).length > 1) throw malformed(`the extension ${type} comes twice`)
  }
  const algorithm = x509.publicKey.algorithm as { name: string; namedCurve?: string }
  if (algorithm.name !== 'ECDSA' || algorithm.namedCurve !== 'P-256') throw malformed('its key is not on P-256')
  const signed = x509.signatureAlgorithm as { name: string; hash?: { name: string } }
  if (signed.name !== 'ECDSA' || signed.hash?.name !== 'SHA-256') throw malformed('it is not signed by ECDSA with SHA-256')

  const { ca, pathLength } = known.basic ?? { ca: false, pathLength: undefined }
  if (known.basic?.critical !== true) throw malformed('it has no critical basic constraints')
  if (ca ? pathLength === undefined : pathLength !== undefined) throw malformed('an authority, and only that, has a path length')
  if (known.usage?.usages !== (ca ? KeyUsageFlags.keyCertSign : KeyUsageFlags.digitalSignature)) throw malformed('its key has another use')
  const purposes: readonly unknown[] = known.extended?.usages ?? []
  if (ca ? purposes.length > 0 : !tlsUses.every((use) => purposes.includes(use))) throw malformed('it is not for TLS on both sides')

  const names = known.names?.names.items ?? []
  const [name, did] = ['dns', 'url'].map((type) => names.filter((item) => item.type === type).map(({ value }) => value))
  if (names.length !== 2 || name?.length !== 1 || did?.length !== 1) throw malformed('it has not one dNSName and one URI')
  if (!isDnsName(name[0]!)) throw malformed('its dNSName is not of lower-case labels')
  const limits = known.limits === null ? [] : permitted(known.limits.value)
  if (ca ? limits.length !== 1 || limits[0] !== name[0] || known.limits?.critical !== true : known.limits !== null)
    throw malformed('an authority, and only that, is constrained to its dNSName')
  return {
    ...{ x509, der, device: deviceOfDid(did[0]!), name: name[0]! },
    ...{ notBefore: x509.notBefore.getTime() / 1000, notAfter: x509.notAfter.getTime() / 1000, ca, pathLen: pathLength ?? 0 },
    spkiHash: sha256(new Uint8Array(x509.publicKey.rawData)),
    digest: sha256(der),
  }
}

/** What is published of a certificate below `parent`. */
export function recordOf(certificate: ParsedCertificate, parent: CertId = zeroHash, replaces: CertId = zeroHash): CertificateRecord {
  const { digest, device, spkiHash, notBefore, notAfter, ca, pathLen, name } = certificate
  return { digest, device, parent, spkiHash, notBefore, notAfter, ca, pathLen, name, replaces }
}

export function certIdOf({ parent, device, digest }: Pick<CertificateRecord, 'parent' | 'device' | 'digest'>): CertId {
  return keccak256(encodeAbiParameters([{ type: 'bytes32' }, { type: 'address' }, { type: 'bytes32' }], [parent, device, digest]))
}

/** Ids of a path, in its order: end certificate first. */
export function certIdsOf(path: readonly ParsedCertificate[]): CertId[] {
  return path.reduceRight<CertId[]>((ids, { device, digest }) => [certIdOf({ parent: ids[0] ?? zeroHash, device, digest }), ...ids], [])
}

export const tlsUses: readonly ExtendedKeyUsage[] = [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]

function permitted(value: ArrayBuffer): (string | undefined)[] {
  const { permittedSubtrees, excludedSubtrees } = AsnConvert.parse(value, NameConstraints)
  return Array.from(permittedSubtrees ?? [], ({ base }) => base.dNSName).concat(Array.from(excludedSubtrees ?? [], () => undefined))
}

const malformed = (why: string, cause?: unknown): TrellisError =>
  new TrellisError({ code: 'CERTIFICATE_MALFORMED', message: `This is no certificate of a device: ${why}.`, cause })
