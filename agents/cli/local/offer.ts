// SPDX-License-Identifier: Apache-2.0
/** What a device offers its project's owner: asked of a device process, checked, and as the chain takes it. */
import { type Address, type Hex, type LocalAccount } from 'viem'
import { z } from 'zod'
import { ioIDRegistryDomain, registerTypes } from '../../protocol/eip712/identity.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { runOnce } from './child.ts'
import { PROGRAM } from './state.ts'

const hex = z
  .string()
  .regex(/^0x[0-9a-fA-F]*$/)
  .transform((text) => text as Hex)
const decimal = z.string().regex(/^\d+$/).transform(BigInt)
const point = z.object({ x: decimal, y: decimal })

const offerSchema = z.object({
  device: hex,
  did: z.string(),
  hash: hex,
  uri: z.string(),
  registration: z.object({ typed: z.object({ signature: hex, deadline: decimal }) }).nullable(),
  dataKey: z
    .object({
      key: point,
      eighth: point,
      fromWindow: z.number().int(),
      deadline: decimal,
      deviceSignature: hex,
      keySignature: z.object({ r: point, s: decimal }),
    })
    .nullable(),
})

export type DeviceOffer = z.output<typeof offerSchema>
export type DataKeyOffer = NonNullable<DeviceOffer['dataKey']>

export interface RegistrationOffer {
  device: Address
  deviceContract: Address
  tokenId: bigint
  user: Address
  hash: Hex
  uri: string
  deadline: bigint
  signature: Hex
}

/** Runs `run device --offer` with this configuration file and reads the offer that it prints. @throws TrellisError OFFER_FAILED */
export async function askForOffer(configFile: string, log: string): Promise<DeviceOffer> {
  const { code, output } = await runOnce([PROGRAM, 'run', 'device', '--config', configFile, '--offer'], log)
  const line = output.split('\n').find((text) => text.startsWith('{') && text.includes('"did"'))
  const parsed = offerSchema.safeParse(line === undefined ? undefined : JSON.parse(line))
  if (code === 0 && parsed.success) return parsed.data
  throw new TrellisError({
    code: 'OFFER_FAILED',
    message: 'A device did not offer itself.',
    details: {
      config: configFile,
      code,
      output: output.trim().split('\n').slice(-6).join('\n'),
      ...(parsed.success ? {} : { reason: z.prettifyError(parsed.error) }),
    },
    next: `node agents/cli/main.ts run device --config ${configFile} --offer`,
  })
}

/** The same consent for an account whose key is at hand: a prover's ioID. */
export async function signRegistration(
  account: LocalAccount,
  place: { chainId: number; ioIDRegistry: Address },
  request: Omit<RegistrationOffer, 'device' | 'signature'> & { nonce: bigint },
): Promise<RegistrationOffer> {
  const { deviceContract, tokenId, user, hash, uri, nonce, deadline } = request
  const device = account.address
  const signature = await account.signTypedData({
    domain: ioIDRegistryDomain(place.chainId, place.ioIDRegistry),
    primaryType: 'Register',
    types: registerTypes,
    message: { deviceContract, tokenId, user, device, hash, uri, nonce, deadline },
  })
  return { device, deviceContract, tokenId, user, hash, uri, deadline, signature }
}
