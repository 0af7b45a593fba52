// SPDX-License-Identifier: Apache-2.0
/**
 * The typed data that a device signs with its identity key for contracts, each named and understood. There is no way to make it sign a digest, or
 * typed data of another form: whoever reaches a device's signing endpoint could otherwise have it sign away its wallet.
 */
import { bytesToHex, type TypedDataDefinition } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { certificateRegistryDomain, certificateTypes, revokeCertificateTypes } from '../protocol/eip712/certificates.ts'
import { acceptanceTypes, credentialRegistryDomain, offerTypes } from '../protocol/eip712/credential.ts'
import {
  bindDataKeyTypes,
  dataKeyRegistryDomain,
  type IdentityDomain,
  ioIDRegistryDomain,
  permitTypes,
  registerTypes,
  removeTypes,
  rotateTypes,
  updateTypes,
} from '../protocol/eip712/identity.ts'
import { TrellisError } from '../protocol/errors.ts'
import type { Address, Hex } from '../protocol/ids.ts'

/** What a device's key consents to. Alone it can certify below its own certificate and revoke there; all else takes the owner's consent, too. */
export const knownTypes = {
  ...permitTypes,
  ...registerTypes,
  ...updateTypes,
  ...removeTypes,
  ...rotateTypes,
  ...bindDataKeyTypes,
  ...certificateTypes,
  ...revokeCertificateTypes,
  Acceptance: acceptanceTypes.Acceptance,
} as const

/** Types that lie in known ones, and the member that they lie in. */
const nested: Partial<Record<KnownType, { member: string; types: typeof offerTypes }>> = {
  Acceptance: { member: 'offer', types: offerTypes },
}

export type KnownType = keyof typeof knownTypes

/** Which contract on which chain each type belongs to. */
export interface TypedDataPlaces {
  chainId: number
  ioIDRegistry: Address
  dataKeyRegistry: Address
  /** Without it no credential is accepted. */
  credentialRegistry?: Address
  /** Without it the device signs no certificates. */
  certificateRegistry?: Address
}

const certificateDomain = ({ chainId, certificateRegistry }: TypedDataPlaces): IdentityDomain => {
  if (certificateRegistry !== undefined) return certificateRegistryDomain(chainId, certificateRegistry)
  throw new TrellisError({ code: 'SIGN_REFUSED', message: 'This device was not told of a registry of certificates.' })
}

const registryDomain = ({ chainId, ioIDRegistry }: TypedDataPlaces): IdentityDomain => ioIDRegistryDomain(chainId, ioIDRegistry)

/** The domain that each type is signed for. */
const domainOf: Record<KnownType, (places: TypedDataPlaces) => IdentityDomain | undefined> = {
  Permit: registryDomain,
  Register: registryDomain,
  Update: registryDomain,
  Remove: registryDomain,
  Rotate: registryDomain,
  BindDataKey: ({ chainId, dataKeyRegistry }) => dataKeyRegistryDomain(chainId, dataKeyRegistry),
  Certificate: certificateDomain,
  RevokeCertificate: certificateDomain,
  Acceptance: ({ chainId, credentialRegistry }) =>
    credentialRegistry === undefined ? undefined : credentialRegistryDomain(chainId, credentialRegistry),
}

/** Typed data as it reaches a signer: nothing about it is trusted. */
export interface TypedDataRequest {
  domain: { name?: string; version?: string; chainId?: number | bigint; verifyingContract?: Address; salt?: Hex }
  types: Readonly<Record<string, readonly { name: string; type: string }[]>>
  primaryType: string
  message: Readonly<Record<string, unknown>>
}

/** Typed data of a known type, complete with its domain. */
export function typedData(places: TypedDataPlaces, type: KnownType, message: Record<string, unknown>): TypedDataRequest {
  return { domain: domainOf[type](places) ?? {}, types: { [type]: knownTypes[type], ...nested[type]?.types }, primaryType: type, message }
}

/**
 * Signs typed data, 65 bytes r | s | v, if and only if it is of a known type, in its exact form, for our contracts on our chain.
 * @throws TrellisError SIGN_REFUSED naming what is not understood
 */
export async function signTypedData(secret: Uint8Array, places: TypedDataPlaces, request: TypedDataRequest): Promise<Hex> {
  const refused = (why: string): TrellisError =>
    new TrellisError({
      code: 'SIGN_REFUSED',
      message: `A device signs only what it understands: ${why}.`,
      details: { primaryType: request.primaryType },
    })
  const type = request.primaryType
  if (!Object.hasOwn(knownTypes, type)) throw refused('this type is not known')
  const known = typedData(places, type as KnownType, {})
  const { EIP712Domain: _, ...types } = request.types
  if (JSON.stringify(types) !== JSON.stringify(known.types)) throw refused('the fields of the type differ')
  const { name, version, chainId, verifyingContract, salt } = request.domain
  const expected = known.domain
  if (expected.verifyingContract === undefined) throw refused('its contract is not known here')
  const sameContract = verifyingContract?.toLowerCase() === expected.verifyingContract.toLowerCase()
  const sameDomain = name === expected.name && version === expected.version && Number(chainId) === expected.chainId && salt === undefined
  if (!sameContract || !sameDomain) throw refused('the domain is another contract or chain')
  const { message } = request
  const differs = (value: unknown, fields: readonly { name: string }[]): boolean =>
    typeof value !== 'object' ||
    value === null ||
    Object.keys(value).length !== fields.length ||
    fields.some(({ name: member }) => (value as Record<string, unknown>)[member] === undefined)
  const inner = nested[type as KnownType]
  if (differs(message, knownTypes[type as KnownType]) || (inner !== undefined && differs(message[inner.member], inner.types.Offer)))
    throw refused('the message has other members')
  return privateKeyToAccount(bytesToHex(secret)).signTypedData(typedData(places, type as KnownType, { ...message }) as TypedDataDefinition)
}
