// SPDX-License-Identifier: Apache-2.0
/** What the coordinator asks of the chain, besides what provers ask too. Nothing here changes anything. */
import type { Hex } from 'viem'
import type { ChainClient } from '../kit/chain.ts'
import { addressOf, type Deployment } from '../kit/deployment.ts'
import { ask, createMarketView } from '../kit/market.ts'
import { groth16VerifierAbi, programRegistryAbi, projectStoreAbi, proverStoreAbi, taskManagerAbi } from '../protocol/generated/abi.ts'

export interface ProverSeat {
  prover: Hex
  idle: boolean
  /** Registered and heard of lately, with or without room. */
  alive: boolean
  capacity: number
  inflight: number
}

export type ChainView = ReturnType<typeof createChainView>

/** IProverStore.Status */
const status = { none: 0, idle: 2, busy: 3 } as const

export function createChainView(chain: ChainClient, deployment: Deployment) {
  const client = chain.public
  const market = createMarketView(chain, deployment)
  const taskManager = { address: market.addresses.taskManager, abi: taskManagerAbi } as const
  const projectStore = { address: market.addresses.projectStore, abi: projectStoreAbi } as const
  const proverStore = { address: addressOf(deployment, 'ProverStore'), abi: proverStoreAbi } as const
  const programs = { address: addressOf(deployment, 'ProgramRegistry'), abi: programRegistryAbi } as const

  return {
    ...market,

    windowsSettled(windows: readonly { project: bigint; device: Hex; window: number }[]): Promise<boolean[]> {
      const read = ({ project, device, window }: (typeof windows)[number]) =>
        client.readContract({ ...taskManager, functionName: 'isWindowSettled', args: [project, device, window] })
      return ask(chain, { to: taskManager.address, function: 'isWindowSettled' }, Promise.all(windows.map(read)))
    },

    seats(provers: readonly Hex[]): Promise<ProverSeat[]> {
      const seat = async (prover: Hex): Promise<ProverSeat> => {
        const [now, capacity, inflight] = await Promise.all([
          // As of the next block: on a quiet chain the newest one is old, and a silent prover looks alive in it.
          client.readContract({ ...proverStore, functionName: 'statusOf', args: [prover], blockTag: 'pending' }),
          client.readContract({ ...proverStore, functionName: 'capacityOf', args: [prover] }),
          client.readContract({ ...proverStore, functionName: 'inflight', args: [prover] }),
        ])
        return { prover, idle: now === status.idle, alive: now === status.idle || now === status.busy, capacity, inflight }
      }
      return ask(chain, { to: proverStore.address, function: 'statusOf' }, Promise.all(provers.map(seat)))
    },

    /** Of these seats, those of provers that take tasks of the project. */
    async takers(seats: readonly ProverSeat[], project: bigint): Promise<ProverSeat[]> {
      const reading = seats.map(({ prover }) => client.readContract({ ...proverStore, functionName: 'takes', args: [prover, project] }))
      const takes = await ask(chain, { to: proverStore.address, function: 'takes' }, Promise.all(reading))
      return seats.filter((_, i) => takes[i])
    },

    async isProver(prover: Hex): Promise<boolean> {
      const reading = client.readContract({ ...proverStore, functionName: 'statusOf', args: [prover] })
      return (await ask(chain, { to: proverStore.address, function: 'statusOf' }, reading)) !== status.none
    },

    assignmentTerms(project: bigint, coordinator: Hex) {
      const reading = client.readContract({ ...projectStore, functionName: 'assignmentTerms', args: [project, coordinator] })
      return ask(chain, { to: projectStore.address, function: 'assignmentTerms' }, reading)
    },

    /** Asks the program's own verifier; costs nothing and is what settlement will ask. */
    async verify(programId: Hex, proof: readonly string[], signals: readonly string[]): Promise<boolean> {
      const [address, keyId] = await ask(
        chain,
        { to: programs.address, function: 'verifierOf' },
        client.readContract({ ...programs, functionName: 'verifierOf', args: [programId] }),
      )
      if (proof.some((word) => BigInt(word) >> 256n !== 0n)) return false
      const words = proof.map(BigInt) as unknown as readonly [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint]
      const reading = client.readContract({
        address,
        abi: groth16VerifierAbi,
        functionName: 'verify',
        args: [keyId, words, signals.map(BigInt)],
      })
      return ask(chain, { to: address, function: 'verify' }, reading)
    },
  }
}
