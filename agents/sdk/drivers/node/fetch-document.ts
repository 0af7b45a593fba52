// SPDX-License-Identifier: Apache-2.0
/**
 * Fetches what lies at a document's URI: bounded in size, time and redirects. The URI was written by a stranger, so addresses inside this network are
 * refused when the name is looked up, not before: a name may answer otherwise the second time.
 */
import { lookup as resolveName } from 'node:dns'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { isTrellisError } from '../../../protocol/errors.ts'
import { deviceError } from './errors.ts'

export interface FetchOptions {
  /** Of this machine and private networks too: for local networks. */
  privateHosts?: boolean
  /** Plain http, which anybody on the way can answer; the hash is checked all the same. On by default. */
  http?: boolean
  /** Base of an IPFS gateway, `https://host`: `ipfs://CID/path` is asked there. Without one, ipfs: is refused. */
  ipfsGateway?: string
  maxBytes?: number
  timeoutMs?: number
}

const MAX_REDIRECTS = 3

const inside = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const)
  inside.addSubnet(network, bits, 'ipv4')
for (const [network, bits] of [
  ['::', 127],
  ['64:ff9b::', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const)
  inside.addSubnet(network, bits, 'ipv6')

/** True for an address of this machine or of a private network; IPv4 in IPv6 counts as the IPv4 that it is. */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address)
  return family === 0 || inside.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/** A `fetch` for the resolver. */
export function createDocumentFetch(options: FetchOptions = {}): (uri: string) => Promise<Uint8Array> {
  const { privateHosts = false, http = true, ipfsGateway, maxBytes = 64 * 1024, timeoutMs = 10_000 } = options

  const urlOf = (uri: string): URL => {
    const asked = URL.canParse(uri) ? new URL(uri) : undefined
    if (asked?.protocol === 'ipfs:' && ipfsGateway !== undefined) {
      const path = uri.slice('ipfs://'.length).replace(/^ipfs\//, '')
      return new URL(`${ipfsGateway.replace(/\/$/, '')}/ipfs/${path}`)
    }
    if (asked?.protocol === 'https:' || (http && asked?.protocol === 'http:')) return asked
    const next =
      asked?.protocol === 'ipfs:' ? 'name an IPFS gateway: --ipfs-gateway https://HOST' : 'have the owner publish it at an https URI'
    throw deviceError('DOCUMENT_URI_UNSUPPORTED', 'Nothing is fetched from a URI of this kind.', { uri: uri.slice(0, 300) }, next)
  }
  const refuseInside = (host: string, address: string): Error | null =>
    privateHosts || !isPrivateAddress(address)
      ? null
      : deviceError(
          'DOCUMENT_URI_PRIVATE',
          'The URI names this machine or a private network.',
          { host, address },
          'fetch it there, by hand',
        )

  const lookup: LookupFunction = (host, lookupOptions, done) => {
    resolveName(host, { ...lookupOptions, all: true }, (error, addresses) => {
      const refused = error ?? addresses.map(({ address }) => refuseInside(host, address)).find((found) => found !== null)
      if (refused) return done(refused, [])
      if (lookupOptions.all) done(null, addresses)
      else done(null, addresses[0]!.address, addresses[0]!.family)
    })
  }

  const get = async (url: URL, redirects: number, signal: AbortSignal): Promise<Uint8Array> => {
    const host = url.hostname.replace(/^\[|\]$/g, '')
    // A literal address is never looked up.
    const refused = isIP(host) === 0 ? null : refuseInside(host, host)
    if (refused !== null) throw refused
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest
      send(url, { signal, lookup, headers: { accept: 'application/did+json, application/json' } }, resolve)
        .on('error', reject)
        .end()
    })
    const { statusCode = 0, headers } = response
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      response.destroy()
      if (redirects === 0) throw deviceError('DOCUMENT_UNREADABLE', 'The URI leads from one address to another without end.')
      return get(urlOf(new URL(headers.location, url).href), redirects - 1, signal)
    }
    if (statusCode !== 200) {
      response.destroy()
      throw deviceError('DOCUMENT_UNREADABLE', `HTTP ${statusCode} at the URI.`, { url: url.href })
    }
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of response as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > maxBytes) {
        response.destroy()
        throw deviceError('DOCUMENT_UNREADABLE', 'What lies at the URI is too large for a DID document.', { maxBytes })
      }
      chunks.push(chunk)
    }
    return Uint8Array.from(Buffer.concat(chunks))
  }

  return async (uri) => {
    try {
      return await get(urlOf(uri), MAX_REDIRECTS, AbortSignal.timeout(timeoutMs))
    } catch (error) {
      if (isTrellisError(error)) throw error
      const reason = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : String(error)
      throw deviceError('DOCUMENT_UNREADABLE', 'Nothing answers at the URI.', { uri: uri.slice(0, 300), reason }, undefined, error)
    }
  }
}
