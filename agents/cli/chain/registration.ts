// SPDX-License-Identifier: Apache-2.0
/** Registrations of devices: who consents, what stands in the way, and the calls. For one device and for a batch. */
import { readFileSync } from 'node:fs'
import { type Address, type Hex, parseEventLogs, type TransactionReceipt } from 'viem'
import { z } from 'zod'
import { type Did, didOf } from '../../protocol/did.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { ioIDAbi, ioIDRegistryAbi } from '../../protocol/generated/abi.ts'
import { type DeviceId, deviceId, projectId } from '../../protocol/ids.ts'
import { createDeviceSigner, type DeviceKeys, type DeviceSigner, loadKeys, openDidChain, publicKeysOf } from '../../sdk/service.ts'
import type { PlacedDocument } from '../did.ts'
import { fromWhereCalled } from '../local/state.ts'
import type { ProjectFacts } from '../project.ts'
import type { OpenNetwork } from './network.ts'
import { callOf, type Purse, type Step } from './spend.ts'

/** Seconds that a consent made by a command is good for. */
const CONSENT_SECONDS = 3_600n
/** Most gas of a registration with its wallet, without its URI; and of each word of that, which is stored. */
const REGISTER_GAS = 600_000n
const WORD_GAS = 26_000n

/** Most gas of a document's URI. */
const uriGas = (uri: string): bigint => BigInt(Math.ceil(Buffer.byteLength(uri) / 32) + 1) * WORD_GAS

/** A device whose keys are at hand, or that offered itself (`run device --offer`). */
export interface Candidate {
  device: DeviceId
  did: Did
  keys: DeviceKeys | undefined
  offer: Offer | undefined
}

const hex = z
  .string()
  .regex(/^0x[0-9a-fA-F]*$/)
  .transform((text) => text as Hex)
const offerSchema = z.object({
  device: hex,
  hash: hex,
  uri: z.string(),
  registration: z.object({ typed: z.object({ signature: hex, deadline: z.string().regex(/^\d+$/).transform(BigInt) }) }),
})
type Offer = z.output<typeof offerSchema>

/** Mistakes of a file, on one line. */
export const mistakesOf = ({ issues }: z.ZodError): string =>
  issues.map(({ path, message }) => `${path.join('.')}${path.length > 0 ? ': ' : ''}${message}`).join('; ')

/**
 * @param sources  exactly one of the two
 * @throws TrellisError FLAG_MALFORMED | OFFER_UNREADABLE, and what `loadKeys` throws
 */
export function readCandidate({ keys: keysFile, offer: offerFile }: { keys?: string | undefined; offer?: string | undefined }): Candidate {
  if ((keysFile === undefined) === (offerFile === undefined))
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: 'A device comes with its keys or with its offer.',
      next: '--keys FILE (trellis did new makes them), or --offer FILE (trellis run device --offer prints it)',
    })
  if (keysFile !== undefined) {
    const keys = loadKeys(fromWhereCalled(keysFile))
    const { device } = publicKeysOf(keys)
    return { device, did: didOf(device), keys, offer: undefined }
  }
  const file = fromWhereCalled(offerFile!)
  try {
    const offer = offerSchema.parse(JSON.parse(readFileSync(file, 'utf8')))
    const device = deviceId(offer.device)
    return { device, did: didOf(device), keys: undefined, offer }
  } catch (cause) {
    throw new TrellisError({
      code: 'OFFER_UNREADABLE',
      message: 'This is no offer of a device.',
      details: {
        file,
        reason: cause instanceof z.ZodError ? mistakesOf(cause) : cause instanceof Error ? cause.message : String(cause),
      },
      next: 'trellis run device --config FILE --offer, with registration.* in its configuration',
      cause,
    })
  }
}

/** A live registration, as commands tell it. */
export interface Registered {
  did: Did
  device: DeviceId
  project: bigint
  tokenId: bigint
  owner: Address
  wallet: Address
}

/**
 * The device's registration when it has one in this project and of this owner, and undefined when it has none.
 * @throws TrellisError DEVICE_REGISTERED_ELSEWHERE | KEY_TAKEN
 */
export async function standingOf(network: OpenNetwork, device: DeviceId, project: bigint, owner: Address): Promise<Registered | undefined> {
  const { live, keyOf, retired } = await openDidChain(network.client, network.deployment).read(device)
  if (live !== null) {
    if (live.project === project && live.owner.toLowerCase() === owner.toLowerCase()) return { did: didOf(device), device, ...live }
    throw new TrellisError({
      code: 'DEVICE_REGISTERED_ELSEWHERE',
      message: 'The device has an ioID already, of another project or owner.',
      details: { device, project: live.project, owner: live.owner },
      next: 'its owner removes it first (trellis device remove), or gives it away with its ioID',
    })
  }
  if (!retired && (keyOf === null || keyOf === device)) return undefined
  throw new TrellisError({
    code: 'KEY_TAKEN',
    message: retired ? 'This key was retired: it never registers again.' : 'This key is the current one of another device.',
    details: { device, ...(keyOf !== null && { of: didOf(keyOf) }) },
    next: 'make new keys: trellis did new',
  })
}

/** What signs for a device at hand. */
export function signerFor(network: OpenNetwork, keys: DeviceKeys, device?: DeviceId): DeviceSigner {
  const { deployment, at } = network
  const places = {
    ...{ chainId: deployment.chainId, ioIDRegistry: at('IoIDRegistry'), dataKeyRegistry: at('DataKeyRegistry') },
    credentialRegistry: at('CredentialRegistry'),
  }
  // Only readings and windows name a project, and none are signed here.
  return createDeviceSigner({ keys, project: projectId(1n), ...(device !== undefined && { device }), ...places })
}

export function nonceOf({ client, at }: OpenNetwork, device: DeviceId): Promise<bigint> {
  return client.readContract({ address: at('IoIDRegistry'), abi: ioIDRegistryAbi, functionName: 'nonces', args: [device] })
}

/** By the chain's clock, which judges it. */
export async function consentDeadline({ client }: OpenNetwork): Promise<bigint> {
  return (await client.getBlock()).timestamp + CONSENT_SECONDS
}

/** A registration as the registry takes it, with the device's consent. */
export interface SignedRegistration {
  registration: { deviceContract: Address; tokenId: bigint; user: Address; device: Address; hash: Hex; uri: string }
  deadline: bigint
  signature: Hex
}

/** The device's consent to its registration with this token: signed now, or as it was offered. */
export async function consentTo(
  network: OpenNetwork,
  { device, keys, offer }: Candidate,
  {
    deviceContract,
    tokenId,
    user,
    document,
    deadline,
  }: { deviceContract: Address; tokenId: bigint; user: Address; document: PlacedDocument; deadline: bigint },
): Promise<SignedRegistration> {
  const { hash, uri } = document
  const registration = { deviceContract, tokenId, user, device, hash, uri }
  if (keys === undefined) return { registration, ...offer!.registration.typed }
  const request = { owner: user, deviceContract, tokenId, hash, uri, nonce: await nonceOf(network, device), deadline }
  const { typed } = await signerFor(network, keys).registration(request)
  return { registration, deadline, signature: typed.signature }
}

/** The step that registers one device; the owner's consent is that he calls. */
export function registerStep(
  { network }: Purse,
  project: ProjectFacts,
  device: DeviceId,
  uri: string,
  sign: () => Promise<SignedRegistration>,
  done?: (receipt: TransactionReceipt) => void,
): Step {
  const value = project.type === 'virtual' ? project.price : 0n
  return {
    ...{ what: `register ${didOf(device)} in project ${project.id}`, gas: REGISTER_GAS + uriGas(uri), value },
    ...(done !== undefined && { done }),
    call: async () => {
      const { registration, deadline, signature } = await sign()
      return callOf({
        ...{ address: network.at('IoIDRegistry'), abi: ioIDRegistryAbi, functionName: 'register' },
        ...{ args: [registration, deadline, signature, '0x'], value },
      })
    },
  }
}

/** Most devices of one transaction: it may use 16.78M gas (EIP-7825), and a long URI costs more. */
const BATCH_SIZE = 32
/** Most gas of each registration of a batch, without its URI; and of the whole. */
const BATCH_GAS = 420_000n
const TRANSACTION_GAS = 16_777_216n

/** A device of a batch. */
export interface BatchEntry {
  device: DeviceId
  /** Where its document lies. */
  uri: string
  /** Makes its device NFT, where that is not there yet. */
  mint: Step | undefined
  sign: (deadline: bigint) => Promise<SignedRegistration>
}

/**
 * Registrations of many devices, all or none in each transaction. A part is minted, then signed and registered: what a run that ends
 * leaves behind is one part at most, and no signature waits for what the minting of a large file takes.
 */
export function batchSteps(
  purse: Purse,
  project: ProjectFacts,
  devices: readonly BatchEntry[],
  done: (receipt: TransactionReceipt) => void,
): Step[] {
  const steps: Step[] = []
  for (let from = 0; from < devices.length; from += BATCH_SIZE) {
    const part = devices.slice(from, from + BATCH_SIZE)
    for (const { mint } of part) if (mint !== undefined) steps.push(mint)
    if (part.length === 1) {
      const [{ device, uri, sign }] = part as [BatchEntry]
      steps.push(registerStep(purse, project, device, uri, async () => sign(await consentDeadline(purse.network)), done))
      continue
    }
    const value = project.type === 'virtual' ? project.price * BigInt(part.length) : 0n
    const most = part.reduce((sum, { uri }) => sum + BATCH_GAS + uriGas(uri), 0n)
    const gas = most < TRANSACTION_GAS ? most : TRANSACTION_GAS
    steps.push({
      ...{ what: `register ${part.length} devices in project ${project.id}`, gas, value, done },
      call: async () => {
        const deadline = await consentDeadline(purse.network)
        const signed = await Promise.all(part.map(({ sign }) => sign(deadline)))
        const registrations = signed.map(({ registration }) => registration)
        const signatures = signed.map(({ signature }) => signature)
        return callOf({
          ...{ address: purse.network.at('IoIDRegistry'), abi: ioIDRegistryAbi, functionName: 'registerBatch' },
          ...{ args: [registrations, deadline, signatures, '0x'], value },
        })
      },
    })
  }
  return steps
}

/** ioIDs that a hardware project may still use. @throws TrellisError QUOTA_SPENT */
export function checkQuota({ id, type, quota }: ProjectFacts, wanted: number): void {
  const left = quota.applied - quota.used
  if (type === 'virtual' || left >= BigInt(wanted)) return
  throw new TrellisError({
    code: 'QUOTA_SPENT',
    message: `Project ${id} has ${left} ioIDs left, and ${wanted} are needed.`,
    details: { applied: quota.applied, used: quota.used },
    next: `trellis project apply ${id} ${BigInt(wanted) - left}`,
  })
}

/** Wallets that a receipt made, by device. */
export function walletsMade({ logs }: TransactionReceipt): Map<string, { tokenId: bigint; wallet: Address }> {
  const made = parseEventLogs({ abi: ioIDAbi, eventName: 'CreateIoID', logs })
  return new Map(made.map(({ args: { did, id, wallet } }) => [did.slice('did:io:'.length), { tokenId: id, wallet }]))
}
