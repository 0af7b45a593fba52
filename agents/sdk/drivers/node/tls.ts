// SPDX-License-Identifier: Apache-2.0
/**
 * TLS 1.3 between devices: both sides show a path of certificates, and nobody gets a byte before the path is checked against the chain. OpenSSL proves that the
 * peer holds the key; roots, names, times and revocation are judged by `verifyPath`, again while the connection lives.
 */
import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import { TrellisError, toTrellisError } from '../../../protocol/errors.ts'
import { MAX_PATH } from '../../x509/certificate.ts'
import { type VerifiedPeer, verifyPath, type VerifyPathOptions } from '../../x509/verify.ts'

/** PEM: private key (PKCS #8), and the path with the end certificate first and the root last. */
export interface TlsIdentity {
  key: string
  path: string
}

export interface PeerPolicy extends Pick<VerifyPathOptions, 'roots' | 'status' | 'name' | 'device'> {
  /** How often the chain is asked again while a connection lives; 30,000 by default. Open connections outlive a revocation by this at most. */
  recheckMs?: number
}

export interface SecurePeer {
  socket: TLSSocket
  peer: VerifiedPeer
}

const VERSION = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const
const HANDSHAKE_MS = 10_000

/** A server that hands over connections of verified peers only. `onRefused` hears why of the others. */
export function tlsServer(
  identity: TlsIdentity,
  policy: PeerPolicy,
  onPeer: (connection: SecurePeer) => void,
  onRefused: (error: TrellisError) => void = () => {},
): Server {
  const { key, path: cert } = identity
  // OpenSSL knows no roots of ours: what it thinks of the path is not asked.
  const server = createServer({ key, cert, ...VERSION, requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS })
  server.on('secureConnection', (socket) => {
    // A peer that leaves, or was cut, is no fault of the server's.
    socket.on('error', () => {})
    admit(socket, policy).then(
      (peer) => onPeer({ socket, peer }),
      (error: unknown) => {
        const refused = toTrellisError(error)
        // Who left by himself was refused by nobody.
        if (refused.code !== 'TLS_FAILED') onRefused(refused)
        socket.destroy()
      },
    )
  })
  return server
}

/**
 * Connects to a verified peer.
 * @throws what `verifyPath` throws about the server, or TrellisError TLS_FAILED. A server that refuses this side says so by closing.
 */
export async function tlsConnect(host: string, port: number, identity: TlsIdentity, policy: PeerPolicy): Promise<SecurePeer> {
  const { key, path: cert } = identity
  const socket = connect({ host, port, key, cert, ...VERSION, rejectUnauthorized: false, ...(policy.name && { servername: policy.name }) })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.setTimeout(HANDSHAKE_MS, () => reject(new Error('the handshake took too long')))
      socket.once('secureConnect', resolve).once('error', reject)
      socket.once('close', () => reject(new Error('the peer closed the connection')))
    }).catch((cause: unknown) => {
      throw tlsFailed(cause instanceof Error ? cause.message : String(cause), cause)
    })
    socket.setTimeout(0).on('error', () => {})
    return { socket, peer: await admit(socket, policy) }
  } catch (error) {
    socket.destroy()
    throw error
  }
}

const tlsFailed = (reason: string, cause?: unknown): TrellisError =>
  new TrellisError({ code: 'TLS_FAILED', message: `No TLS 1.3 connection: ${reason}.`, retryable: true, cause })

async function admit(socket: TLSSocket, { recheckMs = 30_000, ...policy }: PeerPolicy): Promise<VerifiedPeer> {
  const now = (): number => Math.floor(Date.now() / 1000)
  const peer = await verifyPath({ ...policy, path: peerPath(socket), now: now() })
  // While the chain was asked: who waits for a close that has been would wait for ever.
  if (socket.destroyed) throw tlsFailed('the peer closed the connection')
  const check = async (): Promise<void> => {
    const { status } = await policy.status(peer.certId)
    if (status !== 'Valid' || now() > peer.notAfter) throw new Error(`the certificate of the peer is ${status}`)
  }
  // A check that cannot be made is not passed.
  const timer = setInterval(
    () => void check().catch((error: unknown) => socket.destroy(toTrellisError(error, 'CERTIFICATE_STATUS'))),
    recheckMs,
  )
  timer.unref()
  socket.once('close', () => clearInterval(timer))
  return peer
}

/** DER of the path that the peer showed. */
function peerPath(socket: TLSSocket): Uint8Array[] {
  const path: Uint8Array[] = []
  let certificate = socket.getPeerCertificate(true)
  // A peer without a certificate gives an empty object; a root is its own issuer.
  while ((certificate as { raw?: Buffer } | undefined)?.raw !== undefined && path.length <= MAX_PATH) {
    path.push(new Uint8Array(certificate.raw))
    if (certificate.issuerCertificate === certificate) break
    certificate = certificate.issuerCertificate
  }
  return path
}
