// SPDX-License-Identifier: Apache-2.0
/**
 * Resolver of did:io in did-resolver's interface: the document from its URI, checked against the hash on chain. No I/O of its own: chains and `fetch` are
 * given (drivers/node has both).
 *
 * `didResolutionMetadata.error`, each with one meaning:
 *
 * - `invalidDid` no did:io; `unsupportedForm` a did:io of another kind or chain
 * - `notFound` never registered; `deactivated` registered once and removed
 * - `digestInsteadOfDocument` the registry holds a digest that the device signed: it commits to no document (attack 6)
 * - `documentUnavailable` nothing usable at the URI; `hashMismatch` another document lies there
 * - `invalidDocument` the hash is right, and the document is none of this device
 * - `representationNotSupported` the caller asks for something other than JSON
 * - `chainUnavailable` the chain does not answer
 */
import type { DIDDocument, DIDDocumentMetadata, DIDResolutionMetadata, DIDResolutionResult, ResolverRegistry } from 'did-resolver'
import { bytesToString, hashStruct, hashTypedData, keccak256, sha256 } from 'viem'
import { canonicalHash, type Json } from '../protocol/canonical-json.ts'
import { didOf, parseDid, type ParsedDid } from '../protocol/did.ts'
import { ioIDRegistryDomain, permitTypes } from '../protocol/eip712/identity.ts'
import { isTrellisError, toTrellisError } from '../protocol/errors.ts'
import type { Address, DeviceId, Hex } from '../protocol/ids.ts'
import { keyDevice } from './did-document.ts'
import { readDidDocument } from './read-document.ts'

/** A device as a chain has it, all of one block. */
export interface DeviceState {
  block: bigint
  /** Nonce of the device's next consent: grows with each change, also over removals; 0 when it was never registered. */
  nonce: bigint
  /** Null when the device is not live. */
  live: LiveDevice | null
  /** Live device that this address is the current key of. */
  keyOf: DeviceId | null
  /** This address was the key of a device and is retired. */
  retired: boolean
  /** Unix seconds of the first registration and of the last change to the document, where the chain's events can be had. */
  created?: number
  updated?: number
}

export interface LiveDevice {
  tokenId: bigint
  project: bigint
  owner: Address
  wallet: Address
  /** Address of the key in use. */
  signer: Address
  documentHash: Hex
  documentUri: string
}

export interface DidChain {
  chainId: number
  ioIDRegistry: Address
  /** @throws TrellisError RPC_FAILED and its kind, which become `chainUnavailable` */
  read: (device: DeviceId) => Promise<DeviceState>
  /** Whom permits of the device may have named: past owners, senders and targets of its registrations. Asked only when something is wrong. */
  permitOwners?: (device: DeviceId) => Promise<readonly Address[]>
}

export interface ResolverOptions {
  /** The chain of a DID that names none comes first. */
  chains: readonly [DidChain, ...DidChain[]]
  /** Bytes at a URI, bounded in size and time. @throws TrellisError with what is wrong, which becomes `documentUnavailable` */
  fetch: (uri: string) => Promise<Uint8Array>
}

export type ResolutionError =
  | 'invalidDid'
  | 'unsupportedForm'
  | 'notFound'
  | 'deactivated'
  | 'digestInsteadOfDocument'
  | 'documentUnavailable'
  | 'hashMismatch'
  | 'invalidDocument'
  | 'representationNotSupported'
  | 'chainUnavailable'

const MEDIA_TYPE = 'application/did+json'
const ACCEPTED = new Set([MEDIA_TYPE, 'application/did+ld+json', 'application/did', 'application/json', '*/*'])
/** Past consents of which the digest is compared with the hash on chain, newest first. */
const MAX_NONCES = 64n
const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`

/** For `new Resolver(getResolver({ chains, fetch }))` of did-resolver. */
export function getResolver(options: ResolverOptions): ResolverRegistry {
  return { io: async (did, _parsed, _resolver, { accept }) => resolveDid(options, did, accept) }
}

/** Resolves a did:io. Never throws: what is wrong is in `didResolutionMetadata`. */
export async function resolveDid({ chains, fetch }: ResolverOptions, did: string, accept?: string): Promise<DIDResolutionResult> {
  if (accept !== undefined && !accept.split(',').some((type) => ACCEPTED.has(type.split(';', 1)[0]!.trim())))
    return failed('representationNotSupported', { message: `A document is given as ${MEDIA_TYPE}.` })
  let parsed: ParsedDid
  try {
    parsed = parseDid(did)
  } catch (error) {
    const form = isTrellisError(error) ? error.details['form'] : undefined
    return failed(form === undefined ? 'invalidDid' : 'unsupportedForm', { ...told(error), ...(form === undefined ? {} : { form }) })
  }
  const { device, form, chainId } = parsed
  const chain = chainId === undefined ? chains[0] : chains.find((known) => known.chainId === chainId)
  if (chain === undefined) return failed('unsupportedForm', { message: `Chain ${chainId!} is not known here.`, form })

  let state: DeviceState
  try {
    state = await chain.read(device)
  } catch (error) {
    return failed('chainUnavailable', told(error))
  }
  const metadata = metadataOf(chain, did, parsed.did, state)
  const { live } = state
  if (live === null && state.nonce > 0n)
    return failed('deactivated', { message: 'The device was removed from the registry.' }, { ...metadata, deactivated: true })
  if (live === null) {
    const { keyOf, retired } = state
    const what = retired ? 'It is a retired key' : keyOf === null ? '' : `It is the key of ${didOf(keyOf)}`
    return failed('notFound', { message: `No device of this address was ever registered. ${what}`.trim() })
  }

  const fail = async (error: ResolutionError, facts: Facts): Promise<DIDResolutionResult> => {
    // What stands where the hash belongs says more than what is wrong with the document.
    const digest = await signedDigest(chain, device, state, live).catch(() => null)
    const onChain = { documentUri: live.documentUri, documentHash: live.documentHash }
    if (digest === null) return failed(error, { ...facts, ...onChain }, metadata)
    const message = `The registry holds ${digest}, not the hash of a document: whatever lies at the URI is not vouched for.`
    return failed('digestInsteadOfDocument', { message, ...onChain }, metadata)
  }
  if (live.documentHash === ZERO_HASH) return fail('hashMismatch', { message: 'The hash on chain is zero: it commits to no document.' })
  let bytes: Uint8Array
  try {
    bytes = await fetch(live.documentUri)
  } catch (error) {
    return fail('documentUnavailable', told(error))
  }
  let document: Json
  try {
    document = JSON.parse(bytesToString(bytes)) as Json
  } catch {
    // A hash that fits what is no JSON does not make it a document.
    return fail(keccak256(bytes) === live.documentHash ? 'invalidDocument' : 'documentUnavailable', {
      message: 'What lies at the URI is not JSON.',
    })
  }
  const have = keccak256(bytes)
  const canonical = canonicalOrNull(document)
  const match = have === live.documentHash ? 'bytes' : canonical === live.documentHash ? 'canonicalJson' : null
  if (match === null) {
    const sha = sha256(bytes) === live.documentHash ? ' The registry holds its SHA-256, where Keccak-256 belongs.' : ''
    return fail('hashMismatch', {
      message: `The document at the URI is not the one that the chain vouches for.${sha}`,
      found: have,
      foundCanonical: canonical,
    })
  }
  try {
    const { device: subject, keys } = readDidDocument(document)
    if (subject !== device) return await fail('invalidDocument', { message: `The document is of ${didOf(subject)}.` })
    // Keys of a document that a rotation left behind are the chain's word against the document's.
    const own = keys.filter(
      ({ curve, controller, relationships }) =>
        curve === 'secp256k1' && controller.endsWith(device) && relationships.includes('authentication'),
    )
    const currentKey = own.length === 0 ? undefined : own.some(({ publicKey }) => keyDevice(publicKey!) === live.signer.toLowerCase())
    return {
      didResolutionMetadata: { contentType: MEDIA_TYPE, form, hashMatch: match },
      didDocument: document as unknown as DIDDocument,
      didDocumentMetadata: { ...metadata, ...(currentKey === undefined ? {} : { currentKey }) },
    }
  } catch (error) {
    return fail('invalidDocument', told(error))
  }
}

type Facts = Readonly<Record<string, unknown>> & { message: string }

function failed(error: ResolutionError, facts: Facts, metadata: DIDDocumentMetadata = {}): DIDResolutionResult {
  const didResolutionMetadata: DIDResolutionMetadata = { error, ...facts }
  return { didResolutionMetadata, didDocument: null, didDocumentMetadata: metadata }
}

function told(error: unknown): Facts {
  const { code, message, details, next } = toTrellisError(error).toJSON()
  return { message, code, ...(Object.keys(details).length > 0 && { details }), ...(next !== null && { next }) }
}

/** DID Resolution's members, then what the chain adds: who owns the device, its wallet, the key in use. */
function metadataOf(
  chain: DidChain,
  asked: string,
  canonicalId: string,
  { nonce, live, created, updated }: DeviceState,
): DIDDocumentMetadata {
  const time = (seconds: number): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')
  return {
    ...(created !== undefined && { created: time(created) }),
    ...(updated !== undefined && { updated: time(updated) }),
    versionId: nonce.toString(),
    canonicalId,
    ...(asked !== canonicalId && { equivalentId: [asked] }),
    chainId: chain.chainId,
    ...(live !== null && {
      owner: live.owner,
      wallet: live.wallet,
      signer: live.signer,
      project: live.project.toString(),
      tokenId: live.tokenId.toString(),
    }),
  }
}

/** Name of the digest that stands in the hash's place, or null. Clients in the field passed on what the device had just signed: its permit. */
async function signedDigest(chain: DidChain, device: DeviceId, { nonce }: DeviceState, live: LiveDevice): Promise<string | null> {
  const domain = ioIDRegistryDomain(chain.chainId, chain.ioIDRegistry)
  const owners = new Set(
    [live.owner, device, ...((await chain.permitOwners?.(device)) ?? [])].map((owner) => owner.toLowerCase() as Address),
  )
  for (let past = nonce; past >= 0n && past > nonce - MAX_NONCES; past--) {
    for (const owner of owners) {
      const message = { owner, nonce: past }
      if (hashTypedData({ domain, types: permitTypes, primaryType: 'Permit', message }) === live.documentHash)
        return 'the digest of a permit'
      if (hashStruct({ types: permitTypes, primaryType: 'Permit', data: message }) === live.documentHash)
        return 'the struct hash of a permit'
    }
  }
  return null
}

function canonicalOrNull(document: Json): Hex | null {
  try {
    return canonicalHash(document)
  } catch {
    return null
  }
}
