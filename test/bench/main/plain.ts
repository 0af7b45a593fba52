// SPDX-License-Identifier: Apache-2.0
/**
 * What the gateway is compared with: the same messages judged as anybody would write it from packages (JSON.parse, viem's typed data, @noble/curves,
 * circomlibjs), on one core, without a network, an order or a store. A gateway made of these packages is never faster than this.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { buildEddsa, buildPoseidon, type Eddsa, type Poseidon } from 'circomlibjs'
import { type Address, hashTypedData, hexToBytes, pad, toHex } from 'viem'
import { envelopeTypes } from '../../../agents/protocol/envelope.ts'
import { channelIdOf } from '../../../agents/protocol/ids.ts'
import { WINDOW_DOMAIN, WINDOW_VERSION } from '../../../agents/protocol/window.ts'
import type { DevicePublicKeys } from '../../../agents/sdk/keys.ts'

export const plainReadingName = 'viem + @noble/curves verify, one core, no store'
export const plainWindowName = 'viem + @noble/curves + circomlibjs verify, one core, no store'

export interface Plain {
  /** Whether a message's signatures hold. */
  judge(payload: Buffer, keys: DevicePublicKeys): boolean
}

export interface PlainPlaces {
  chainId: number
  ioIDRegistry: Address
  dataKeyRegistry: Address
}

export async function openPlain({ chainId, ioIDRegistry, dataKeyRegistry }: PlainPlaces): Promise<Plain> {
  const [eddsa, poseidon] = await Promise.all([buildEddsa(), buildPoseidon()])
  const domain = { name: 'Trellis', version: '1', chainId, verifyingContract: ioIDRegistry }
  const signed = (signature: string, digest: Uint8Array, key: Uint8Array): boolean =>
    secp256k1.verify(Buffer.from(signature.slice(2), 'hex'), digest, key, { prehash: true, lowS: true, format: 'compact' })

  return {
    judge(payload, { identityKey, dataKey }) {
      const json = JSON.parse(payload.toString()) as Record<string, string>
      const { project, device, channel, signature } = json as { project: string; device: Address; channel: string; signature: string }
      const common = { project: BigInt(project), device, channel }
      if (json['kind'] === 'reading') {
        const [whole = '', fraction = ''] = json['value']!.split('.')
        const message = {
          ...common,
          sequence: BigInt(json['sequence']!),
          time: BigInt(json['time']!),
          value: BigInt(whole + fraction.padEnd(2, '0')),
          decimals: 2,
        }
        const digest = hashTypedData({ domain, types: { Reading: envelopeTypes.Reading }, primaryType: 'Reading', message })
        return signed(signature, hexToBytes(digest), identityKey)
      }
      const lanes = json['lanes']!.slice(2)
        .match(/.{16}/g)!
        .map((lane) => BigInt(`0x${lane}`))
      const place = {
        index: Number(json['index']),
        firstSequence: BigInt(json['firstSequence']!),
        count: lanes.length,
        firstTime: BigInt(json['firstTime']!),
      }
      const root = rootOf(poseidon, lanes, place.firstTime, channelIdOf(channel))
      const message = { ...common, ...place, readingsRoot: pad(toHex(root), { size: 32 }) }
      const digest = hashTypedData({ domain, types: { Window: envelopeTypes.Window }, primaryType: 'Window', message })
      if (!signed(signature, hexToBytes(digest), identityKey)) return false
      const subject = [BigInt(chainId), BigInt(dataKeyRegistry), common.project, BigInt(device), BigInt(place.index), place.firstSequence]
      const statement = poseidon([WINDOW_DOMAIN, WINDOW_VERSION, ...subject, BigInt(place.count), root])
      return eddsa.verifyPoseidon(statement, dataSignature(eddsa, json['dataSignature']!), [eddsa.F.e(dataKey.x), eddsa.F.e(dataKey.y)])
    },
  }
}

function rootOf(poseidon: Poseidon, lanes: readonly bigint[], firstTime: bigint, channel: bigint): bigint {
  const padded = [...lanes, ...new Array<bigint>(64 - lanes.length).fill(0n), firstTime, channel]
  const elements = Array.from({ length: 22 }, (_, k) => padded[3 * k]! + (padded[3 * k + 1]! << 64n) + (padded[3 * k + 2]! << 128n))
  const first = poseidon.F.toObject(poseidon(elements.slice(0, 16)))
  return poseidon.F.toObject(poseidon([first, ...elements.slice(16)]))
}

function dataSignature({ F }: Eddsa, hex: string): Parameters<Eddsa['verifyPoseidon']>[1] {
  const word = (at: number): bigint => BigInt(`0x${hex.slice(2 + 64 * at, 66 + 64 * at)}`)
  return { R8: [F.e(word(0)), F.e(word(1))], S: word(2) }
}
