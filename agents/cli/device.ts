// SPDX-License-Identifier: Apache-2.0
/** `trellis device`: registration, document, key and end of a device. Batches are in `batch.ts`. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Abi, Address } from 'viem'
import { didOf } from '../protocol/did.ts'
import { TrellisError } from '../protocol/errors.ts'
import { dataKeyRegistryAbi, ioIDAbi, ioIDRegistryAbi } from '../protocol/generated/abi.ts'
import { type DeviceId, projectId } from '../protocol/ids.ts'
import { type DeviceKeys, loadKeys, newKeys, openDidChain, publicKeysOf, saveKeys } from '../sdk/service.ts'
import { planTokens } from './chain/collection.ts'
import { type NetworkOptions, openNetwork, type OpenNetwork } from './chain/network.ts'
import { checkQuota, consentDeadline, consentTo, readCandidate, registerStep, signerFor, standingOf } from './chain/registration.ts'
import { callOf, carryOut, openPurse, type Purse, type SpendOptions, spentJson, type Step, tell } from './chain/spend.ts'
import { type DocumentOptions, placeDocument, readDevice } from './did.ts'
import { fromWhereCalled } from './local/state.ts'
import { printer } from './print.ts'
import { readProject } from './project.ts'

/** First page of a project's devices, and what stands where a page after the last would. */
const SENTINEL: Address = `0x${'00'.repeat(19)}01`
const PAGE = 500n

export interface RegisterOptions extends SpendOptions, DocumentOptions {
  project: string
  keys?: string
  offer?: string
  tokenId?: string
}

/** Registers one device: its device NFT, its document, its ioID and wallet. What is there already is not done again. */
export async function registerDevice(state: string | undefined, options: RegisterOptions): Promise<void> {
  const candidate = readCandidate(options)
  const { device, keys, offer } = candidate
  if (offer !== undefined && options.tokenId === undefined)
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: 'An offer names the device NFT that the device consented to.',
      next: '--token-id ID, as registration.tokenId of the device’s configuration has it',
    })
  const purse = await openPurse(await openNetwork(state, options), options)
  const { network, account } = purse
  const project = await readProject(network, projectId(options.project))
  const there = await standingOf(network, device, project.id, account.address)
  if (there !== undefined) {
    tell(options.json, { ...there, result: 'there' })
    return
  }
  checkQuota(project, 1)
  const named = options.tokenId === undefined ? [] : [BigInt(options.tokenId)]
  const plan = await planTokens(purse, project, 1 - named.length, named)
  const document = offer ?? (await placeDocument(network, device, keys, { ...options, keysFile: options.keys }))
  const register = registerStep(purse, project, device, document.uri, async () =>
    consentTo(network, candidate, {
      deviceContract: plan.deviceContract,
      tokenId: named[0] ?? plan.tokens[0]!,
      user: account.address,
      document: { text: '', ...document },
      deadline: await consentDeadline(network),
    }),
  )
  const spent = await carryOut(
    purse,
    `Registration of ${didOf(device)}`,
    [...plan.steps, ...plan.mints.filter((step) => step !== undefined), register],
    options,
  )
  const registered = await standingOf(network, device, project.id, account.address)
  tell(options.json, { ...registered, result: 'registered', ...spentJson(spent) })
}

/** Puts another document's hash and URI on chain. Also `trellis did publish`, where the device need not be registered yet. */
export async function updateDevice(
  state: string | undefined,
  name: string | undefined,
  options: SpendOptions & DocumentOptions & { keys: string; publish?: boolean },
): Promise<void> {
  const keys = loadKeys(fromWhereCalled(options.keys))
  const network = await openNetwork(state, options)
  const device = name === undefined ? await deviceOfKeys(network, keys) : readDevice(name)
  const { live, nonce } = await openDidChain(network.client, network.deployment).read(device)
  if (live === null && options.publish !== true) throw notRegistered(device)
  if (live !== null) checkKey(device, keys, live.signer)
  const { hash, uri } = await placeDocument(network, device, keys, { ...options, keysFile: options.keys, published: live })
  const told = { did: didOf(device), hash, uri }
  if (live === null) {
    tell(options.json, { ...told, result: 'placed', next: 'trellis device register --project ID' })
    return
  }
  if (live.documentHash === hash && live.documentUri === uri) {
    tell(options.json, { ...told, result: 'there' })
    return
  }
  const purse = await openPurse(network, options)
  const deadline = await consentDeadline(network)
  const signature = await signerFor(network, keys, device).update({ hash, uri, nonce, deadline })
  const spent = await carryOut(
    purse,
    `Document of ${didOf(device)}`,
    [ownerStep(purse, live.owner, `put the document ${hash} on chain`, 'update', [device, hash, uri, deadline, signature, '0x'])],
    options,
  )
  tell(options.json, { ...told, result: 'updated', ...spentJson(spent) })
}

/** Gives a device a new identity key. The new keys are on disk before anything is sent; the old ones need not be there. */
export async function rotateDevice(
  state: string | undefined,
  name: string,
  options: SpendOptions & { out: string; keys?: string },
): Promise<void> {
  const device = readDevice(name)
  const file = fromWhereCalled(options.out)
  const purse = await openPurse(await openNetwork(state, options), options)
  const { network } = purse
  const { live, nonce } = await openDidChain(network.client, network.deployment).read(device)
  if (live === null) throw notRegistered(device)
  const drawn = !existsSync(file)
  if (drawn) {
    const fresh = newKeys()
    // A data key goes on signing where the identity key changed: it is bound to the ioID, not to the key.
    const data = options.keys === undefined ? fresh.data : loadKeys(fromWhereCalled(options.keys)).data
    saveKeys(file, { identity: fresh.identity, data })
    // Says of the file that it was drawn for this device: another try goes on with it.
    writeFileSync(markOf(file), `${didOf(device)}\n`, { mode: 0o600 })
  }
  const keys = loadKeys(file)
  const { signer } = publicKeysOf(keys)
  const own = existsSync(markOf(file)) && readFileSync(markOf(file), 'utf8').trim() === didOf(device)
  const told = { did: didOf(device), signer, keys: file, next: `trellis device update ${device} --keys ${options.out}` }
  if (live.signer.toLowerCase() === signer.toLowerCase()) {
    rmSync(markOf(file), { force: true })
    tell(options.json, { ...told, result: 'there' })
    return
  }
  const whose = own ? '' : `, the key of ${didOf(publicKeysOf(keys).device)} in ${options.out}, which this command did not make,`
  if (!own && options.yes)
    throw new TrellisError({
      code: 'KEYS_NOT_DRAWN',
      message: 'The keys in this file were not made for this rotation: nothing was sent.',
      details: { file, keysOf: didOf(publicKeysOf(keys).device), device },
      next: 'name a file that is not there yet; or leave --yes out, and answer the question',
    })
  const deadline = await consentDeadline(network)
  const signature = await signerFor(network, keys, device).rotation({ nonce, deadline })
  const spent = await carryOut(
    purse,
    `New key of ${didOf(device)}`,
    [
      ownerStep(purse, live.owner, `make ${signer}${whose} its key, and retire ${live.signer} for ever`, 'rotate', [
        device,
        signer,
        deadline,
        signature,
        '0x',
      ]),
    ],
    options,
  )
  rmSync(markOf(file), { force: true })
  tell(options.json, { ...told, retired: live.signer, result: 'rotated', ...spentJson(spent) })
}

const markOf = (keysFile: string): string => `${keysFile}.rotation`

/** Ends a device's registration. Its wallet stays with its last owner. */
export async function removeDevice(state: string | undefined, name: string, options: SpendOptions & { keys: string }): Promise<void> {
  const device = readDevice(name)
  const keys = loadKeys(fromWhereCalled(options.keys))
  const network = await openNetwork(state, options)
  const { live, nonce } = await openDidChain(network.client, network.deployment).read(device)
  if (live === null && nonce > 0n) {
    tell(options.json, { did: didOf(device), result: 'there' })
    return
  }
  if (live === null) throw notRegistered(device)
  checkKey(device, keys, live.signer)
  const purse = await openPurse(network, options)
  const deadline = await consentDeadline(network)
  const signature = await signerFor(network, keys, device).removal({ nonce, deadline })
  const step = ownerStep(purse, live.owner, `remove it; its wallet ${live.wallet} stays yours`, 'remove', [
    device,
    deadline,
    signature,
    '0x',
  ])
  const spent = await carryOut(purse, `Removal of ${didOf(device)}`, [step], options)
  tell(options.json, { did: didOf(device), tokenId: live.tokenId, wallet: live.wallet, result: 'removed', ...spentJson(spent) })
}

export async function showDevice(state: string | undefined, name: string, options: NetworkOptions): Promise<void> {
  const network = await openNetwork(state, options)
  const { client, deployment, at } = network
  const device = readDevice(name)
  const { live, nonce, created, updated } = await openDidChain(client, deployment).read(device)
  if (live === null) throw notRegistered(device)
  const dataKeys = { address: at('DataKeyRegistry'), abi: dataKeyRegistryAbi } as const
  const [balance, [, commitment]] = await Promise.all([
    client.getBalance({ address: live.wallet }),
    client.readContract({ ...dataKeys, functionName: 'keyAt', args: [live.project, device, 0] }),
  ])
  tell(options.json, {
    did: didOf(device),
    device,
    nonce,
    created,
    updated,
    ...live,
    walletBalance: balance,
    hasDataKey: commitment !== 0n,
  })
}

/** Live devices of a project, newest place first. */
export async function listDevices(state: string | undefined, options: NetworkOptions & { project: string; limit: number }): Promise<void> {
  const network = await openNetwork(state, options)
  const { id, devices: count } = await readProject(network, projectId(options.project))
  const found: Address[] = []
  for (let start: Address = SENTINEL; BigInt(start) !== 0n && found.length < options.limit;) {
    const [page, next] = await network.client.readContract({
      ...{ address: network.at('IoID'), abi: ioIDAbi, functionName: 'projectIDs' },
      args: [id, start, PAGE],
    })
    found.push(...page)
    start = next
  }
  const devices = found.slice(0, options.limit).map((device) => device.toLowerCase())
  if (options.json) {
    tell(true, { project: id, count, devices })
    return
  }
  const print = printer(false)
  for (const device of devices) print.line(`did:io:${device}`)
  print.line(`${devices.length} of ${count} devices of project ${id}`)
}

type RegistryCall = 'update' | 'rotate' | 'remove'

/** The typed overloads: v1's have as many arguments, and are not told from them by value. */
const typedAbi = ioIDRegistryAbi.filter((entry) => entry.type === 'function' && entry.inputs.some(({ name }) => name === 'deadline')) as Abi

/** A call of the device's owner, who consents by calling. @throws TrellisError NOT_DEVICE_OWNER */
function ownerStep({ network, account }: Purse, owner: Address, what: string, functionName: RegistryCall, args: readonly unknown[]): Step {
  if (owner.toLowerCase() !== account.address.toLowerCase())
    throw new TrellisError({
      code: 'NOT_DEVICE_OWNER',
      message: 'The ioID of this device belongs to another account.',
      details: { owner, key: account.address },
      next: 'name the owner’s key: --key-file KEYSTORE --password-file FILE',
    })
  return { what, call: () => callOf({ address: network.at('IoIDRegistry'), abi: typedAbi, functionName, args }) }
}

/** The device that keys are of: their own, or the one that they were rotated to. */
async function deviceOfKeys({ client, at }: OpenNetwork, keys: DeviceKeys): Promise<DeviceId> {
  const { signer, device } = publicKeysOf(keys)
  const rotated = await client.readContract({
    address: at('IoIDRegistry'),
    abi: ioIDRegistryAbi,
    functionName: 'deviceOfSigner',
    args: [signer],
  })
  return BigInt(rotated) === 0n ? device : (rotated.toLowerCase() as DeviceId)
}

/** @throws TrellisError KEY_NOT_CURRENT */
function checkKey(device: DeviceId, keys: DeviceKeys, current: Address): void {
  const { signer } = publicKeysOf(keys, device)
  if (signer.toLowerCase() === current.toLowerCase()) return
  throw new TrellisError({
    code: 'KEY_NOT_CURRENT',
    message: 'These are not the keys that the device uses now.',
    details: { device, current, given: signer },
    next: `name the current keys; are they lost: trellis device rotate ${device} --out NEW.keys.json`,
  })
}

function notRegistered(device: DeviceId): TrellisError {
  return new TrellisError({
    code: 'DEVICE_NOT_REGISTERED',
    message: 'The device has no ioID.',
    details: { device },
    next: 'trellis device register --project ID --keys FILE',
  })
}
