// SPDX-License-Identifier: Apache-2.0
/** DID documents that devices leave here before they are registered, by the hash that the registry will hold. */
import { isTrellisError, TrellisError } from '../kit/errors.ts'
import { canonicalHash, canonicalJson, type Json } from '../protocol/canonical-json.ts'
import { deviceOfDid } from '../protocol/did.ts'
import type { Hex } from '../protocol/ids.ts'
import { badRequest } from './errors.ts'

export const DOCUMENT_MAX_BYTES = 16 * 1024

/**
 * Checks a document as it was sent and hashes it. It must be canonical already: what is stored is byte for byte what was hashed.
 * @throws TrellisError BAD_REQUEST | TOO_LARGE
 */
export function readDocument(body: string): { hash: Hex; did: string } {
  if (Buffer.byteLength(body) > DOCUMENT_MAX_BYTES) {
    throw new TrellisError({ code: 'TOO_LARGE', message: 'A DID document has at most 16 kB.', details: { limitBytes: DOCUMENT_MAX_BYTES } })
  }
  let document: Json
  let canonical: string
  try {
    document = JSON.parse(body) as Json
    canonical = canonicalJson(document)
  } catch {
    throw badRequest('A DID document is JSON.')
  }
  if (canonical !== body) throw badRequest('A DID document is sent as canonical JSON (RFC 8785): members sorted, no spaces.')
  const id =
    document !== null && typeof document === 'object' && !Array.isArray(document) ? (document as Record<string, Json>)['id'] : undefined
  if (typeof id !== 'string') throw badRequest('A DID document has an id.')
  try {
    deviceOfDid(id)
  } catch (error) {
    throw isTrellisError(error) ? badRequest(error.message, { id }) : error
  }
  return { hash: canonicalHash(document), did: id }
}
