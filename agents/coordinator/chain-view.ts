// SPDX-License-Identifier: Apache-2.0
/** What the coordinator asks of the chain. Nothing here changes anything. */
import type { Hex } from 'viem'
import type { ChainClient } from '../kit/chain.ts'
import { addressOf, type Deployment } from '../kit/deployment.ts'
import { callFailed, errorsOf } from '../kit/reverts.ts'
import {
  dataKeyRegistryAbi,
  groth16VerifierAbi,
  programRegistryAbi,
  projectStoreAbi,
  proverStoreAbi,
  taskManagerAbi,
} from '../protocol/generated/abi.ts'
import { termsIdOf, type Terms } from '../protocol/terms.ts'

export interface TaskRecord {
  state: 'none' | 'assigned' | 'settled' | 'recalled'
  prover: Hex
  /** Unix seconds. */
  deadline: number
  termsVersion: number
}

export interface ProverSeat {
  prover: Hex
  idle: boolean
  /** Registered and heard of lately, with or without room. */
  alive: boolean
  capacity: number
  inflight: number
}

export type ChainView = ReturnType<typeof createChainView>

const states = ['none', 'assigned', 'settled', 'recalled'] as const
/** IProverStore.Status */
const idle = 2
const busy = 3

export function createChainView(chain: ChainClient, deployment: Deployment) {
  const client = chain.public
  const taskManager = { address: addressOf(deployment, 'TaskManager'), abi: taskManagerAbi } as const
  const proverStore = { address: addressOf(deployment, 'ProverStore'), abi: proverStoreAbi } as const
  const projectStore = { address: addressOf(deployment, 'ProjectStore'), abi: projectStoreAbi } as const
  const dataKeys = { address: addressOf(deployment, 'DataKeyRegistry'), abi: dataKeyRegistryAbi } as const
  const programs = { address: addressOf(deployment, 'ProgramRegistry'), abi: programRegistryAbi } as const
  const errors = errorsOf(taskManagerAbi, proverStoreAbi, projectStoreAbi, dataKeyRegistryAbi, programRegistryAbi)
  const termsCache = new Map<string, Promise<{ terms: Terms; termsId: Hex }>>()

  const ask = async <T>(name: string, to: Hex, reading: Promise<T>): Promise<T> => {
    try {
      return await reading
    } catch (error) {
      throw callFailed(error, { to, function: name, rpcUrl: chain.rpcUrl }, errors)
    }
  }

  return {
    addresses: { taskManager: taskManager.address, router: addressOf(deployment, 'Router'), dataKeyRegistry: dataKeys.address },

    /** Seconds that the next block will carry, at least. */
    async now(): Promise<number> {
      const block = await ask(
        'block',
        '0x',
        client.getBlock({ blockTag: 'pending' }).catch(() => client.getBlock()),
      )
      return Number(block.timestamp)
    },
    async blockNumber(): Promise<number> {
      return Number(await ask('blockNumber', '0x', client.getBlockNumber()))
    },

    records(ids: readonly Hex[]): Promise<TaskRecord[]> {
      return ask(
        'recordOf',
        taskManager.address,
        Promise.all(ids.map(async (id) => openRecord(await client.readContract({ ...taskManager, functionName: 'recordOf', args: [id] })))),
      )
    },
    windowsSettled(windows: readonly { project: bigint; device: Hex; window: number }[]): Promise<boolean[]> {
      const read = ({ project, device, window }: (typeof windows)[number]) =>
        client.readContract({ ...taskManager, functionName: 'isWindowSettled', args: [project, device, window] })
      return ask('isWindowSettled', taskManager.address, Promise.all(windows.map(read)))
    },

    seats(provers: readonly Hex[]): Promise<ProverSeat[]> {
      const seat = async (prover: Hex): Promise<ProverSeat> => {
        const [status, capacity, inflight] = await Promise.all([
          client.readContract({ ...proverStore, functionName: 'statusOf', args: [prover] }),
          client.readContract({ ...proverStore, functionName: 'capacityOf', args: [prover] }),
          client.readContract({ ...proverStore, functionName: 'inflight', args: [prover] }),
        ])
        return { prover, idle: status === idle, alive: status === idle || status === busy, capacity, inflight }
      }
      return ask('statusOf', proverStore.address, Promise.all(provers.map(seat)))
    },
    async isProver(prover: Hex): Promise<boolean> {
      return (
        (await ask('statusOf', proverStore.address, client.readContract({ ...proverStore, functionName: 'statusOf', args: [prover] }))) !==
        0
      )
    },

    assignmentTerms(project: bigint, coordinator: Hex) {
      return ask(
        'assignmentTerms',
        projectStore.address,
        client.readContract({ ...projectStore, functionName: 'assignmentTerms', args: [project, coordinator] }),
      )
    },
    /** Frozen, so read once. */
    terms(project: bigint, version: number): Promise<{ terms: Terms; termsId: Hex }> {
      const key = `${project}/${version}`
      const known = termsCache.get(key)
      if (known !== undefined) return known
      const reading = ask(
        'terms',
        projectStore.address,
        client.readContract({ ...projectStore, functionName: 'terms', args: [project, version] }),
      ).then((terms) => ({
        terms,
        termsId: termsIdOf({ chainId: chain.chainId, projectStore: projectStore.address, project, version }, terms),
      }))
      if (termsCache.size > 1_000) termsCache.clear()
      termsCache.set(key, reading)
      reading.catch(() => termsCache.delete(key))
      return reading
    },
    async termsVersion(project: bigint): Promise<number> {
      return ask(
        'termsVersion',
        projectStore.address,
        client.readContract({ ...projectStore, functionName: 'termsVersion', args: [project] }),
      )
    },

    /** The data key that signs a window of a live device; null when there is none. */
    async dataKey(device: Hex, window: number): Promise<{ x: bigint; y: bigint; commitment: bigint } | null> {
      const [key, commitment] = await ask(
        'keyAt',
        dataKeys.address,
        client.readContract({ ...dataKeys, functionName: 'keyAt', args: [device, window] }),
      )
      return commitment === 0n ? null : { ...key, commitment }
    },

    /** Asks the program's own verifier; costs nothing and is what settlement will ask. */
    async verify(programId: Hex, proof: readonly string[], signals: readonly string[]): Promise<boolean> {
      const [verifier, keyId] = await ask(
        'verifierOf',
        programs.address,
        client.readContract({ ...programs, functionName: 'verifierOf', args: [programId] }),
      )
      const words = proof.map(BigInt) as unknown as readonly [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint]
      return ask(
        'verify',
        verifier,
        client.readContract({
          address: verifier,
          abi: groth16VerifierAbi,
          functionName: 'verify',
          args: [keyId, words, signals.map(BigInt)],
        }),
      )
    },
  }
}

/** prover 160 | deadline 38 | ioID token id 40 | terms version 16 | state 2, prover lowest (contracts/types/Tasks.sol). */
export function openRecord(word: bigint): TaskRecord {
  return {
    state: states[Number(word >> 254n)] ?? 'none',
    prover: `0x${(word & ((1n << 160n) - 1n)).toString(16).padStart(40, '0')}`,
    deadline: Number((word >> 160n) & ((1n << 38n) - 1n)),
    termsVersion: Number((word >> 238n) & 0xffffn),
  }
}
