// SPDX-License-Identifier: Apache-2.0
/** The key that signs answers on an outside broker. It lies in the store, so gateways that share one share the key. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import { type AckKey, type AckPlace, encodeSignedAck, signedAckBytes } from '../protocol/signed-ack.ts'
import type { Ledger } from './ledger.ts'

export interface AckSigner {
  readonly key: AckKey
  /** @param ack  as encoded */
  seal(ack: string, place: AckPlace): string
}

/** The signer of a store; its key is made with the first. */
export async function openAckSigner(ledger: Ledger): Promise<AckSigner> {
  const der = await ledger.ackKey(() => generateKeyPairSync('ed25519').privateKey.export({ format: 'der', type: 'pkcs8' }))
  const secret = createPrivateKey({ key: Buffer.from(der), format: 'der', type: 'pkcs8' })
  // The last 32 bytes of a SubjectPublicKeyInfo of Ed25519 are the key (RFC 8410).
  const key = createPublicKey(secret).export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
  return { key, seal: (ack, place) => encodeSignedAck(ack, key, sign(null, signedAckBytes(place, ack), secret)) }
}
