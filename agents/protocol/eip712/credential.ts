// SPDX-License-Identifier: Apache-2.0
/** EIP-712 typed data of credentials, people and attributes, and the names of what CredentialRegistry answers. Pure data. */
import type { Address } from '../ids.ts'
import type { IdentityDomain } from './identity.ts'

const field = <const Name extends string, const Type extends string>(name: Name, type: Type) => ({ name, type }) as const

const domain =
  (name: string) =>
  (chainId: number, verifyingContract: Address): IdentityDomain => ({ name, version: '1', chainId, verifyingContract })

export const credentialRegistryDomain = domain('CredentialRegistry')
export const personRegistryDomain = domain('PersonRegistry')
export const attributesDomain = domain('Attributes')

/** `CredentialRegistry.claim`: signed by the issuer. */
export const offerTypes = {
  Offer: [
    field('typeId', 'bytes32'),
    field('issuer', 'address'),
    field('device', 'address'),
    field('credentialHash', 'bytes32'),
    field('validFrom', 'uint40'),
    field('validUntil', 'uint40'),
    field('statusList', 'uint32'),
    field('statusIndex', 'uint32'),
    field('maxPrice', 'uint256'),
    field('nonce', 'uint256'),
    field('deadline', 'uint256'),
  ],
} as const

/** `CredentialRegistry.claim`: signed by the device's current key, message `{ offer }`. */
export const acceptanceTypes = { Acceptance: [field('offer', 'Offer')], ...offerTypes } as const

const documentFields = [
  field('person', 'address'),
  field('hash', 'bytes32'),
  field('uri', 'string'),
  field('nonce', 'uint256'),
  field('deadline', 'uint256'),
] as const

/** `PersonRegistry`: signed by the person. */
export const registerPersonTypes = { Register: documentFields } as const
export const updatePersonTypes = { Update: documentFields } as const
export const removePersonTypes = {
  Remove: [field('person', 'address'), field('nonce', 'uint256'), field('deadline', 'uint256')],
} as const

/** `Attributes.issue`: signed by the holder. */
export const issueAttributeTypes = {
  IssueAttribute: [
    field('issuer', 'address'),
    field('holder', 'address'),
    field('typeId', 'bytes32'),
    field('dataHash', 'bytes32'),
    field('uri', 'string'),
    field('validUntil', 'uint40'),
    field('nonce', 'uint256'),
    field('deadline', 'uint256'),
  ],
} as const

/** `CredentialStatus` of ICredentialRegistry.sol, in words that end "the credential is …". */
export const credentialStatuses = [
  'missing',
  'valid',
  'not valid yet',
  'expired',
  'revoked',
  'suspended',
  'void, as its issuer is',
  'of an ioID that the device has no more',
] as const
export type CredentialStatus = (typeof credentialStatuses)[number]
