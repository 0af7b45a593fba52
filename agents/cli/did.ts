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

/** Where the services of a device's document are found. */
interface ServiceSources {
  /** The keys: `did new` leaves a document beside them. */
  keysFile?: string | undefined
  /** What the chain says of the document now. */
  published?: { documentHash: Hex; documentUri: string } | null
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
  const file = documentFile === undefined ? besideKeys(keysFile) : fromWhereCalled(documentFile)
  const services = service.map(readService)
  if (existsSync(file))
    throw new TrellisError({
      code: 'FILE_EXISTS',
      message: existsSync(keysFile) ? 'There are keys and a document already.' : 'There is a document already.',
      details: { ...(existsSync(keysFile) && { keys: keysFile }), document: file },
      next: existsSync(keysFile)
        ? 'they are a device: register it, or choose another name: --out FILE'
        : 'choose another name: --document FILE',
    })
  const keys = newKeys()
  saveKeys(keysFile, keys)
  const { did, hash, text } = createDidDocument(publicKeysOf(keys), services)
  writeFileSync(file, text, { flag: 'wx' })
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
  { document: file, uri, gateway, ipfsGateway, ...sources }: DocumentOptions & ServiceSources,
): Promise<PlacedDocument> {
  const base = (gateway ?? network.gatewayUrl)?.replace(/\/$/, '')
  const given = file === undefined ? undefined : readFileSync(fromWhereCalled(file), 'utf8')
  const fetch = documentFetch(network, { ipfsGateway })
  const fetched = uri === undefined ? undefined : Buffer.from(await fetch(uri)).toString('utf8')
  let text = given ?? fetched
  if (given === undefined && keys !== undefined) {
    // What is served may say what it likes of services; the keys in it are these.
    const services =
      fetched === undefined
        ? withGateway((await servicesBefore(device, fetch, sources)) ?? [], base, gateway !== undefined)
        : servicesOf(fetched, device)
    text = createDidDocument(publicKeysOf(keys, device), services).text
  }
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
    next: file === undefined ? 'put the document there that did new made, or name yours: --document FILE' : 'put the document there first',
  })
}

/** Services of the document beside the keys, else of the one that is published; undefined where there is neither. */
async function servicesBefore(
  device: DeviceId,
  fetch: (uri: string) => Promise<Uint8Array>,
  { keysFile, published }: ServiceSources,
): Promise<DocumentService[] | undefined> {
  const beside = keysFile === undefined ? undefined : besideKeys(fromWhereCalled(keysFile))
  if (beside !== undefined && existsSync(beside)) {
    const text = readFileSync(beside, 'utf8')
    if (readDidDocument(parseJson(text, beside)).device === device) return servicesOf(text, device)
  }
  if (!published?.documentUri) return undefined
  try {
    const text = Buffer.from(await fetch(published.documentUri)).toString('utf8')
    if (canonicalHash(parseJson(text, published.documentUri)) === published.documentHash) return servicesOf(text, device)
  } catch {
    // Told below: a document that nobody can read any more must not hold up a new one.
  }
  printer(true).line(
    `services of the document at ${published.documentUri} are lost: it is not there as the chain has it (--document FILE keeps them)`,
  )
  return undefined
}

/** Of a document of `device`, those that the strict form holds. */
function servicesOf(text: string, device: DeviceId): DocumentService[] {
  const { services } = readDidDocument(parseJson(text, ''))
  return services.flatMap(({ id, type, serviceEndpoint }) => {
    if (typeof serviceEndpoint === 'string') return [{ id: id.replace(`did:io:${device}#`, ''), type, serviceEndpoint }]
    printer(true).line(`the service ${id} is left out: its endpoint is no text (--document FILE keeps it)`)
    return []
  })
}

/** A gateway that is named, or that runs here where the document names none. */
function withGateway(services: DocumentService[], base: string | undefined, named: boolean): DocumentService[] {
  const kept = named ? services.filter(({ id }) => id !== 'gateway') : services
  if (base === undefined || kept.some(({ id }) => id === 'gateway')) return kept
  return [...kept, { id: 'gateway', type: 'TrellisGateway', serviceEndpoint: base }]
}

/** Where `did new` leaves the document of keys. */
const besideKeys = (keysFile: string): string => `${keysFile.replace(/(\.keys)?\.json$/, '')}.did.json`

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
