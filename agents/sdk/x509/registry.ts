// SPDX-License-Identifier: Apache-2.0
/** CertificateRegistry through any client that reads contracts: the core does no I/O of its own. */
import type { PublicClient } from 'viem'
import { certificateRegistryAbi } from '../../protocol/generated/abi.ts'
import { type Address, deviceId, type Hex } from '../../protocol/ids.ts'
import { signTypedData, typedData, type TypedDataPlaces } from '../typed-data.ts'
import type { CertificateRecord, CertId } from './certificate.ts'
import { CERTIFICATE_STATUS, type ReadStatus } from './verify.ts'

export function statusReader(client: Pick<PublicClient, 'readContract'>, address: Address): ReadStatus {
  return async (certId) => {
    const [status, notAfter, device] = await client.readContract({
      address,
      abi: certificateRegistryAbi,
      functionName: 'status',
      args: [certId],
    })
    // A status of a later version is none that lets anybody in.
    return { status: CERTIFICATE_STATUS[status] ?? 'Unknown', notAfter: Number(notAfter), device: deviceId(device) }
  }
}

/** What consent to a certificate is bound to: the device's ioID now, and how often all its certificates were ended. */
export interface Standing {
  tokenId: bigint
  generation: number
}

export function standingReader(client: Pick<PublicClient, 'readContract'>, address: Address): (device: Address) => Promise<Standing> {
  return async (device) => {
    const [tokenId, generation] = await client.readContract({
      address,
      abi: certificateRegistryAbi,
      functionName: 'standing',
      args: [device],
    })
    return { tokenId, generation }
  }
}

/** Consent of a device's key to a certificate: as issuer, and as the subject of another device's certificate. */
export function signCertificate(
  secret: Uint8Array,
  places: TypedDataPlaces,
  record: CertificateRecord,
  standing: Standing,
  deadline: bigint,
): Promise<Hex> {
  return signTypedData(secret, places, typedData(places, 'Certificate', { ...record, ...standing, deadline }))
}

/** Revocation by the key of a device that stands above. */
export function signRevocation(secret: Uint8Array, places: TypedDataPlaces, certId: CertId, deadline: bigint): Promise<Hex> {
  return signTypedData(secret, places, typedData(places, 'RevokeCertificate', { certId, deadline }))
}
