// SPDX-License-Identifier: Apache-2.0
/**
 * Onboarding of a run, by the project's owner: the project with its terms and escrow, its devices under their own consent, and the provers. Every
 * step looks first, so that a run that was killed goes on where it was.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Address, createWalletClient, encodeFunctionData, http, keccak256, type PublicClient, stringToHex } from 'viem'
import { hardhat } from 'viem/chains'
import { z } from 'zod'
import { artifactFolder } from '../../../deploy/artifacts.ts'
import { Deployer } from '../../../deploy/deployer.ts'
import type { Deployment } from '../../kit/deployment.ts'
import { canonicalHash, canonicalJson } from '../../protocol/canonical-json.ts'
import { didOf } from '../../protocol/did.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { proverStoreAbi } from '../../protocol/generated/abi.ts'
import { channelIdOf, deviceId, programId } from '../../protocol/ids.ts'
import { ClockKind, type Terms } from '../../protocol/terms.ts'
import { accountOf } from './accounts.ts'
import { type Source, spanOf, speedOf, WINDOW } from './dataset.ts'
import { askForOffer, signRegistration } from './offer.ts'
import { ProjectOwner } from './project-owner.ts'
import type { ProjectFile } from './project-file.ts'
import { home, type JobRecord, type LocalState, repository } from './state.ts'

/** Test-token units with 18 decimals. */
const TOKEN = 10n ** 18n
const PRICE_PER_READING = TOKEN / 1000n
const PROVER_FEE = TOKEN / 10n
const SEQUENCER_FEE = TOKEN / 50n
const PROJECT_NAME = 'Trellis sensors'
const FLEET_NAME = 'Trellis provers'
export const PROVERS = ['prover-1', 'prover-2'] as const
/** Windows that the escrow holds funds for beyond those of the source: a window is closed early at a stop. */
const SPARE_WINDOWS = 16

/** Seconds between now and the deadline of a signature of onboarding. */
const SIGNATURE_SECONDS = 3600n

export interface OnboardOptions {
  /** The project's own name, dapp and program, where there is a project file. */
  own: ProjectFile | undefined
  state: LocalState
  deployment: Deployment
  client: PublicClient
  rpc: string
  gatewayUrl: string
  source: Source
  /** Of the job: its clock is kept there. */
  folder: string
  /** Project seconds per second; chosen to fit the source when it is not given. */
  speed: number | undefined
  /** Configuration of the device that replays series `i`. */
  deviceConfig: (i: number, project: bigint) => object
  /** Writes a configuration and returns its file. */
  writeConfig: (name: string, content: object) => string
}

export interface Onboarded {
  project: bigint
  terms: Terms
  /** Device identifiers in the order of the source's series. */
  devices: Address[]
  job: Omit<JobRecord, 'folder'>
}

export async function onboard(options: OnboardOptions): Promise<Onboarded> {
  const { deployment, source, speed, folder, own } = options
  const addresses = Object.fromEntries(Object.entries(deployment.contracts).map(([name, { address }]) => [name, address]))
  const owner = new ProjectOwner(callsOf('owner', options), addresses)
  const deadline = BigInt(Math.floor(Date.now() / 1000)) + SIGNATURE_SECONDS

  const project = await owner.project(own?.name ?? PROJECT_NAME)
  const collection = await owner.collection(project, own?.name ?? PROJECT_NAME, source.series.length)
  const fleet = await owner.project(FLEET_NAME)
  const fleetCollection = await owner.collection(fleet, FLEET_NAME, PROVERS.length)
  const devices = await registerDevices(owner, project, collection, deadline, options)
  await registerProvers(owner, fleetCollection, deadline, options)

  const receiver = own === undefined ? owner.at('TelemetryDapp') : await deployDapp(own, owner.at('Router'), options)
  const terms = await owner.openMarket(project, accountOf('coordinator').address, () => ({
    ...termsOf(owner, source, replayClock(folder, source, speed)),
    programId: programId(keccak256(stringToHex(own?.program ?? 'sensing/window/1'))),
    receiver,
  }))
  const hold = PROVER_FEE + SEQUENCER_FEE + BigInt(WINDOW) * PRICE_PER_READING
  await owner.fund(project, hold * BigInt(spanOf(source).windows + SPARE_WINDOWS))

  const wallets = await Promise.all(devices.map((device) => owner.walletOf(device)))
  const fleetWallets = await Promise.all(PROVERS.map((name) => owner.walletOf(accountOf(name).address)))
  const job = {
    project: project.toString(),
    devices: devices.map((device, i) => ({ name: source.series[i]!.name, device, wallet: wallets[i]! })),
    provers: PROVERS.map((name, i) => ({ name, prover: accountOf(name).address, wallet: fleetWallets[i]! })),
    expectedReadings: spanOf(source).readings,
  }
  return { project, terms, devices, job }
}

/** Calls of one account over the deployed contracts. */
function callsOf(role: Parameters<typeof accountOf>[0], { client, rpc }: OnboardOptions, root = repository): Deployer {
  const wallet = createWalletClient({ chain: hardhat, transport: http(rpc), account: accountOf(role), pollingInterval: 25, cacheTime: 0 })
  return new Deployer({ client, wallet, artifacts: artifactFolder(join(root, 'artifacts')), confirmations: 1 })
}

/** The contract that the project's results go to; its address follows from its code, so what is there stays. */
async function deployDapp({ dapp }: ProjectFile, router: Address, options: OnboardOptions): Promise<Address> {
  return (await callsOf('owner', options, home).create(dapp, dapp, [router])).address
}

/** Devices make their keys and offer themselves at the same time; the owner submits one after the other. */
async function registerDevices(
  owner: ProjectOwner,
  project: bigint,
  collection: Address,
  deadline: bigint,
  { state, source, deviceConfig, writeConfig }: OnboardOptions,
): Promise<Address[]> {
  const firstToken = await owner.nextTokenId()
  const ask = (i: number, tokenId: bigint) =>
    askForOffer(
      writeConfig(`device-${i + 1}.offer`, {
        ...deviceConfig(i, project),
        logLevel: 'silent',
        registration: {
          owner: owner.address,
          deviceContract: collection,
          tokenId: String(i + 1),
          nonce: '0',
          deadline: deadline.toString(),
        },
        dataKey: { tokenId: tokenId.toString(), fromWindow: 0, deadline: deadline.toString() },
      }),
      state.logFile(`device-${i + 1}`),
    )
  const offers = await inTurns(
    2,
    source.series.map((_, i) => () => ask(i, firstToken + BigInt(i))),
  )
  for (const [i, first] of offers.entries()) {
    const { device, hash, uri } = first
    if (!(await owner.isRegistered(device))) {
      await owner.register({
        device,
        deviceContract: collection,
        tokenId: BigInt(i + 1),
        user: owner.address,
        hash,
        uri,
        deadline,
        signature: first.registration!.typed.signature,
      })
    }
    if (await owner.hasDataKey(project, device)) continue
    // The binding names the ioID's token id. It was foretold; somebody else's registration in between needs a new signature.
    const tokenId = await owner.tokenIdOf(device)
    const offer = tokenId === firstToken + BigInt(i) ? first : await ask(i, tokenId)
    await owner.bindDataKey(project, device, offer.dataKey!)
  }
  return offers.map(({ device }) => device)
}

async function registerProvers(owner: ProjectOwner, collection: Address, deadline: bigint, options: OnboardOptions): Promise<void> {
  const { chainId } = options.deployment
  for (const [i, name] of PROVERS.entries()) {
    const account = accountOf(name)
    if (!(await owner.isRegistered(account.address))) {
      const document = { '@context': 'https://www.w3.org/ns/did/v1', id: didOf(deviceId(account.address)) }
      const request = {
        deviceContract: collection,
        tokenId: BigInt(i + 1),
        user: owner.address,
        hash: canonicalHash(document),
        uri: await postDocument(options.gatewayUrl, canonicalJson(document)),
        nonce: 0n,
        deadline,
      }
      await owner.register(await signRegistration(account, { chainId, ioIDRegistry: owner.at('IoIDRegistry') }, request))
    }
    const own = callsOf(name, options)
    const store = owner.at('ProverStore')
    await own.ensure(
      `${name} is a prover`,
      () => own.read<number>('ProverStore', store, 'statusOf', [account.address]),
      (status: number) => status !== 0,
      async () => {
        const data = encodeFunctionData({ abi: proverStoreAbi, functionName: 'register', args: [account.address] })
        await own.send({ to: store, data }, 'register a prover')
      },
    )
  }
}

interface ReplayClock {
  /** Unix seconds at which the first reading is due. */
  start: number
  speed: number
}

/** The clock of a job goes on over a fresh chain: what its devices replayed is not due a second time. Another `--speed` starts another clock. */
function replayClock(folder: string, source: Source, chosen: number | undefined): ReplayClock {
  const file = join(folder, 'clock.json')
  const before = existsSync(file) ? clockSchema.parse(JSON.parse(readFileSync(file, 'utf8'))) : undefined
  if (before !== undefined && (chosen === undefined || chosen === before.speed)) return before
  // Devices start a few seconds after the terms: the clock waits for them.
  const clock = { start: Math.floor(Date.now() / 1000) + 4, speed: speedOf(source, chosen) }
  writeFileSync(`${file}.${process.pid}`, `${JSON.stringify(clock)}\n`, { mode: 0o600 })
  renameSync(`${file}.${process.pid}`, file)
  return clock
}

const clockSchema = z.object({ start: z.int().positive(), speed: z.int().positive() })

function termsOf(owner: ProjectOwner, source: Source, { start, speed }: ReplayClock): Omit<Terms, 'programId' | 'receiver'> {
  return {
    channel: channelIdOf(source.channel),
    rangeMin: BigInt(source.rangeMin),
    rangeMax: source.rangeMax,
    threshold: source.threshold,
    decimals: source.decimals,
    pricePerReading: PRICE_PER_READING,
    proverFee: PROVER_FEE,
    sequencerFee: SEQUENCER_FEE,
    token: owner.at('TestToken'),
    dappGas: 1_000_000,
    clock: ClockKind.Replay,
    clockOrigin: spanOf(source).from,
    clockStart: start,
    clockSpeed: speed,
    taskSeconds: 120,
    maxAge: 0,
    // Two clocks of one machine agree; a second of ours is `speed` seconds of the project.
    maxSkew: Math.max(60, 2 * speed),
  }
}

async function postDocument(gatewayUrl: string, body: string): Promise<string> {
  const response = await fetch(`${gatewayUrl}/v1/documents`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  if (!response.ok)
    throw new TrellisError({
      code: 'DOCUMENT_REFUSED',
      message: 'The gateway does not take a DID document.',
      details: { status: response.status, body: await response.text() },
    })
  return ((await response.json()) as { uri: string }).uri
}

async function inTurns<T>(width: number, tasks: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = []
  for (let i = 0; i < tasks.length; i += width) results.push(...(await Promise.all(tasks.slice(i, i + width).map((task) => task()))))
  return results
}
