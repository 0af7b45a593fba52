// SPDX-License-Identifier: Apache-2.0
/** Everything about one task that the chain can say: its record, the transaction that settled it, the public values, and the proof. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { decodeAbiParameters, decodeFunctionData, getAbiItem, type GetTransactionReturnType, hexToBytes } from 'viem'
import type { Network } from '../../api.ts'
import {
  dataKeyRegistryAbi,
  groth16VerifierAbi,
  programRegistryAbi,
  projectStoreAbi,
  routerAbi,
  taskManagerAbi,
} from '../../../protocol/generated/abi.ts'
import { contextOf, type Hex } from '../../../protocol/ids.ts'
import { openTaskRecord, routeItemsType, type TaskRecord } from '../../../protocol/task-record.ts'
import type { Terms } from '../../../protocol/terms.ts'
import { type ProofWords, verifierKeyId } from '../../../protocol/verifier-key.ts'
import { unpackStatistics, type WindowStatistics } from '../../../protocol/window.ts'
import { addressOf, chain, logsOf } from './chain.ts'
import { useNetwork } from './reads.ts'

export interface Settling {
  transaction: Hex
  block: bigint
  /** Unix milliseconds. */
  at: number
  sender: Hex
  gasUsed: bigint
  /** Tasks that this transaction settled together. */
  tasks: number
}

export interface Proof {
  device: Hex
  window: number
  root: Hex
  statistics: WindowStatistics
  words: ProofWords
  /** context, readings root, statistics, key commitment. */
  signals: readonly [bigint, bigint, bigint, bigint]
  terms: Terms
  termsId: Hex
  verifier: Hex
  keyId: Hex
  insecure: boolean
}

export interface TaskFacts {
  record: TaskRecord
  settling: Settling | null
  /** Null for a task that is not settled, or was settled through another contract. */
  proof: Proof | null
}

type Item = ReturnType<typeof itemsOf>['items'][number]

/** What `Router.route` was called with. @throws when the transaction is another call */
function itemsOf({ input }: GetTransactionReturnType) {
  const call = decodeFunctionData({ abi: routerAbi, data: input })
  if (call.functionName !== 'route') throw new Error('The transaction is not a settlement.')
  const [prover, project, taskIds, data] = call.args
  const [items] = decodeAbiParameters(routeItemsType, data)
  return { prover, project, taskIds, items }
}

async function loadProof(network: Network, project: bigint, taskId: Hex, record: TaskRecord, item: Item): Promise<Proof> {
  const version = record.termsVersion
  const store = { address: addressOf(network, 'ProjectStore'), abi: projectStoreAbi } as const
  const keys = { address: addressOf(network, 'DataKeyRegistry'), abi: dataKeyRegistryAbi } as const
  const [terms, termsId, commitment] = await Promise.all([
    chain.readContract({ ...store, functionName: 'terms', args: [project, version] }),
    chain.readContract({ ...store, functionName: 'termsIdOf', args: [project, version] }),
    chain.readContract({ ...keys, functionName: 'commitmentAt', args: [project, record.tokenId, item.window] }),
  ])
  const programs = { address: addressOf(network, 'ProgramRegistry'), abi: programRegistryAbi } as const
  const [verifier, keyId, , insecure] = await chain.readContract({ ...programs, functionName: 'program', args: [terms.programId] })
  const context = contextOf({
    chainId: network.chainId,
    router: addressOf(network, 'Router'),
    project,
    device: item.device,
    taskIds: [taskId],
    prover: record.prover,
    window: item.window,
    programId: terms.programId,
    termsId,
  })
  return {
    device: item.device,
    window: item.window,
    root: item.root,
    statistics: unpackStatistics(item.statistics),
    words: item.proof as unknown as ProofWords,
    signals: [context, BigInt(item.root), item.statistics, commitment],
    terms,
    termsId,
    verifier,
    keyId,
    insecure,
  }
}

async function loadTask(network: Network, taskId: Hex): Promise<TaskFacts> {
  const tasks = { address: addressOf(network, 'TaskManager'), abi: taskManagerAbi } as const
  const record = openTaskRecord(await chain.readContract({ ...tasks, functionName: 'recordOf', args: [taskId] }))
  if (record.state !== 'settled') return { record, settling: null, proof: null }
  const event = getAbiItem({ abi: taskManagerAbi, name: 'TaskSettled' })
  const [log] = await logsOf(network, { address: tasks.address, event, args: { taskId } })
  if (log === undefined) return { record, settling: null, proof: null }
  const hash = log.transactionHash
  const [transaction, receipt, block] = await Promise.all([
    chain.getTransaction({ hash }),
    chain.getTransactionReceipt({ hash }),
    chain.getBlock({ blockNumber: log.blockNumber }),
  ])
  const settling = {
    transaction: hash,
    block: log.blockNumber,
    at: Number(block.timestamp) * 1000,
    sender: transaction.from,
    gasUsed: receipt.gasUsed,
    tasks: 1,
  }
  if (transaction.to?.toLowerCase() !== addressOf(network, 'Router').toLowerCase()) return { record, settling, proof: null }
  const { project, taskIds, items } = itemsOf(transaction)
  const item = items[taskIds.indexOf(taskId)]
  const proof = item === undefined ? null : await loadProof(network, project, taskId, record, item)
  return { record, settling: { ...settling, tasks: taskIds.length }, proof }
}

export function useTask(taskId: Hex): UseQueryResult<TaskFacts> {
  const network = useNetwork().data
  return useQuery({
    queryKey: ['task', taskId, network?.genesisHash],
    enabled: network !== undefined,
    // What is settled stays as it is, but for a reorganisation.
    refetchInterval: ({ state }) => (state.data?.settling === null || state.data === undefined ? 2_000 : 30_000),
    queryFn: () => loadTask(network!, taskId),
  })
}

export interface Verdict {
  valid: boolean
  ms: number
}

/** The pairing check in this browser, with the key as the chain keeps it: the code of its account after one byte. */
export async function verifyHere({ verifier, keyId, words, signals }: Proof): Promise<Verdict> {
  const account = await chain.readContract({ address: verifier, abi: groth16VerifierAbi, functionName: 'keyAccount', args: [keyId] })
  const code = await chain.getCode({ address: account })
  const key: Hex = `0x${(code ?? '0x').slice(4)}`
  if (verifierKeyId(key) !== keyId) throw new Error('What the chain gave out is not the registered key.')
  const { verifyGroth16 } = await import('../../../crypto/groth16.ts')
  const started = performance.now()
  const valid = verifyGroth16(hexToBytes(key), signals, words)
  return { valid, ms: performance.now() - started }
}

/** The same by the verifier contract. */
export async function verifyByChain({ verifier, keyId, words, signals }: Proof): Promise<Verdict> {
  const started = performance.now()
  const args = [keyId, words, [...signals]] as const
  const valid = await chain.readContract({ address: verifier, abi: groth16VerifierAbi, functionName: 'verify', args })
  return { valid, ms: performance.now() - started }
}
