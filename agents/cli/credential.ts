// SPDX-License-Identifier: Apache-2.0
/** `trellis credential`: types and their issuers, offers, claims, and whether a device's credential is good now. */
import { randomBytes, randomInt } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type Address, bytesToBigInt, type Hex } from 'viem'
import { z } from 'zod'
import { canonicalHash, type Json } from '../protocol/canonical-json.ts'
import { didOf } from '../protocol/did.ts'
import { credentialRegistryDomain, credentialStatuses, offerTypes } from '../protocol/eip712/credential.ts'
import { TrellisError } from '../protocol/errors.ts'
import { credentialRegistryAbi } from '../protocol/generated/abi.ts'
import { type DeviceId, deviceId } from '../protocol/ids.ts'
import { type CredentialOffer, loadKeys } from '../sdk/service.ts'
import {
  accountFor,
  checkedAddress,
  eventsOf,
  type KeyOptions,
  type NetworkOptions,
  openNetwork,
  type OpenNetwork,
} from './chain/network.ts'
import { mistakesOf, signerFor } from './chain/registration.ts'
import { callOf, carryOut, openPurse, type SpendOptions, spentJson, type Step, tell } from './chain/spend.ts'
import { readDevice } from './did.ts'
import { fromWhereCalled } from './local/state.ts'
import { columns } from './print.ts'

const ZERO_HASH: Hex = `0x${'00'.repeat(32)}`
/** Bits of one status list (ICredentialRegistry.LIST_SIZE). */
const LIST_SIZE = 131_072
/** IssuerState of ICredentialRegistry. */
const ISSUER_STATES = ['none', 'open', 'closed', 'void'] as const

const registryOf = ({ at }: OpenNetwork) => ({ address: at('CredentialRegistry'), abi: credentialRegistryAbi }) as const

export interface TypeOptions extends SpendOptions {
  price?: string
  schemaUri?: string
  schema?: string
  open: string[]
  close: string[]
  void: string[]
}

/** Makes a type of the paying key where there is none of this name, and opens or closes its issuers. */
export async function credentialType(state: string | undefined, name: string, options: TypeOptions): Promise<void> {
  const purse = await openPurse(await openNetwork(state, options), options)
  const { network, account } = purse
  const registry = registryOf(network)
  const typeId = await typeNamed(network, name, account.address)
  const there = await network.client.readContract({ ...registry, functionName: 'typeOf', args: [typeId] })
  const { owner, price: before, name: title } = there
  const exists = BigInt(owner) !== 0n
  if (!exists && /^0x[0-9a-f]{64}$/i.test(name)) throw unknownType(name)
  const price = options.price === undefined ? before : weiOf(options.price)
  const schemaHash = options.schema === undefined ? ZERO_HASH : canonicalHash(readJson(options.schema))
  const differs = {
    ...(options.schema !== undefined && schemaHash !== there.schemaHash && { schema: { has: there.schemaHash, given: schemaHash } }),
    ...(options.schemaUri !== undefined &&
      options.schemaUri !== there.schemaUri && { schemaUri: { has: there.schemaUri, given: options.schemaUri } }),
  }
  if (exists && Object.keys(differs).length > 0)
    throw new TrellisError({
      code: 'TYPE_DIFFERS',
      message: 'The type is there with another schema, which never changes.',
      details: { type: typeId, ...differs },
      next: 'leave --schema and --schema-uri out, or make a type of another name',
    })
  const steps: Step[] = []
  if (!exists)
    steps.push({
      what: `make the type "${name}", each credential burns ${price} wei`,
      call: () => callOf({ ...registry, functionName: 'createType', args: [name, schemaHash, options.schemaUri ?? '', price] }),
    })
  else if (price !== before)
    steps.push({
      what: `change what a credential burns from ${before} to ${price} wei`,
      call: () => callOf({ ...registry, functionName: 'setTypePrice', args: [typeId, price] }),
    })
  const wanted = [
    ...options.open.map((issuer) => [issuer, 1] as const),
    ...options.close.map((issuer) => [issuer, 2] as const),
    ...options.void.map((issuer) => [issuer, 3] as const),
  ]
  for (const [text, want] of wanted) {
    const issuer = checkedAddress(text, 'an issuer')
    if ((await network.client.readContract({ ...registry, functionName: 'issuerState', args: [typeId, issuer] })) === want) continue
    const void_ = want === 3 ? ', and all its credentials, for good' : ''
    steps.push({
      ...{ what: `${ISSUER_STATES[want]} the issuer ${issuer}${void_}`, gas: 120_000n },
      call: () => callOf({ ...registry, functionName: 'setIssuer', args: [typeId, issuer, want] }),
    })
  }
  const spent = await carryOut(purse, `Credential type "${exists ? title : name}"`, steps, options)
  tell(options.json, {
    type: typeId,
    ...(await network.client.readContract({ ...registry, functionName: 'typeOf', args: [typeId] })),
    ...spentJson(spent),
  })
}

export interface IssueOptions extends NetworkOptions, KeyOptions {
  type: string
  credential: string
  out: string
  creator?: string
  days: number
  /** Days that the offer may be taken. */
  openDays: number
  list: number
  maxPrice?: string
}

/** Signs an offer of a credential. Nothing is sent: the device takes it with `claim`. */
export async function issueCredential(state: string | undefined, name: string, options: IssueOptions): Promise<void> {
  const file = fromWhereCalled(options.out)
  if (existsSync(file))
    throw new TrellisError({
      code: 'FILE_EXISTS',
      message: 'There is a file of that name already: nothing was signed.',
      details: { file },
      next: 'choose another name: --out FILE',
    })
  const network = await openNetwork(state, options)
  const account = await accountFor(network, options)
  const registry = registryOf(network)
  const typeId = await typeNamed(network, options.type, options.creator ?? account.address)
  const { owner, price } = await network.client.readContract({ ...registry, functionName: 'typeOf', args: [typeId] })
  if (BigInt(owner) === 0n) throw unknownType(options.type)
  const standing = await network.client.readContract({ ...registry, functionName: 'issuerState', args: [typeId, account.address] })
  if (standing !== 1)
    throw new TrellisError({
      code: 'ISSUER_NOT_OPEN',
      message: `The key is no issuer of this type: ${ISSUER_STATES[standing as 0 | 2 | 3]}.`,
      details: { type: typeId, key: account.address },
      next: `the owner of the type opens it: trellis credential type ${options.type} --open ${account.address}`,
    })
  const now = Number((await network.client.getBlock()).timestamp)
  const offer: CredentialOffer = {
    ...{ typeId, issuer: account.address, device: readDevice(name), credentialHash: canonicalHash(readJson(options.credential)) },
    ...{ validFrom: now, validUntil: now + options.days * 86_400 },
    // Drawn at random, so that a place in the list tells nobody who came before or after.
    ...{ statusList: options.list * 2, statusIndex: randomInt(LIST_SIZE) },
    maxPrice: options.maxPrice === undefined ? price : weiOf(options.maxPrice),
    ...{ nonce: bytesToBigInt(randomBytes(32)), deadline: BigInt(now + options.openDays * 86_400) },
  }
  const domain = credentialRegistryDomain(network.deployment.chainId, network.at('CredentialRegistry'))
  const issuerSignature = await account.signTypedData({ domain, types: offerTypes, primaryType: 'Offer', message: offer })
  const text = JSON.stringify({ offer, issuerSignature }, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
  writeFileSync(file, `${text}\n`, { flag: 'wx' })
  tell(options.json, { ...offer, did: didOf(offer.device as DeviceId), out: file })
}

/** The device takes what it is offered: proof that it holds its key, and the price, which is burned. */
export async function claimCredential(
  state: string | undefined,
  offerFile: string,
  options: SpendOptions & { keys: string },
): Promise<void> {
  const { offer, issuerSignature } = readOffer(offerFile)
  const purse = await openPurse(await openNetwork(state, options), options)
  const { network } = purse
  const registry = registryOf(network)
  const device = deviceId(offer.device)
  const have = await network.client.readContract({ ...registry, functionName: 'credentialOf', args: [device, offer.typeId] })
  const told = { did: didOf(device), type: offer.typeId, credentialHash: offer.credentialHash }
  const spentAlready = await network.client.readContract({ ...registry, functionName: 'isNonceSpent', args: [offer.issuer, offer.nonce] })
  // An offer of the same credential that was taken back has another place in the list.
  const isThis = have.credentialHash === offer.credentialHash && have.statusIndex === offer.statusIndex
  if (spentAlready && isThis) {
    const status = await statusOf(network, device, offer.typeId)
    if (status !== 'valid') process.exitCode = 1
    tell(options.json, { ...told, result: 'there', status })
    return
  }
  const { price, name } = await network.client.readContract({ ...registry, functionName: 'typeOf', args: [offer.typeId] })
  const deviceSignature = await signerFor(network, loadKeys(fromWhereCalled(options.keys)), device).credential(offer)
  const step: Step = {
    ...{ what: `take the credential "${name}" for ${didOf(device)}; what it pays is burned`, value: price },
    call: () => callOf({ ...registry, functionName: 'claim', ...{ args: [offer, issuerSignature, deviceSignature], value: price } }),
  }
  const spent = await carryOut(purse, `Credential "${name}"`, [step], options)
  tell(options.json, { ...told, result: 'claimed', status: await statusOf(network, device, offer.typeId), ...spentJson(spent) })
}

/** Takes an offer back that its device has not taken. The issuer's key only. */
export async function cancelOffer(state: string | undefined, offerFile: string, options: SpendOptions): Promise<void> {
  const { offer } = readOffer(offerFile)
  const purse = await openPurse(await openNetwork(state, options), options)
  const { network, account } = purse
  const registry = registryOf(network)
  if (offer.issuer.toLowerCase() !== account.address.toLowerCase())
    throw notIssuer('The offer is of another issuer.', { issuer: offer.issuer, key: account.address })
  const told = { did: didOf(deviceId(offer.device)), type: offer.typeId, nonce: offer.nonce }
  const isSpent = await network.client.readContract({ ...registry, functionName: 'isNonceSpent', args: [offer.issuer, offer.nonce] })
  const call = () => callOf({ ...registry, functionName: 'cancelNonce', args: [offer.nonce] })
  const steps = isSpent ? [] : [{ what: 'take the offer back for good', call }]
  const spent = await carryOut(purse, `Offer to ${told.did}`, steps, options)
  const status = await statusOf(network, deviceId(offer.device), offer.typeId)
  // What is spent was taken, or taken back: the status says whether there is a credential to revoke.
  tell(options.json, { ...told, result: isSpent ? 'spent' : 'cancelled', status, ...spentJson(spent) })
}

/** Fails when the device holds no good credential of the type. */
export async function credentialStatus(
  state: string | undefined,
  name: string,
  type: string,
  options: NetworkOptions & { creator?: string },
): Promise<void> {
  const network = await openNetwork(state, options)
  const device = readDevice(name)
  const typeId = await typeNamed(network, type, options.creator)
  const credential = await network.client.readContract({ ...registryOf(network), functionName: 'credentialOf', args: [device, typeId] })
  const status = await statusOf(network, device, typeId)
  if (status !== 'valid') process.exitCode = 1
  tell(options.json, { did: didOf(device), type: typeId, status, ...(BigInt(credential.issuer) !== 0n && credential) })
}

/** Revokes for good, or suspends and takes that back. The issuer's key only. */
export async function revokeCredential(
  state: string | undefined,
  name: string,
  type: string,
  options: SpendOptions & { creator?: string; suspend: boolean; resume: boolean },
): Promise<void> {
  if (options.suspend && options.resume)
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: 'A credential is suspended or resumed.',
      next: 'give one of --suspend and --resume',
    })
  const purse = await openPurse(await openNetwork(state, options), options)
  const { network, account } = purse
  const registry = registryOf(network)
  const device = readDevice(name)
  const typeId = await typeNamed(network, type, options.creator ?? account.address)
  const { issuer, statusList, statusIndex } = await network.client.readContract({
    ...registry,
    functionName: 'credentialOf',
    args: [device, typeId],
  })
  if (issuer.toLowerCase() !== account.address.toLowerCase())
    throw notIssuer(BigInt(issuer) === 0n ? 'The device has no credential of this type.' : 'The credential is of another issuer.', {
      ...{ device, type: typeId, issuer, key: account.address },
    })
  const list = BigInt(statusList) + (options.suspend || options.resume ? 1n : 0n)
  const set = !options.resume
  const is = await network.client.readContract({ ...registry, functionName: 'statusBit', args: [issuer, list, BigInt(statusIndex)] })
  const what = options.suspend ? 'suspend it' : options.resume ? 'take its suspension back' : 'revoke it for good'
  const call = () => callOf({ ...registry, functionName: 'setStatus', args: [list, [BigInt(statusIndex)], set] })
  const spent = await carryOut(purse, `Credential of ${didOf(device)}`, is === set ? [] : [{ what, call }], options)
  const status = await statusOf(network, device, typeId)
  const next = 'another offer that the device has not taken is good still: trellis credential cancel OFFER'
  tell(options.json, { did: didOf(device), type: typeId, status, ...spentJson(spent), ...(status === 'revoked' && { next }) })
}

/** Every credential that a device took, one row a type: the last one counts. */
export async function listCredentials(state: string | undefined, name: string, options: NetworkOptions): Promise<void> {
  const network = await openNetwork(state, options)
  const device = readDevice(name)
  const claimed = await eventsOf<{ typeId: Hex; issuer: Address }>(
    network,
    'CredentialRegistry',
    credentialRegistryAbi,
    'CredentialClaimed',
    { device },
  )
  const last = new Map(claimed.map(({ args }) => [args.typeId, args.issuer]))
  const rows = await Promise.all(
    [...last].map(async ([type, issuer]) => {
      const { name: title } = await network.client.readContract({ ...registryOf(network), functionName: 'typeOf', args: [type] })
      return { type, name: title, issuer, status: await statusOf(network, device, type) }
    }),
  )
  if (options.json) {
    tell(true, { did: didOf(device), credentials: rows })
    return
  }
  process.stdout.write(
    `${columns([['name', 'status', 'issuer', 'type'], ...rows.map((row) => [row.name, row.status, row.issuer, row.type])])}\n`,
  )
}

async function statusOf(network: OpenNetwork, device: Address, typeId: Hex): Promise<string> {
  const status = await network.client.readContract({ ...registryOf(network), functionName: 'statusOf', args: [device, typeId] })
  return credentialStatuses[status]!
}

/** A type by its id, or by its name and who made it. */
async function typeNamed(network: OpenNetwork, name: string, creator: string | undefined): Promise<Hex> {
  if (/^0x[0-9a-fA-F]{64}$/.test(name)) return name.toLowerCase() as Hex
  if (creator === undefined)
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: 'A name of a type is one of its maker.',
      next: '--creator 0x…, or the id of the type as trellis credential type prints it',
    })
  const args = [checkedAddress(creator, '--creator'), name] as const
  return network.client.readContract({ ...registryOf(network), functionName: 'typeIdOf', args })
}

const decimal = z.string().regex(/^\d+$/).transform(BigInt)
const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${bytes * 2}}$`))
    .transform((text) => text as Hex)
const offerSchema = z.object({
  offer: z.object({
    ...{ typeId: hex(32), issuer: hex(20), device: hex(20), credentialHash: hex(32) },
    ...{ validFrom: z.int(), validUntil: z.int(), statusList: z.int(), statusIndex: z.int() },
    ...{ maxPrice: decimal, nonce: decimal, deadline: decimal },
  }),
  issuerSignature: z
    .string()
    .regex(/^0x([0-9a-fA-F]{2})*$/)
    .transform((text) => text as Hex),
})

function readOffer(name: string): z.output<typeof offerSchema> {
  const parsed = offerSchema.safeParse(readJson(name))
  if (parsed.success) return parsed.data
  throw new TrellisError({
    code: 'OFFER_UNREADABLE',
    message: 'This is no offer of a credential.',
    details: { file: name, reason: mistakesOf(parsed.error) },
    next: 'trellis credential issue DEVICE --type TYPE --credential FILE --out OFFER',
  })
}

function readJson(name: string): Json {
  const file = fromWhereCalled(name)
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Json
  } catch (cause) {
    throw new TrellisError({
      code: 'FILE_UNREADABLE',
      message: 'The file cannot be read as JSON.',
      details: { file, reason: cause instanceof Error ? cause.message : String(cause) },
      cause,
    })
  }
}

function weiOf(text: string): bigint {
  if (/^\d{1,30}$/.test(text)) return BigInt(text)
  throw new TrellisError({ code: 'FLAG_MALFORMED', message: 'A price is a whole number of wei.', details: { given: text.slice(0, 40) } })
}

function notIssuer(message: string, details: Record<string, unknown>): TrellisError {
  return new TrellisError({ code: 'NOT_ISSUER', message, details, next: 'name the issuer’s key: --key-file KEYSTORE --password-file FILE' })
}

function unknownType(type: string): TrellisError {
  return new TrellisError({
    code: 'TYPE_UNKNOWN',
    message: 'There is no such type of credential.',
    details: { type },
    next: 'trellis credential type NAME makes one',
  })
}
