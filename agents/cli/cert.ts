// SPDX-License-Identifier: Apache-2.0
/** `trellis cert`: certificates of devices. A certificate is a folder: its private key, the path up to the root, and what it takes the place of. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Address } from 'viem'
import { zeroHash } from 'viem'
import { readSecretFile, writeSecretFile } from '../kit/secret-file.ts'
import { didOf } from '../protocol/did.ts'
import { TrellisError } from '../protocol/errors.ts'
import { certificateRegistryAbi } from '../protocol/generated/abi.ts'
import type { DeviceId, Hex } from '../protocol/ids.ts'
import {
  certIdsOf,
  type CertificateKey,
  type CertId,
  type DeviceKeys,
  issueBelow,
  issueRoot,
  keyFromPem,
  keyToPem,
  loadKeys,
  newCertificateKey,
  openDidChain,
  type ParsedCertificate,
  pathFromPem,
  pathToPem,
  publicKeyFromPem,
  recordOf,
  signCertificate,
  signRevocation,
  standingReader,
  statusReader,
} from '../sdk/service.ts'
import { type NetworkOptions, openNetwork, type OpenNetwork } from './chain/network.ts'
import { consentDeadline } from './chain/registration.ts'
import { callOf, carryOut, openPurse, type SpendOptions, spentJson, tell } from './chain/spend.ts'
import { readDevice } from './did.ts'
import { fromWhereCalled } from './local/state.ts'

const HOURS = { authority: 5 * 365 * 24, end: 24 }
/** Clocks of verifiers may be behind ours. */
const SKEW_SECONDS = 60

export interface IssueOptions {
  device: string
  name: string
  out: string
  issuer?: string
  /** Authorities below it; without it an end certificate. */
  authority?: number
  hours?: number
  publicKey?: string
  json: boolean
}

export type RenewOptions = Pick<IssueOptions, 'out' | 'issuer' | 'hours' | 'publicKey' | 'json'>

/** Makes a key and its certificate; sends nothing. */
export async function issueCertificate(options: IssueOptions): Promise<void> {
  const { device, name, authority: pathLen } = options
  tell(options.json, await issue({ ...options, device: readDevice(device), name, pathLen, replaces: zeroHash }))
}

/** A new key and certificate for what an old one says, of which it takes the place when it is published. */
export async function renewCertificate(folder: string, options: RenewOptions): Promise<void> {
  const path = readPath(folder)
  const [old, above] = path
  const replaces = certIdsOf(path)[0]!
  if ((above === undefined) !== (options.issuer === undefined)) {
    const next = above === undefined ? 'leave --issuer out: a root is renewed by itself' : '--issuer FOLDER of the certificate above'
    throw new TrellisError({ code: 'FLAG_MALFORMED', message: 'A certificate is renewed where it stands.', next })
  }
  tell(
    options.json,
    await issue({ ...options, device: old!.device, name: old!.name, pathLen: old!.ca ? old!.pathLen : undefined, replaces }),
  )
}

interface IssueRequest {
  device: DeviceId
  name: string
  pathLen: number | undefined
  out: string
  issuer?: string
  hours?: number
  publicKey?: string
  replaces: CertId
}

async function issue({ device, name, pathLen, issuer, hours, publicKey, replaces, ...to }: IssueRequest): Promise<Record<string, unknown>> {
  const out = fromWhereCalled(to.out)
  if (existsSync(out))
    throw new TrellisError({ code: 'CERTIFICATE_EXISTS', message: 'There is a folder of that name already.', details: { out } })
  const now = Math.floor(Date.now() / 1000)
  const wanted = now + 3600 * (hours ?? (pathLen === undefined ? HOURS.end : HOURS.authority))
  const above = issuer === undefined ? [] : readPath(issuer)
  const parent = above[0]
  // Without a word about hours a child ends with its parent, which it may not outlive.
  const notAfter = hours === undefined && parent !== undefined ? Math.min(wanted, parent.notAfter) : wanted
  const subject = { device, name, notBefore: now - SKEW_SECONDS, notAfter, pathLen }
  const own = publicKey === undefined ? await newCertificateKey() : undefined
  let certificate: ParsedCertificate
  if (parent === undefined) {
    if (own === undefined)
      throw new TrellisError({ code: 'FLAG_MALFORMED', message: 'A root is signed by its own key: --public-key is for --issuer.' })
    certificate = await issueRoot(subject, own)
  } else {
    const key = await keyFromPem(readSecretFile(join(fromWhereCalled(issuer!), 'key.pem')))
    const certified: CertificateKey = own?.publicKey ?? (await publicKeyFromPem(readFileSync(fromWhereCalled(publicKey!), 'utf8')))
    certificate = await issueBelow(subject, certified, { certificate: parent, key })
  }
  const path = [certificate, ...above]
  mkdirSync(out, { recursive: true, mode: 0o700 })
  if (own !== undefined) writeSecretFile(join(out, 'key.pem'), await keyToPem(own.privateKey))
  writeFileSync(join(out, 'path.pem'), pathToPem(path))
  if (replaces !== zeroHash) writeFileSync(join(out, 'replaces'), `${replaces}\n`)
  return {
    certId: certIdsOf(path)[0],
    did: didOf(device),
    name,
    notAfter: timeOf(notAfter),
    folder: out,
    next: `trellis cert publish ${to.out}`,
  }
}

/** Puts a certificate on chain. Its root's owner pays for a root, anybody for what is below. */
export async function publishCertificate(
  state: string | undefined,
  folder: string,
  options: SpendOptions & { issuerKeys: string; subjectKeys?: string },
): Promise<void> {
  const path = readPath(folder)
  const [certId, parent = zeroHash] = certIdsOf(path)
  const record = recordOf(path[0]!, parent, replacedBy(folder))
  const network = await openNetwork(state, options)
  const told = { certId, did: didOf(record.device), name: record.name, notAfter: timeOf(record.notAfter) }
  if ((await readerOn(network)(certId!)).status !== 'Unknown') {
    tell(options.json, { ...told, result: 'there' })
    return
  }
  if (record.replaces !== zeroHash && (await readerOn(network)(record.replaces)).status === 'Unknown')
    throw new TrellisError({
      code: 'CERTIFICATE_UNKNOWN',
      message: 'What it takes the place of was never published.',
      details: { replaces: record.replaces },
      next: 'publish that one first, or issue a new one in place of both: trellis cert issue',
    })
  const issuer = path[1]?.device ?? record.device
  const deadline = await consentDeadline(network)
  const standing = await standingReader(network.client, registryOn(network).address)(record.device)
  const sign = (file: string): Promise<Hex> => signCertificate(keysOf(file).identity, placesOn(network), record, standing, deadline)
  if (issuer !== record.device && options.subjectKeys === undefined)
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: "A certificate of another device takes that device's word.",
      details: { device: record.device },
      next: '--subject-keys FILE, the keys of the device that it is for',
    })
  const consent = issuer === record.device ? '0x' : await sign(options.subjectKeys!)
  const purse = await openPurse(network, options)
  const call = callOf({
    ...registryOn(network),
    functionName: 'publish',
    args: [record, deadline, await sign(options.issuerKeys), consent],
  })
  const step = { what: `publish ${certId!} of ${record.name}`, call: () => call }
  const spent = await carryOut(purse, `Certificate of ${didOf(record.device)}`, [step], options)
  tell(options.json, { ...told, result: 'published', ...spentJson(spent) })
}

/** What the chain says of a certificate: one read. */
export async function certificateStatus(state: string | undefined, name: string, options: NetworkOptions): Promise<void> {
  const certId = certIdOf(name)
  const { status, notAfter, device } = await readerOn(await openNetwork(state, options))(certId)
  tell(options.json, { certId, status, ...(status !== 'Unknown' && { did: didOf(device), notAfter: timeOf(notAfter) }) })
  process.exitCode = status === 'Valid' ? 0 : 1
}

/** Revokes a certificate for good: as the owner of its device, or by the key of a device above. */
export async function revokeCertificate(
  state: string | undefined,
  name: string,
  options: SpendOptions & { issuerKeys?: string },
): Promise<void> {
  const certId = certIdOf(name)
  const network = await openNetwork(state, options)
  const { status, device } = await readerOn(network)(certId)
  if (status === 'Unknown')
    throw new TrellisError({
      code: 'CERTIFICATE_UNKNOWN',
      message: 'There is no such certificate on this chain: nothing was revoked.',
      details: { certId },
      next: 'look at the id, and at the network; what was never published is good nowhere',
    })
  if (status === 'Revoked') {
    tell(options.json, { certId, status, result: 'there' })
    return
  }
  const purse = await openPurse(network, options)
  const deadline = await consentDeadline(network)
  const { live } = await openDidChain(network.client, network.deployment).read(device)
  // The owner consents by paying: keys that he names besides are not asked, as they may be those of the device itself.
  const isOwner = live?.owner.toLowerCase() === purse.account.address.toLowerCase()
  const signature =
    options.issuerKeys === undefined || isOwner
      ? '0x'
      : await signRevocation(keysOf(options.issuerKeys).identity, placesOn(network), certId, deadline)
  const call = callOf({ ...registryOn(network), functionName: 'revoke', args: [certId, deadline, signature] })
  const title = `Revocation of a certificate of ${didOf(device)}, and of all below it`
  const spent = await carryOut(purse, title, [{ what: `revoke ${certId} for good`, call: () => call }], options)
  tell(options.json, { certId, result: 'revoked', ...spentJson(spent) })
}

const readPath = (folder: string): ParsedCertificate[] => pathFromPem(readFileSync(join(fromWhereCalled(folder), 'path.pem'), 'utf8'))
const keysOf = (file: string): DeviceKeys => loadKeys(fromWhereCalled(file))
const timeOf = (seconds: number): string => new Date(seconds * 1000).toISOString()

/** A certificate by its id or its folder. */
const certIdOf = (name: string): CertId => (/^0x[0-9a-fA-F]{64}$/.test(name) ? (name as CertId) : certIdsOf(readPath(name))[0]!)

function replacedBy(folder: string): CertId {
  const file = join(fromWhereCalled(folder), 'replaces')
  return existsSync(file) ? (readFileSync(file, 'utf8').trim() as CertId) : zeroHash
}

const registryOn = ({ at }: OpenNetwork): { address: Address; abi: typeof certificateRegistryAbi } => ({
  address: at('CertificateRegistry'),
  abi: certificateRegistryAbi,
})

const readerOn = (network: OpenNetwork): ReturnType<typeof statusReader> => statusReader(network.client, network.at('CertificateRegistry'))

const placesOn = ({ chain, at }: OpenNetwork): Parameters<typeof signCertificate>[1] => ({
  chainId: chain.chainId,
  ioIDRegistry: at('IoIDRegistry'),
  dataKeyRegistry: at('DataKeyRegistry'),
  certificateRegistry: at('CertificateRegistry'),
})
