// SPDX-License-Identifier: Apache-2.0
/** EIP-712 typed data of the identity contracts: domains and types, as pure data for any signer (viem, ethers, a device). */
import type { Address } from '../ids.ts'

export const field = <const Name extends string, const Type extends string>(name: Name, type: Type) => ({ name, type }) as const

/** A domain in the shape that signers take; none of ours has a salt. */
export interface IdentityDomain {
  name: string
  version: string
  chainId: number
  verifyingContract: Address
}

/** Domain of IoIDRegistry: legacy permits and all typed overloads. A v1 wire constant. */
export const ioIDRegistryDomain = (chainId: number, verifyingContract: Address): IdentityDomain => ({
  name: 'ioIDRegistry',
  version: '1',
  chainId,
  verifyingContract,
})

/** Domain of DataKeyRegistry. */
export const dataKeyRegistryDomain = (chainId: number, verifyingContract: Address): IdentityDomain => ({
  name: 'DataKeyRegistry',
  version: '1',
  chainId,
  verifyingContract,
})

/** Domain of Memberships. */
export const membershipsDomain = (chainId: number, verifyingContract: Address): IdentityDomain => ({
  name: 'Memberships',
  version: '1',
  chainId,
  verifyingContract,
})

/** Domain of the ERC-2771 forwarder that IoIDRegistry trusts. */
export const forwarderDomain = (chainId: number, verifyingContract: Address): IdentityDomain => ({
  name: 'TrellisForwarder',
  version: '1',
  chainId,
  verifyingContract,
})

/** Domain of a device's wallet (ERC-1271): `verifyingContract` is the account. */
export const deviceAccountDomain = (chainId: number, verifyingContract: Address): IdentityDomain => ({
  name: 'DeviceAccount',
  version: '1',
  chainId,
  verifyingContract,
})

/** Domain of a verifying proxy, version 1 or 2 of it: typed registrations through it. */
export const verifyingProxyDomain = (chainId: number, verifyingContract: Address): IdentityDomain => ({
  name: 'VerifyingProxy',
  version: '1',
  chainId,
  verifyingContract,
})

/** v1's permit: what devices in the field sign. Accepted for `register`, elsewhere while `legacyPermits()`. */
export const permitTypes = { Permit: [field('owner', 'address'), field('nonce', 'uint256')] } as const

const registration = [
  field('deviceContract', 'address'),
  field('tokenId', 'uint256'),
  field('user', 'address'),
  field('device', 'address'),
  field('hash', 'bytes32'),
  field('uri', 'string'),
] as const

/** `register(Registration,…)`: signed by the device's key and, unless he or his relayer calls, by the user. */
export const registerTypes = { Register: [...registration, field('nonce', 'uint256'), field('deadline', 'uint256')] } as const

/** A verifying proxy's `register(bytes,Registration,…)`: signed by its verifier and the user. The device signs `registerTypes`, the proxy being the user. */
export const verifiedRegisterTypes = { Register: [...registration, field('deadline', 'uint256')] } as const

/** `registerBatch`: signed by the user unless he or his relayer calls; `registrations` is keccak256 of the `Register` struct hashes. */
export const registerBatchTypes = { RegisterBatch: [field('registrations', 'bytes32'), field('deadline', 'uint256')] } as const

/** `update`: signed by the device's key, and by the owner unless he or his relayer calls; so are `migrate` and `remove`. */
export const updateTypes = {
  Update: [
    field('device', 'address'),
    field('hash', 'bytes32'),
    field('uri', 'string'),
    field('nonce', 'uint256'),
    field('deadline', 'uint256'),
  ],
} as const

export const migrateTypes = {
  Migrate: [field('device', 'address'), field('user', 'address'), field('nonce', 'uint256'), field('deadline', 'uint256')],
} as const

export const removeTypes = {
  Remove: [field('device', 'address'), field('nonce', 'uint256'), field('deadline', 'uint256')],
} as const

/** `rotate`: signed by the new key, and by the owner unless he or his relayer calls. */
export const rotateTypes = {
  Rotate: [field('device', 'address'), field('newSigner', 'address'), field('nonce', 'uint256'), field('deadline', 'uint256')],
} as const

/** `Memberships.join`: signed by the device's key, and by the owner unless he or his relayer calls. */
export const joinTypes = {
  Join: [
    field('projectId', 'uint256'),
    field('device', 'address'),
    field('tokenId', 'uint256'),
    field('nonce', 'uint256'),
    field('deadline', 'uint256'),
  ],
} as const

/** What an owner signs for the ERC-2771 forwarder, whose domain is `forwarderDomain`. */
export const forwardRequestTypes = {
  ForwardRequest: [
    field('from', 'address'),
    field('to', 'address'),
    field('value', 'uint256'),
    field('gas', 'uint256'),
    field('nonce', 'uint256'),
    field('deadline', 'uint48'),
    field('data', 'bytes'),
  ],
} as const

/** `DataKeyRegistry.bind`: signed by the device's key. The data key signs beside it (agents/crypto/schnorr.ts). */
export const bindDataKeyTypes = {
  BindDataKey: [
    field('projectId', 'uint256'),
    field('device', 'address'),
    field('tokenId', 'uint256'),
    field('keyX', 'uint256'),
    field('keyY', 'uint256'),
    field('fromWindow', 'uint32'),
    field('deadline', 'uint256'),
  ],
} as const

/** What an owner signs for ERC-1271 of a wallet: `hash` is what the verifier asked about. */
export const accountMessageTypes = { AccountMessage: [field('hash', 'bytes32')] } as const
