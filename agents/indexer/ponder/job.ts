// SPDX-License-Identifier: Apache-2.0
/** What the service tells its Ponder process: one JSON value in the environment, for Ponder takes no other configuration. */
import type { Hex } from '../../protocol/ids.ts'

export const JOB_VARIABLE = 'TRELLIS_INDEXER_JOB'

export interface Job {
  chainId: number
  rpcUrls: string[]
  pollMs: number
  /** Every block that Ponder read is read again after a restart. For chains whose blocks may be others under the same id. */
  disableCache: boolean
  contracts: Record<string, { address: Hex; block: number }>
  database: { directory: string } | { url: string }
  /** Only who shows this in `x-trellis-door` is answered: the door checks Host and Origin, Ponder does not. */
  door: string
}

export const job = JSON.parse(process.env[JOB_VARIABLE] ?? '{}') as Job
