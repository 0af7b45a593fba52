// SPDX-License-Identifier: Apache-2.0
/** `trellis did`: keys and document of a device, where the document lies, and what a did:io resolves to. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { canonicalHash, canonicalJson, type Json } from '../protocol/canonical-json.ts'
import { parseDid } from '../protocol/did.ts'
import { TrellisError } from '../protocol/errors.ts'
import { type DeviceId, deviceId, type Hex } from '../protocol/ids.ts'
import {
  createDidDocument,
  createDocumentFetch,
  type DeviceKeys,
  type DocumentService,
  loadKeys,
  newKeys,
  openDidChain,
  postDocument,
  publicKeysOf,
  readDidDocument,
  resolveDid,
  saveKeys,
} from '../sdk/service.ts'
import { type NetworkOptions, openNetwork, type OpenNetwork } from './chain/network.ts'
import { tell } from './chain/spend.ts'
import { fromWhereCalled } from './local/state.ts'
import { jsonLine, printer } from './print.ts'

export interface DocumentOptions {
  /** Document of the caller's own, instead of the one made of the keys. */
  document?: string
  /** Where the document lies already. */
  uri?: string
  /** Gateway to leave it at; the local run's when there is one. */
  gateway?: string
  ipfsGateway?: string
}

/** A document, what the registry stores of it, and where it lies. */
export interface PlacedDocument {
  text: string
  hash: Hex
  uri: string
}

/** Makes keys and document, without any network. */
export function newDid({
  out,
  document: documentFile,
  service,
  json,
}: {
  out: string
  document?: string
  service: string[]
  json: boolean
}): void {
  const keysFile = fromWhereCalled(out)
  const file = fromWhereCalled(documentFile ?? `${out.replace(/(\.keys)?\.json$/, '')}.did.json`)
  const services = service.map(readService)
  if (existsSync(file))
    throw new TrellisError({
      code: 'FILE_EXISTS',
      message: 'There is a document already.',
      details: { file },
      next: 'choose another name: --document FILE',
    })
  const keys = newKeys()
  saveKeys(keysFile, keys)
  const { did, hash, text } = createDidDocument(publicKeysOf(keys), services)
  writeFileSync(file, text)
  tell(json, { did, hash, keys: keysFile, document: file })
}

/** What a document or the keys of a device say, offline; what the chain says of a DID. */
export async function showDid(
  state: string | undefined,
  did: string | undefined,
  options: NetworkOptions & { keys?: string; document?: string; device?: string },
): Promise<void> {
  const { keys, document: file, json } = options
  if ([did, keys, file].filter((given) => given !== undefined).length !== 1)
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: 'One thing is shown: a DID, the keys of a device, or a document.',
      next: 'trellis did show did:io:0x…, --keys FILE, or --document FILE',
    })
  if (did === undefined) {
    const text = file === undefined ? documentOf(keys!, options.device).text : readFileSync(fromWhereCalled(file), 'utf8')
    const document = parseJson(text, file ?? '')
    const { form, device, keys: methods, services } = readDidDocument(document)
    const shown = methods.map(({ id, curve, relationships }) => ({ id, curve, relationships }))
    tell(json, { did: `did:io:${device}`, form, hash: canonicalHash(document), keys: shown, services, ...(json && { document }) })
    return
  }
  const network = await openNetwork(state, options)
  const { device, form, did: ours } = parseDid(did)
  const { live, nonce, keyOf, retired, created, updated } = await openDidChain(network.client, network.deployment).read(device)
  const standing =
    live !== null
      ? 'registered'
      : nonce > 0n
        ? 'removed'
        : retired
          ? 'a retired key'
          : keyOf !== null
            ? `the key of did:io:${keyOf}`
            : 'unknown'
  tell(json, { did: ours, form, state: standing, nonce, created, updated, ...live })
}

/** Resolves as any client of did-resolver would; fails when there is no document to trust. */
export async function resolve(state: string | undefined, did: string, options: NetworkOptions & { ipfsGateway?: string }): Promise<void> {
  const network = await openNetwork(state, options)
  const chains = [openDidChain(network.client, network.deployment)] as const
  const result = await resolveDid({ chains, fetch: documentFetch(network, options) }, did)
  const { didDocument, didResolutionMetadata: resolution, didDocumentMetadata: metadata } = result
  if (resolution.error !== undefined) process.exitCode = 1
  if (options.json) return void process.stdout.write(`${jsonLine(result)}\n`)
  const print = printer(false)
  print.table(
    Object.entries({ ...resolution, ...metadata }).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
  if (didDocument !== null) for (const line of JSON.stringify(didDocument, undefined, 2).split('\n')) print.line(line)
}

/**
 * The document of a device, in place: made of its keys or read from a file, left at a gateway or found at its URI, where it must be what is hashed.
 * @param device  whose it must be
 */
export async function placeDocument(
  network: OpenNetwork,
  device: DeviceId,
  keys: DeviceKeys | undefined,
  { document: file, uri, gateway, ipfsGateway }: DocumentOptions,
): Promise<PlacedDocument> {
  const base = (gateway ?? network.gatewayUrl)?.replace(/\/$/, '')
  const given = file === undefined ? undefined : readFileSync(fromWhereCalled(file), 'utf8')
  const services = base === undefined ? [] : [{ id: 'gateway', type: 'TrellisGateway', serviceEndpoint: base }]
  let text = given ?? (keys === undefined ? undefined : createDidDocument(publicKeysOf(keys, device), services).text)
  const fetched = uri === undefined ? undefined : Buffer.from(await documentFetch(network, { ipfsGateway })(uri)).toString('utf8')
  text ??= fetched
  if (text === undefined || (uri === undefined && base === undefined))
    throw new TrellisError({
      code: 'DOCUMENT_PLACE_MISSING',
      message: text === undefined ? 'There is no document.' : 'The document has to lie somewhere.',
      next:
        text === undefined
          ? '--document FILE, or --keys FILE to have it made'
          : '--gateway URL to leave it there, or --uri URI where it lies already',
    })
  const json = parseJson(text, file ?? uri ?? '')
  const { device: subject } = readDidDocument(json)
  if (subject !== device)
    throw new TrellisError({
      code: 'DOCUMENT_OF_ANOTHER',
      message: 'The document is of another device.',
      details: { document: subject, device },
    })
  const hash = canonicalHash(json)
  if (uri === undefined) return { text, hash, uri: (await postDocument(base!, canonicalJson(json))).uri }
  // What is vouched for must be what is served: a hash of something else is for ever a document that nobody accepts.
  if (fetched !== undefined && canonicalHash(parseJson(fetched, uri)) === hash) return { text, hash, uri }
  throw new TrellisError({
    code: 'DOCUMENT_DIFFERS',
    message: 'At the URI lies another document.',
    details: { uri, hash },
    next: 'put the document there first, or leave --document out to take the one that is served',
  })
}

function documentFetch(
  { local }: OpenNetwork,
  { ipfsGateway }: { ipfsGateway?: string | undefined },
): (uri: string) => Promise<Uint8Array> {
  return createDocumentFetch({ privateHosts: local, ...(ipfsGateway !== undefined && { ipfsGateway }) })
}

function documentOf(keys: string, device: string | undefined): { text: string } {
  return createDidDocument(publicKeysOf(loadKeys(fromWhereCalled(keys)), device === undefined ? undefined : readDevice(device)))
}

/** A device, by its address or by any form of its DID. */
export function readDevice(text: string): DeviceId {
  return text.startsWith('did:') ? parseDid(text).device : deviceId(text)
}

function readService(text: string): DocumentService {
  const [id, type, ...endpoint] = text.split('=')
  if (id && type && endpoint.length > 0) return { id, type, serviceEndpoint: endpoint.join('=') }
  throw new TrellisError({
    code: 'FLAG_MALFORMED',
    message: `${text.slice(0, 80)} is no service.`,
    next: '--service gateway=TrellisGateway=https://gateway.example',
  })
}

function parseJson(text: string, where: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (cause) {
    throw new TrellisError({ code: 'DOCUMENT_INVALID', message: 'The document is not JSON.', details: { where }, cause })
  }
}
