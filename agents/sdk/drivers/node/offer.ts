// SPDX-License-Identifier: Apache-2.0
/** What a device offers its project's owner, who submits it: its DID document, its consent to the registration, its data key (IoTeX 2.0, 5.2.2). */
import type { Json } from '../../../protocol/canonical-json.ts'
import { createDidDocument } from '../../did-document.ts'
import type { DataKeyOffer, DeviceSigner, RegistrationSignatures } from '../../signer.ts'
import type { DeviceConfig } from './config.ts'
import { postDocument } from './http.ts'

export interface DeviceOffer {
  device: string
  did: string
  document: Json
  /** keccak256 of the document's canonical JSON. */
  hash: `0x${string}`
  uri: string
  /** Point of the data key; `dataKey` carries the signatures once the ioID's token id is known. */
  publicDataKey: { x: bigint; y: bigint }
  registration: RegistrationSignatures | null
  dataKey: DataKeyOffer | null
}

/** @throws TrellisError DOCUMENT_REFUSED when the gateway does not take the document */
export async function makeOffer(
  signer: DeviceSigner,
  config: Pick<DeviceConfig, 'gatewayUrl' | 'registration' | 'dataKey'>,
): Promise<DeviceOffer> {
  const { gatewayUrl, registration, dataKey } = config
  const base = gatewayUrl.replace(/\/$/, '')
  const { did, document, text, hash } = createDidDocument(signer.publicKeys, [
    { id: 'gateway', type: 'TrellisGateway', serviceEndpoint: base },
  ])
  const post = registration?.postDocument ?? false
  const uri = post ? (await postDocument(base, text)).uri : `${base}/v1/documents/${hash}`
  return {
    ...{ device: signer.publicKeys.device, did, document, hash, uri, publicDataKey: signer.publicKeys.dataKey },
    registration: registration === undefined ? null : await signer.registration({ ...registration, hash, uri }),
    dataKey: dataKey === undefined ? null : await signer.dataKey(dataKey),
  }
}

/** An offer as one line of JSON; what may pass 2^53 is a decimal string. */
export function offerToJson(offer: DeviceOffer): string {
  return JSON.stringify(offer, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
}
