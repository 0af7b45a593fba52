// SPDX-License-Identifier: Apache-2.0
import { verifyGroth16 } from 'trellis/crypto'
import { didOf, deviceId, ioIDRegistryAbi, type ProjectId } from 'trellis/protocol'
import { encodeEnvelope } from 'trellis/protocol/codec'
import { createDeviceSigner, createKeys } from 'trellis/sdk'

const keys = createKeys((length) => crypto.getRandomValues(new Uint8Array(length)))
const registry = '0x0000000000000000000000000000000000000001' as const
const signer = createDeviceSigner({ keys, project: 1n as ProjectId, chainId: 31337, ioIDRegistry: registry, dataKeyRegistry: registry })
const reading = signer.reading({ sequence: 0, time: 1_700_000_000, channel: 'humidity', value: '45.93' }, 2)
// @ts-expect-error the types came along: a proof is a list of numbers
const check = (): boolean => verifyGroth16(new Uint8Array(), [], 'proof')
document.body.textContent = [didOf(deviceId(signer.publicKeys.device)), encodeEnvelope(reading), ioIDRegistryAbi.length, check].join('\n')
