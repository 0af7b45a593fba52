// SPDX-License-Identifier: Apache-2.0
/** What the gateway needs to know from the chain, and the view that reads it with a cache that follows the chain's events. */
import { BlockNotFoundError, type Hex as ViemHex } from 'viem'
import type { Point } from '../crypto/babyjubjub.ts'
import type { ChainClient } from '../kit/chain.ts'
import { rpcFailed } from '../kit/errors.ts'
import type { Next } from '../kit/lifecycle.ts'
import { type CredentialStatus, credentialStatuses } from '../protocol/eip712/credential.ts'
import {
  credentialRegistryAbi,
  dataKeyRegistryAbi,
  ioIDAbi,
  ioIDRegistryAbi,
  membershipsAbi,
  projectStoreAbi,
} from '../protocol/generated/abi.ts'
import type { Address, DeviceId, Hex, ProjectId, TermsId } from '../protocol/ids.ts'
import type { Terms } from '../protocol/terms.ts'
import { WINDOW_INDEX_LIMIT } from '../protocol/window.ts'
import { BoundedCache } from './bounded-cache.ts'

/** A project with its terms in force. */
export interface ProjectFacts {
  version: number
  termsId: TermsId
  terms: Terms
  /** Type of credential that the project requires of devices; undefined when none. */
  requiredCredential: Hex | undefined
}

/** What the registry says of a device. `projects` is the one of its registration and its memberships; `signer` is the key that signs for it now, lower case. */
export type DeviceFacts = { status: 'unknown' } | { status: 'removed' } | { status: 'live'; projects: readonly bigint[]; signer: Address }

/** Answers are at most one poll of the chain old. Every method rejects with RPC_FAILED when the chain does not answer. */
export interface ChainView {
  /** Undefined for a project without published terms. */
  project(project: ProjectId): Promise<ProjectFacts | undefined>
  device(device: DeviceId): Promise<DeviceFacts>
  /** The data key that signs this window of a live device for a project of its. */
  dataKey(project: ProjectId, device: DeviceId, window: number): Promise<Point | undefined>
  /** What the device's credential of this type is worth now. */
  credential(device: DeviceId, typeId: Hex): Promise<CredentialStatus>
  /** True for a key that signed for a device once and was rotated away. */
  isRetired(key: Address): Promise<boolean>
}

/** Contracts that the view reads. */
export interface ViewContracts {
  ioIDRegistry: Address
  ioID: Address
  memberships: Address
  dataKeyRegistry: Address
  projectStore: Address
  credentialRegistry: Address
}

const ZERO = `0x${'0'.repeat(40)}`
const NO_TYPE = `0x${'0'.repeat(64)}`
/** Entries of each cache. A registered device costs about 300 bytes. */
const CACHE_ENTRIES = 100_000
/** Most blocks whose events are asked for at once; after a longer pause it is cheaper to forget. */
const LOG_RANGE = 1_000n

export interface FollowingView extends ChainView {
  /** Looks for new blocks once and forgets what they changed. @throws TrellisError RPC_FAILED | CHAIN_RESET */
  follow(): Promise<Next>
}

/** A view over a chain. Nothing is read until somebody asks. */
export function createChainView(chain: ChainClient, contracts: ViewContracts): FollowingView {
  const client = chain.public
  const projects = new BoundedCache<string, ProjectFacts | undefined>(CACHE_ENTRIES)
  const devices = new BoundedCache<string, DeviceFacts>(CACHE_ENTRIES)
  // The newest data key of a device, or that it has none, for every window from `from`; of the project that was asked about last.
  const dataKeys = new BoundedCache<string, { project: ProjectId; from: number; key: Point | undefined }>(CACHE_ENTRIES)
  const retired = new BoundedCache<string, boolean>(CACHE_ENTRIES)
  // What is known of a device's credential of the last type asked for, until its own times change it.
  const credentials = new BoundedCache<string, { typeId: Hex; status: CredentialStatus; until: number }>(CACHE_ENTRIES)
  let seen: { block: bigint; hash: ViemHex; turns: number; time: number } | undefined
  // An answer asked for before a change may arrive after the change was seen: it is given out but not kept.
  let generation = 0

  const missing = (error: unknown): Promise<undefined> => (error instanceof BlockNotFoundError ? Promise.resolve(undefined) : failed(error))
  const failed = (error: unknown): Promise<never> => Promise.reject(rpcFailed(chain.rpcUrl, error))

  const forgetAll = (): void => {
    for (const cache of [projects, devices, dataKeys, retired, credentials]) cache.clear()
  }

  const read = async <T>(cache: BoundedCache<string, T>, key: string, load: () => Promise<T>): Promise<T> => {
    if (cache.has(key)) return cache.get(key) as T
    const asked = generation
    const value = await load().catch(failed)
    if (asked === generation) cache.set(key, value)
    return value
  }

  /** An identifier's nonce moves with its first registration and survives removal. */
  const wasRegistered = async (device: DeviceId): Promise<boolean> =>
    (await client.readContract({ address: contracts.ioIDRegistry, abi: ioIDRegistryAbi, functionName: 'nonces', args: [device] })) > 0n

  const keyAt = async (project: ProjectId, device: DeviceId, window: number): Promise<{ key: Point; commitment: bigint }> => {
    const [key, commitment] = await client.readContract({
      address: contracts.dataKeyRegistry,
      abi: dataKeyRegistryAbi,
      functionName: 'keyAt',
      args: [project, device, window],
    })
    return { key, commitment }
  }

  return {
    project: (project) =>
      read(projects, project.toString(), async () => {
        const store = { address: contracts.projectStore, abi: projectStoreAbi } as const
        const version = await client.readContract({ ...store, functionName: 'termsVersion', args: [project] })
        if (version === 0) return undefined
        const [terms, termsId, required] = await Promise.all([
          client.readContract({ ...store, functionName: 'terms', args: [project, version] }),
          client.readContract({ ...store, functionName: 'termsIdOf', args: [project, version] }),
          client.readContract({ ...store, functionName: 'requiredCredential', args: [project] }),
        ])
        return { version, termsId: termsId as TermsId, terms, requiredCredential: required === NO_TYPE ? undefined : required }
      }),

    device: (device) =>
      read(devices, device, async () => {
        const [signer, home, further] = await Promise.all([
          client.readContract({ address: contracts.ioIDRegistry, abi: ioIDRegistryAbi, functionName: 'signerOf', args: [device] }),
          client.readContract({ address: contracts.ioID, abi: ioIDAbi, functionName: 'deviceProject', args: [device] }),
          client.readContract({ address: contracts.memberships, abi: membershipsAbi, functionName: 'projectsOf', args: [device] }),
        ])
        if (signer !== ZERO) return { status: 'live', projects: [home, ...further], signer: signer.toLowerCase() as Address }
        return { status: (await wasRegistered(device)) ? 'removed' : 'unknown' }
      }),

    async dataKey(project, device, window) {
      const known = dataKeys.get(device)
      if (known !== undefined && known.project === project && window >= known.from) return known.key
      const asked = generation
      const last = WINDOW_INDEX_LIMIT - 1
      const [found, newest] = await Promise.all([keyAt(project, device, window), keyAt(project, device, last)]).catch(failed)
      const key = found.commitment === 0n ? undefined : found.key
      // Keys follow each other by window and none comes back: when the last window has the same one, so have all between.
      if (asked === generation && found.commitment === newest.commitment) dataKeys.set(device, { project, from: window, key })
      return key
    },

    async credential(device, typeId) {
      const known = credentials.get(device)
      const time = seen?.time ?? Infinity
      if (known !== undefined && known.typeId === typeId && time < known.until) return known.status
      const asked = generation
      const registry = { address: contracts.credentialRegistry, abi: credentialRegistryAbi } as const
      const [code, held] = await Promise.all([
        client.readContract({ ...registry, functionName: 'statusOf', args: [device, typeId] }),
        client.readContract({ ...registry, functionName: 'credentialOf', args: [device, typeId] }),
      ]).catch(failed)
      const status = credentialStatuses[code] ?? 'missing'
      const until = [held.validFrom, held.validUntil].find((change) => change > time) ?? Infinity
      if (asked === generation) credentials.set(device, { typeId, status, until })
      return status
    },

    isRetired: (key) =>
      read(retired, key, () =>
        client.readContract({ address: contracts.ioIDRegistry, abi: ioIDRegistryAbi, functionName: 'isRetired', args: [key] }),
      ),

    async follow() {
      const head = await client.getBlock().catch(failed)
      const { turns } = chain
      if (seen !== undefined && head.hash === seen.hash && seen.turns === turns) return 'wait'
      // An endpoint that took over may lag: what it was asked before it caught up is as old as it was.
      const before = seen?.turns === turns ? seen : undefined
      const still =
        before !== undefined && head.number > before.block ? await client.getBlock({ blockNumber: before.block }).catch(missing) : undefined
      generation += 1
      if (before === undefined || still?.hash !== before.hash || head.number - before.block > LOG_RANGE) {
        // The first look, a long absence, another endpoint, or blocks that were seen are gone: nothing kept can be trusted.
        await chain.check()
        forgetAll()
      } else {
        const address = Object.values(contracts)
        const logs = await client.getLogs({ address, fromBlock: before.block + 1n, toBlock: head.number }).catch(failed)
        // A status list, or an issuer, is of many devices that its event does not name.
        const issued = contracts.credentialRegistry.toLowerCase()
        if (logs.some((log) => log.address.toLowerCase() === issued)) credentials.clear()
        // Which event it was does not matter: every device and project that it names is read again.
        for (const topic of logs.flatMap((log) => log.topics.slice(1))) {
          const name = `0x${topic.slice(26)}`
          for (const cache of [devices, dataKeys, retired, credentials]) cache.delete(name)
          projects.delete(BigInt(topic).toString())
        }
      }
      seen = { block: head.number, hash: head.hash, turns, time: Number(head.timestamp) }
      return 'wait'
    },
  }
}
