// SPDX-License-Identifier: Apache-2.0
/** A task's storage slot on chain, opened. Layout: contracts/types/Tasks.sol. */
import type { Hex } from './ids.ts'

export type ChainTaskState = 'none' | 'assigned' | 'settled' | 'recalled'

export interface TaskRecord {
  state: ChainTaskState
  prover: Hex
  /** Unix seconds. */
  deadline: number
  /** ioID token id of the device. */
  tokenId: bigint
  termsVersion: number
}

const states: readonly ChainTaskState[] = ['none', 'assigned', 'settled', 'recalled']
const bits = (word: bigint, shift: bigint, count: bigint): bigint => (word >> shift) & ((1n << count) - 1n)

/** prover 160 | deadline 38 | token id 40 | terms version 16 | state 2, prover lowest. */
export function openTaskRecord(word: bigint): TaskRecord {
  return {
    state: states[Number(bits(word, 254n, 2n))]!,
    prover: `0x${bits(word, 0n, 160n).toString(16).padStart(40, '0')}`,
    deadline: Number(bits(word, 160n, 38n)),
    tokenId: bits(word, 198n, 40n),
    termsVersion: Number(bits(word, 238n, 16n)),
  }
}

/** What `Router.route` takes as data: abi.encode(IRouter.Item[]). */
export const routeItemsType = [
  {
    type: 'tuple[]',
    components: [
      { name: 'device', type: 'address' },
      { name: 'window', type: 'uint32' },
      { name: 'root', type: 'bytes32' },
      { name: 'statistics', type: 'uint256' },
      { name: 'proof', type: 'uint256[8]' },
    ],
  },
] as const
