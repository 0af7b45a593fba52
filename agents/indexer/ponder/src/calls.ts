// SPDX-License-Identifier: Apache-2.0
/** What events do not carry, from the calls that made them. A call through a contract in between is not opened: null. */
import { decodeAbiParameters, decodeErrorResult, decodeFunctionData, hexToNumber, slice } from 'viem'
import { routerAbi, taskManagerAbi } from '../../../protocol/generated/abi.ts'
import type { Hex } from '../../../protocol/ids.ts'
import { routeItemsType } from '../../../protocol/task-record.ts'
import { job } from '../job.ts'

interface Call {
  to: Hex | null
  input: Hex
  hash: Hex
}

const isTo = ({ to }: Call, name: string): boolean => to?.toLowerCase() === job.contracts[name]?.address.toLowerCase()

/** Remembers the answer for the last transaction: all its events come one after the other. */
function oncePerCall<T>(open: (call: Call) => T): (call: Call) => T {
  let last: { hash: Hex; value: T } | undefined
  return (call) => (last?.hash === call.hash ? last : (last = { hash: call.hash, value: open(call) })).value
}

const quietly = <T>(work: () => T): T | null => {
  try {
    return work()
  } catch {
    return null
  }
}

export interface Assigned {
  device: Hex
  window: number
  root: Hex
  sequencer: Hex
}

export const assignedBy = oncePerCall((call): ReadonlyMap<Hex, Assigned> => {
  const found = new Map<Hex, Assigned>()
  const opened = isTo(call, 'TaskManager') ? quietly(() => decodeFunctionData({ abi: taskManagerAbi, data: call.input })) : null
  if (opened?.functionName !== 'assign') return found
  const [one, sequencer] = opened.args
  for (const { taskId, hash, signature } of 'taskId' in one ? [one] : one) {
    const subject = quietly(() => ({ device: slice(signature, 0, 20), window: hexToNumber(slice(signature, 20, 24)) }))
    if (subject !== null && !found.has(taskId)) found.set(taskId, { ...subject, root: hash, sequencer: sequencer.toLowerCase() as Hex })
  }
  return found
})

export interface Proven {
  statistics: bigint
  points: readonly bigint[]
}

/** A task that one call names twice has no entry: its events do not say which of the two was good. */
export const provenBy = oncePerCall((call): ReadonlyMap<Hex, Proven> => {
  const opened = isTo(call, 'Router') ? quietly(() => decodeFunctionData({ abi: routerAbi, data: call.input })) : null
  if (opened?.functionName !== 'route') return new Map()
  const [, , taskIds, data] = opened.args
  const items = quietly(() => decodeAbiParameters(routeItemsType, data)[0]) ?? []
  const once = taskIds.flatMap((id, i) => {
    const item = items[i]
    return item === undefined || taskIds.indexOf(id) !== taskIds.lastIndexOf(id)
      ? []
      : [[id, { statistics: item.statistics, points: item.proof }] as const]
  })
  return new Map(once)
})

/** Name of the error without its prefix: `BadProof`. */
export const reasonOf = (data: Hex): string =>
  quietly(() => decodeErrorResult({ abi: routerAbi, data }).errorName.replace(/^Router_/, '')) ?? 'Unknown'

/** Order of contracts/types/Tasks.sol. */
const REFUSALS = [
  'None',
  'Malformed',
  'NotCoordinator',
  'ProjectPaused',
  'NoTerms',
  'Deadline',
  'AlreadyAssigned',
  'WindowSettled',
  'DeviceNotLive',
  'NoDataKey',
  'ProverUnavailable',
  'Funds',
  'NoCredential',
]
export const refusalOf = (reason: number): string => REFUSALS[reason] ?? `Refusal${reason}`
