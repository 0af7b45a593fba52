// SPDX-License-Identifier: Apache-2.0
/**
 * Whether a peer is the device that it says: its path of certificates (signatures, path length, names, times), the root that the verifier trusts, and the
 * chain, in one read: the id of the end certificate stands for the whole path. That the peer holds the key is shown by the handshake.
 */
import { TrellisError } from '../../protocol/errors.ts'
import type { DeviceId } from '../../protocol/ids.ts'
import { type CertId, certIdsOf, isWithin, MAX_PATH, type ParsedCertificate, parseCertificate } from './certificate.ts'

/** `ICertificateRegistry.Status`, in its order. */
export const CERTIFICATE_STATUS = [
  'Unknown',
  'Valid',
  'NotYetValid',
  'Expired',
  'Revoked',
  'AncestorRevoked',
  'DeviceRemoved',
  'AncestorRemoved',
] as const

export interface CertificateStatus {
  status: (typeof CERTIFICATE_STATUS)[number]
  /** Unix seconds. */
  notAfter: number
  device: DeviceId
}

export type ReadStatus = (certId: CertId) => Promise<CertificateStatus>

export interface VerifyPathOptions {
  /** DER, end certificate first, root last. */
  path: readonly Uint8Array[]
  /** Devices whose root certificates are trusted. A name says nothing under any other root. */
  roots: readonly DeviceId[]
  status: ReadStatus
  /** Unix seconds. */
  now: number
  /** Name that the peer must have. */
  name?: string | undefined
  /** Device that the peer must be. */
  device?: DeviceId | undefined
}

export interface VerifiedPeer {
  device: DeviceId
  name: string
  certId: CertId
  /** Unix seconds: the end of the whole path. */
  notAfter: number
}

/** @throws TrellisError CERTIFICATE_MALFORMED | _UNTRUSTED | _SIGNATURE | _PATH | _NAME | _TIME | _OTHER_PEER | _STATUS */
export async function verifyPath({ path, roots, status, now, name, device }: VerifyPathOptions): Promise<VerifiedPeer> {
  if (path.length === 0 || path.length > MAX_PATH) throw refused('PATH', `a path has 1 to ${MAX_PATH} certificates, not ${path.length}`)
  const certificates = path.map(parseCertificate)
  const [end, root] = [certificates[0]!, certificates.at(-1)!]
  if (!roots.includes(root.device)) throw refused('UNTRUSTED', 'its root is of a device that is not trusted here', { root: root.device })
  for (const [i, certificate] of certificates.entries()) await checkLink(certificate, certificates[i + 1], i)
  const notAfter = Math.min(...certificates.map((certificate) => certificate.notAfter))
  if (now > notAfter || certificates.some(({ notBefore }) => now < notBefore))
    throw refused('TIME', 'it is not valid at this time', { now })
  if (end.ca) throw refused('PATH', 'an authority is no end certificate')
  if ((device ?? end.device) !== end.device || (name ?? end.name) !== end.name)
    throw refused('OTHER_PEER', 'it is of another peer', { device: end.device, name: end.name })

  const certId = certIdsOf(certificates)[0]!
  const found = await status(certId)
  if (found.status !== 'Valid') throw refused('STATUS', `the chain says ${found.status}`, { certId, status: found.status })
  return { device: end.device, name: end.name, certId, notAfter: Math.min(notAfter, found.notAfter) }
}

/** `above` is undefined for the root, which signs itself. */
async function checkLink(certificate: ParsedCertificate, above: ParsedCertificate | undefined, authoritiesBelow: number): Promise<void> {
  const { x509 } = certificate
  const issuer = above ?? certificate
  if (x509.issuer !== issuer.x509.subject) throw refused('SIGNATURE', 'its issuer is not the next certificate')
  const signed = await x509.verify({ publicKey: issuer.x509.publicKey, signatureOnly: true }).catch(() => false)
  if (!signed) throw refused('SIGNATURE', 'its signature is not by the next certificate')
  if (above === undefined) return
  // The end certificate does not count: i authorities stand between certificate i + 1 and it.
  if (!above.ca || above.pathLen < authoritiesBelow) throw refused('PATH', 'a certificate above may not issue it')
  if (!isWithin(certificate.name, above.name)) throw refused('NAME', `its name is not under ${above.name}`, { name: certificate.name })
}

const refused = (what: string, why: string, details: Record<string, unknown> = {}): TrellisError =>
  new TrellisError({ code: `CERTIFICATE_${what}`, message: `The certificate is refused: ${why}.`, details })
