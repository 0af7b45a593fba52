// SPDX-License-Identifier: Apache-2.0
/**
 * `did:io` identifiers. Ours is `did:io:` and the lower-case address of a device's first key: the wallet on chain is keyed by that exact string.
 *
 * Forms in the field, and what becomes of each (`parseDid`):
 *
 * | form       | after `did:io:`                    | written by                                             | read as                      |
 * |------------|------------------------------------|--------------------------------------------------------|------------------------------|
 * | address    | 0x and 40 lower-case digits        | ioID v1's contracts, ioConnect, Trellis                | itself                       |
 * | mixedCase  | 0x and 40 digits of any case       | ioctl, SDKs on ethers (EIP-55)                         | lower case                   |
 * | ioAddress  | io1… (bech32 of the same 20 bytes) | iotex-antenna's JWTs, the universal resolver's driver  | lower-case address           |
 * | identifier | 32 bytes in base58, or 0x and 64   | ioID v2, from project and device name                  | device where it is an address in 32 bytes, else refused |
 *
 * Two more are recognised: `network` (a chain id before the address, `did:io:4690:0x…`), read where that chain is known, and `namespace`
 * (`did:io:ucam:…`, managers of 2019), which names no device of this registry and is refused.
 */
import { base58, bech32 } from '@scure/base'
import { bytesToHex } from 'viem'
import { TrellisError } from './errors.ts'
import type { DeviceId, Hex } from './ids.ts'

export type Did = `did:io:${DeviceId}`

export type DidForm = 'address' | 'mixedCase' | 'ioAddress' | 'identifier' | 'network' | 'namespace'

export interface ParsedDid {
  form: DidForm
  device: DeviceId
  /** In our form. */
  did: Did
  /** Chain that the form names. */
  chainId?: number
}

const addressForm = /^0x[0-9a-fA-F]{40}$/
/** DID Core 3.1: what a method-specific id may be made of. */
const syntax = /^did:io:((?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}|:)*(?:[A-Za-z0-9._-]|%[0-9A-Fa-f]{2}))$/

/** The DID of a device, in the exact form that the chain stores. */
export function didOf(device: DeviceId): Did {
  return `did:io:${device}`
}

/**
 * The device that a DID names, in any form that names one without doubt.
 * @throws TrellisError DID_INVALID for what is no did:io; DID_FORM_UNSUPPORTED, `details.form`, for a form that names no device of this registry
 */
export function parseDid(did: string): ParsedDid {
  const id = syntax.exec(did)?.[1]
  if (id === undefined || did.length > 256) throw invalid(did, 'This is not a did:io identifier.')
  if (addressForm.test(id)) return parsed(id === id.toLowerCase() ? 'address' : 'mixedCase', id)
  const network = /^([1-9][0-9]{0,15}):(.+)$/.exec(id)
  if (network !== null && addressForm.test(network[2]!)) return { ...parsed('network', network[2]!), chainId: Number(network[1]) }
  if (id.includes(':')) throw unsupported(did, 'namespace', 'It belongs to a namespace with a registry of its own.')
  if (/^io1/i.test(id)) return parsed('ioAddress', fromBech32(did, id))
  const bytes = identifierBytes(id)
  if (bytes === undefined) throw invalid(did, 'This is not a did:io identifier.')
  // As the v2 facade writes a device: bytes32(uint256(uint160(device))).
  if (bytes.subarray(0, 12).some((byte) => byte !== 0))
    throw unsupported(did, 'identifier', 'It is an identifier of ioID v2, made of names and not of a key.')
  return parsed('identifier', bytesToHex(bytes.subarray(12)))
}

/**
 * The device that a DID names.
 * @throws what `parseDid` throws
 */
export function deviceOfDid(did: string): DeviceId {
  return parseDid(did).device
}

/** A DID URL with a fragment, such as the id of a verification method. */
export function didUrl(did: Did, fragment: string): `${Did}#${string}` {
  return `${did}#${fragment}`
}

function parsed(form: DidForm, address: string): ParsedDid {
  const device = address.toLowerCase() as DeviceId
  return { form, device, did: didOf(device) }
}

function fromBech32(did: string, id: string): Hex {
  const decoded = bech32.decodeUnsafe(id)
  const bytes = decoded?.prefix === 'io' ? bech32.fromWordsUnsafe(decoded.words) : undefined
  if (bytes?.length === 20) return bytesToHex(bytes)
  throw invalid(did, 'This is not an io1 address: its checksum or its length is wrong.')
}

function identifierBytes(id: string): Uint8Array | undefined {
  try {
    const bytes = /^0x[0-9a-fA-F]{64}$/.test(id)
      ? Uint8Array.from(id.slice(2).match(/../g)!, (pair) => parseInt(pair, 16))
      : base58.decode(id)
    return bytes.length === 32 ? bytes : undefined
  } catch {
    return undefined
  }
}

function invalid(did: string, message: string): TrellisError {
  return new TrellisError({
    code: 'DID_INVALID',
    message,
    details: { did: did.slice(0, 300) },
    next: 'write did:io:0x and 40 hexadecimal digits',
  })
}

function unsupported(did: string, form: DidForm, why: string): TrellisError {
  return new TrellisError({
    code: 'DID_FORM_UNSUPPORTED',
    message: `This did:io form names no device of an ioID registry. ${why}`,
    details: { did, form },
    next: "use the DID with the device's address: did:io:0x and 40 hexadecimal digits",
  })
}
