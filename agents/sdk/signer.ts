// SPDX-License-Identifier: Apache-2.0
/** What a device signs: readings, windows, its registration and what changes it, its data key. Nothing else, and never a bare digest. */
import { bytesToHex, hexToNumber, slice } from 'viem'
import { es256kSign } from '../crypto/es256k.ts'
import { signPoseidon } from '../crypto/eddsa.ts'
import { type SchnorrSignature, signPossession } from '../crypto/schnorr.ts'
import {
  type EnvelopeDigests,
  envelopeDigests,
  type ReadingEnvelope,
  type UnsignedReading,
  type WindowEnvelope,
} from '../protocol/envelope.ts'
import { TrellisError } from '../protocol/errors.ts'
import { parseFixed } from '../protocol/fixed-point.ts'
import type { Address, DeviceId, Hex, ProjectId } from '../protocol/ids.ts'
import { encodeDataSignature, readingsRoot, windowMessage } from '../protocol/window.ts'
import { type DeviceKeys, type DevicePublicKeys, publicKeysOf } from './keys.ts'
import { signTypedData, typedData, type TypedDataPlaces } from './typed-data.ts'
import type { ClosedWindow } from './window-cutter.ts'

export interface SignerOptions extends TypedDataPlaces {
  keys: DeviceKeys
  project: ProjectId
  /** Identifier, where the identity key is not the device's first one. */
  device?: DeviceId
}

/** A registration by the owner of a device NFT. */
export interface RegistrationRequest {
  /** The owner: who holds the device NFT and will own the ioID. */
  owner: Address
  deviceContract: Address
  /** Id of the device NFT. */
  tokenId: bigint
  /** Hash and place of the DID document. */
  hash: Hex
  uri: string
  /** `nonces(device)`; 0 for a device that was never registered. */
  nonce: bigint
  /** Unix seconds. */
  deadline: bigint
}

/** Both consents of a device to its registration: the form of devices in the field, and the one that binds everything. */
export interface RegistrationSignatures {
  legacy: { v: number; r: Hex; s: Hex; signature: Hex }
  typed: { signature: Hex; deadline: bigint }
}

/** A change to a registration. */
export interface ConsentRequest {
  /** `nonces(device)`. */
  nonce: bigint
  /** Unix seconds. */
  deadline: bigint
}

export interface DataKeyRequest {
  /** ioID token id of the device. */
  tokenId: bigint
  /** First window that the key signs. */
  fromWindow: number
  /** Unix seconds. */
  deadline: bigint
}

/** Arguments of `IDataKeyRegistry.bind` that come from the device. */
export interface DataKeyOffer {
  key: { x: bigint; y: bigint }
  eighth: { x: bigint; y: bigint }
  fromWindow: number
  deadline: bigint
  deviceSignature: Hex
  keySignature: SchnorrSignature
}

/** What an issuer offers to a device: `Offer` of ICredentialRegistry. */
export interface CredentialOffer {
  typeId: Hex
  issuer: Address
  device: Address
  credentialHash: Hex
  /** Unix seconds; `validUntil` is the first that is not valid. */
  validFrom: number
  validUntil: number
  /** Even number of the issuer's revocation list, and the place in it. */
  statusList: number
  statusIndex: number
  /** Wei. */
  maxPrice: bigint
  nonce: bigint
  deadline: bigint
}

export interface DeviceSigner {
  readonly publicKeys: DevicePublicKeys
  /** @throws TrellisError VALUE_INVALID when the value is not exact in `decimals`. */
  reading(reading: Pick<UnsignedReading, 'sequence' | 'time' | 'channel' | 'value'>, decimals: number): ReadingEnvelope
  window(closed: ClosedWindow, channel: string): WindowEnvelope
  registration(request: RegistrationRequest): Promise<RegistrationSignatures>
  /** Consent to another document. */
  update(request: ConsentRequest & { hash: Hex; uri: string }): Promise<Hex>
  /** Consent to the removal. */
  removal(request: ConsentRequest): Promise<Hex>
  /** Consent of this key to become the device's: signed by the new one, the old one may be lost. */
  rotation(request: ConsentRequest): Promise<Hex>
  dataKey(request: DataKeyRequest): Promise<DataKeyOffer>
  /** Acceptance of a credential for this device. @throws TrellisError SIGN_REFUSED for another device's, or without `credentialRegistry` */
  credential(offer: CredentialOffer): Promise<Hex>
}

export function createDeviceSigner({ keys, project, device: known, ...places }: SignerOptions): DeviceSigner {
  const { chainId, ioIDRegistry, dataKeyRegistry } = places
  const publicKeys = publicKeysOf(keys, known)
  const { device } = publicKeys
  const digests: EnvelopeDigests = envelopeDigests({ chainId, ioIDRegistry })
  const sign = (digest: Uint8Array): Hex => bytesToHex(es256kSign(keys.identity, digest))

  return {
    publicKeys,
    reading({ sequence, time, channel, value }, decimals) {
      const unsigned = { v: 1, kind: 'reading', project, device, sequence, time, channel, value } as const
      return { ...unsigned, signature: sign(digests.reading(unsigned, parseFixed(value, decimals), decimals)) }
    },
    window({ index, content }, channel) {
      const { firstSequence, firstTime, lanes } = content
      const root = readingsRoot(content)
      const message = windowMessage({
        chainId,
        dataKeyRegistry,
        project,
        device,
        windowIndex: index,
        firstSequence,
        count: lanes.length,
        root,
      })
      const dataSignature = encodeDataSignature(signPoseidon(keys.data, message))
      const unsigned = { v: 1, kind: 'window', project, device, index, firstSequence, firstTime, channel, dataSignature } as const
      const envelope = { ...unsigned, lanes: [...lanes] }
      return { ...envelope, signature: sign(digests.window(envelope, root)) }
    },
    async registration({ owner, deviceContract, tokenId, hash, uri, nonce, deadline }) {
      const legacy = await signTypedData(keys.identity, places, typedData(places, 'Permit', { owner, nonce }))
      const message = { deviceContract, tokenId, user: owner, device, hash, uri, nonce, deadline }
      const signature = await signTypedData(keys.identity, places, typedData(places, 'Register', message))
      return {
        legacy: { v: hexToNumber(slice(legacy, 64)), r: slice(legacy, 0, 32), s: slice(legacy, 32, 64), signature: legacy },
        typed: { signature, deadline },
      }
    },
    update: ({ hash, uri, nonce, deadline }) =>
      signTypedData(keys.identity, places, typedData(places, 'Update', { device, hash, uri, nonce, deadline })),
    removal: ({ nonce, deadline }) => signTypedData(keys.identity, places, typedData(places, 'Remove', { device, nonce, deadline })),
    rotation: ({ nonce, deadline }) =>
      signTypedData(keys.identity, places, typedData(places, 'Rotate', { device, newSigner: publicKeys.signer, nonce, deadline })),
    async dataKey({ tokenId, fromWindow, deadline }) {
      const { dataKey: key, eighth } = publicKeys
      const message = { projectId: project, device, tokenId, keyX: key.x, keyY: key.y, fromWindow, deadline }
      const deviceSignature = await signTypedData(keys.identity, places, typedData(places, 'BindDataKey', message))
      const binding = { chainId: BigInt(chainId), registry: dataKeyRegistry, project, device, tokenId, fromWindow, deadline }
      return { key, eighth, fromWindow, deadline, deviceSignature, keySignature: signPossession(keys.data, binding) }
    },
    async credential(offer) {
      if (offer.device.toLowerCase() !== device) {
        throw new TrellisError({
          code: 'SIGN_REFUSED',
          message: 'The offer is for another device.',
          details: { device, offered: offer.device },
        })
      }
      return signTypedData(keys.identity, places, typedData(places, 'Acceptance', { offer }))
    },
  }
}
