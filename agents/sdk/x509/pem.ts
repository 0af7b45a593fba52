// SPDX-License-Identifier: Apache-2.0
/** Keys and paths as text (RFC 7468). */
import 'reflect-metadata'
import { PemConverter } from '@peculiar/x509'
import { TrellisError } from '../../protocol/errors.ts'
import { type ParsedCertificate, parseCertificate } from './certificate.ts'
import type { CertificateKey } from './issue.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const

/** PKCS #8. A secret: for files of mode 0600. */
export async function keyToPem(key: CertificateKey): Promise<string> {
  return `${PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}

/** @throws TrellisError PEM_UNREADABLE, which never carries the text */
export async function keyFromPem(text: string): Promise<CertificateKey> {
  return crypto.subtle.importKey('pkcs8', block(text, 'PRIVATE KEY')[0]!, algorithm, true, ['sign']).catch(() => {
    throw unreadable('a private key on P-256')
  })
}

/** SubjectPublicKeyInfo. @throws TrellisError PEM_UNREADABLE */
export async function publicKeyFromPem(text: string): Promise<CertificateKey> {
  return crypto.subtle.importKey('spki', block(text, 'PUBLIC KEY')[0]!, algorithm, true, ['verify']).catch(() => {
    throw unreadable('a public key on P-256')
  })
}

/** End certificate first, root last. */
export function pathToPem(path: readonly ParsedCertificate[]): string {
  return path.map(({ x509 }) => `${x509.toString('pem')}\n`).join('')
}

/** @throws TrellisError PEM_UNREADABLE | CERTIFICATE_MALFORMED */
export function pathFromPem(text: string): ParsedCertificate[] {
  return block(text, 'CERTIFICATE').map((der) => parseCertificate(new Uint8Array(der)))
}

function block(text: string, type: string): ArrayBuffer[] {
  let found: ArrayBuffer[] = []
  try {
    found = PemConverter.decodeWithHeaders(text).flatMap(({ type: have, rawData }) => (have === type ? [rawData] : []))
  } catch {
    // Told below, without the text: it may be a key.
  }
  if (found.length === 0) throw unreadable(`a PEM block of ${type}`)
  return found
}

const unreadable = (wanted: string): TrellisError =>
  new TrellisError({
    code: 'PEM_UNREADABLE',
    message: `The text is not what was expected: ${wanted}.`,
    next: 'give the file that trellis cert issue wrote',
  })
