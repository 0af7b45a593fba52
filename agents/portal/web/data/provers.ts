// SPDX-License-Identifier: Apache-2.0
/** Provers as the chain has them: registration, state, and what the escrow owes and paid to each. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { getAbiItem } from 'viem'
import type { Network } from '../../api.ts'
import { proverStoreAbi, taskEscrowAbi, taskManagerAbi } from '../../../protocol/generated/abi.ts'
import type { Hex } from '../../../protocol/ids.ts'
import { addressOf, chain, logsOf } from './chain.ts'
import { type Token, useNetwork, useToken } from './reads.ts'

const statuses = ['Unknown', 'Offline', 'Idle', 'Busy'] as const
export type ProverStatus = (typeof statuses)[number]

export interface ProverRow {
  prover: Hex
  status: ProverStatus
  paused: boolean
  capacity: number
  inflight: number
  /** Unix milliseconds. */
  heartbeatAt: number | null
  beneficiary: Hex
  settled: number
  /** In the escrow, to be claimed. */
  waiting: bigint
  /** Claimed and waiting. */
  earned: bigint
}

export interface SettledTask {
  id: Hex
  prover: Hex
  block: bigint
  transaction: Hex
}

export interface Provers {
  provers: ProverRow[]
  settled: SettledTask[]
}

async function loadProvers(network: Network, token: Token): Promise<Provers> {
  const store = { address: addressOf(network, 'ProverStore'), abi: proverStoreAbi } as const
  const escrow = { address: addressOf(network, 'TaskEscrow'), abi: taskEscrowAbi } as const
  const claimed = getAbiItem({ abi: taskEscrowAbi, name: 'Claimed' })
  const [registered, settlements] = await Promise.all([
    logsOf(network, { address: store.address, event: getAbiItem({ abi: proverStoreAbi, name: 'ProverRegistered' }) }),
    logsOf(network, { address: addressOf(network, 'TaskManager'), event: getAbiItem({ abi: taskManagerAbi, name: 'TaskSettled' }) }),
  ])
  const settled = settlements
    .map(({ args, blockNumber, transactionHash }) => ({
      id: args.taskId,
      prover: args.prover,
      block: blockNumber,
      transaction: transactionHash,
    }))
    .reverse()
  const provers = await Promise.all(
    registered.map(async ({ args: { prover } }): Promise<ProverRow> => {
      const ask = { ...store, args: [prover] } as const
      const [status, paused, capacity, inflight, heartbeat, beneficiary] = await Promise.all([
        chain.readContract({ ...ask, functionName: 'statusOf' }),
        chain.readContract({ ...ask, functionName: 'isPaused' }),
        chain.readContract({ ...ask, functionName: 'capacityOf' }),
        chain.readContract({ ...ask, functionName: 'inflight' }),
        chain.readContract({ ...ask, functionName: 'lastHeartbeat' }),
        chain.readContract({ ...ask, functionName: 'beneficiary' }),
      ])
      const [credited, claims] = await Promise.all([
        chain.readContract({ ...escrow, functionName: 'credited', args: [token.address, beneficiary] }),
        logsOf(network, { address: escrow.address, event: claimed, args: { token: token.address, account: beneficiary } }),
      ])
      return {
        prover,
        status: statuses[status] ?? 'Unknown',
        paused,
        capacity,
        inflight,
        heartbeatAt: heartbeat === 0 ? null : heartbeat * 1000,
        beneficiary,
        settled: settled.filter((task) => task.prover === prover).length,
        waiting: credited,
        earned: claims.reduce((sum, { args }) => sum + args.amount, credited),
      }
    }),
  )
  return { provers, settled }
}

export function useProvers(): UseQueryResult<Provers> {
  const network = useNetwork().data
  const token = useToken()
  return useQuery({
    queryKey: ['provers', network?.genesisHash, token?.address],
    enabled: network !== undefined && token !== undefined,
    refetchInterval: 5_000,
    queryFn: () => loadProvers(network!, token!),
  })
}
