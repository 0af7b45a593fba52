// SPDX-License-Identifier: Apache-2.0
/** Reads of the proof market's contracts that coordinators and provers share. Nothing here changes anything. */
import type { Hex } from 'viem'
import { dataKeyRegistryAbi, projectStoreAbi, taskManagerAbi } from '../protocol/generated/abi.ts'
import { openTaskRecord, type TaskRecord } from '../protocol/task-record.ts'
import { termsIdOf, type Terms } from '../protocol/terms.ts'
import type { ChainClient } from './chain.ts'
import { addressOf, type Deployment } from './deployment.ts'
import { callFailed, errorsOf } from './reverts.ts'

export interface MarketView {
  readonly addresses: { taskManager: Hex; router: Hex; dataKeyRegistry: Hex; projectStore: Hex }
  /** Seconds that the next block will carry, at least. */
  now(): Promise<number>
  blockNumber(): Promise<number>
  records(ids: readonly Hex[]): Promise<TaskRecord[]>
  /** Frozen, so read once. */
  terms(project: bigint, version: number): Promise<{ terms: Terms; termsId: Hex }>
  /** The data key that signs a window of a live device for a project of its; null when there is none. */
  dataKey(project: bigint, device: Hex, window: number): Promise<{ x: bigint; y: bigint; commitment: bigint } | null>
}

/** Waits for a read; its failure is told with the name of the revert. */
export async function ask<T>(chain: ChainClient, call: { to: Hex; function: string }, reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    throw callFailed(error, { ...call, rpcUrl: chain.rpcUrl }, errors)
  }
}

const errors = errorsOf(taskManagerAbi, projectStoreAbi, dataKeyRegistryAbi)
const termsCacheSize = 1_000

export function createMarketView(chain: ChainClient, deployment: Deployment): MarketView {
  const client = chain.public
  const taskManager = { address: addressOf(deployment, 'TaskManager'), abi: taskManagerAbi } as const
  const projectStore = { address: addressOf(deployment, 'ProjectStore'), abi: projectStoreAbi } as const
  const dataKeys = { address: addressOf(deployment, 'DataKeyRegistry'), abi: dataKeyRegistryAbi } as const
  const termsCache = new Map<string, Promise<{ terms: Terms; termsId: Hex }>>()

  return {
    addresses: {
      taskManager: taskManager.address,
      router: addressOf(deployment, 'Router'),
      dataKeyRegistry: dataKeys.address,
      projectStore: projectStore.address,
    },
    async now() {
      // Nodes without a pending block give the newest; on a quiet chain that one is old, so the wall clock may be later.
      const reading = client.getBlock({ blockTag: 'pending' }).catch(() => client.getBlock())
      return Number((await ask(chain, { to: '0x', function: 'getBlock' }, reading)).timestamp)
    },
    async blockNumber() {
      return Number(await ask(chain, { to: '0x', function: 'blockNumber' }, client.getBlockNumber()))
    },
    records(ids) {
      const read = async (id: Hex) => openTaskRecord(await client.readContract({ ...taskManager, functionName: 'recordOf', args: [id] }))
      return ask(chain, { to: taskManager.address, function: 'recordOf' }, Promise.all(ids.map(read)))
    },
    terms(project, version) {
      const key = `${project}/${version}`
      const known = termsCache.get(key)
      if (known !== undefined) return known
      const call = { to: projectStore.address, function: 'terms' }
      const place = { chainId: chain.chainId, projectStore: projectStore.address, project, version }
      const reading = ask(chain, call, client.readContract({ ...projectStore, functionName: 'terms', args: [project, version] })).then(
        (terms) => ({ terms, termsId: termsIdOf(place, terms) }),
      )
      if (termsCache.size >= termsCacheSize) termsCache.clear()
      termsCache.set(key, reading)
      reading.catch(() => termsCache.delete(key))
      return reading
    },
    async dataKey(project, device, window) {
      const call = { to: dataKeys.address, function: 'keyAt' }
      const reading = client.readContract({ ...dataKeys, functionName: 'keyAt', args: [project, device, window] })
      const [key, commitment] = await ask(chain, call, reading)
      return commitment === 0n ? null : { ...key, commitment }
    },
  }
}
