// SPDX-License-Identifier: Apache-2.0
/** EIP-712 typed data of CertificateRegistry. */
import type { Address } from '../ids.ts'
import { field, type IdentityDomain } from './identity.ts'

export const certificateRegistryDomain = (chainId: number, verifyingContract: Address): IdentityDomain => ({
  name: 'CertificateRegistry',
  version: '1',
  chainId,
  verifyingContract,
})

/** `publish`: signed by the issuer device's key; and by the ioID's owner (a root) or the subject device's key (another device). */
export const certificateTypes = {
  Certificate: [
    field('digest', 'bytes32'),
    field('device', 'address'),
    field('parent', 'bytes32'),
    field('spkiHash', 'bytes32'),
    field('notBefore', 'uint40'),
    field('notAfter', 'uint40'),
    field('ca', 'bool'),
    field('pathLen', 'uint8'),
    field('name', 'string'),
    field('replaces', 'bytes32'),
    field('tokenId', 'uint256'),
    field('generation', 'uint32'),
    field('deadline', 'uint256'),
  ],
} as const

/** `revoke`: signed by the key of a device above, or by the owner of the subject's ioID. */
export const revokeCertificateTypes = { RevokeCertificate: [field('certId', 'bytes32'), field('deadline', 'uint256')] } as const

/** `voidAll`: signed by the ioID's owner. */
export const voidAllTypes = { VoidAll: [field('device', 'address'), field('generation', 'uint32'), field('deadline', 'uint256')] } as const
