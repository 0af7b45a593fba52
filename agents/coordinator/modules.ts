// SPDX-License-Identifier: Apache-2.0
/** What the passes of a coordinator share. */
import type { Scanner } from '../kit/cursor.ts'
import type { Logger } from '../kit/log.ts'
import type { Sender } from '../kit/sender.ts'
import type { Hex } from '../protocol/ids.ts'
import type { ChainView } from './chain-view.ts'
import type { CoordinatorConfig } from './config.ts'
import type { Ledger } from './ledger.ts'
import type { CoordinatorMetrics } from './metrics.ts'

export interface Modules {
  config: CoordinatorConfig
  chainId: number
  ledger: Ledger
  view: ChainView
  sender: Sender
  roster: Scanner
  log: Logger
  metrics: CoordinatorMetrics
  /** Tasks in a transaction right now: their state on chain is about to change, so nobody else draws conclusions from it. */
  busy: Set<Hex>
  /** When each prover last asked for work, milliseconds. */
  seen: Map<Hex, number>
  /** Which store each gateway speaks for, as it last said. */
  stores: Map<string, string>
  /** Told after a change: which loop has something to do now. */
  wake: { assign: () => void; settle: () => void; lease: (provers: Iterable<Hex>) => void }
  now: () => number
}

/** How often a proof may fail, as the ledger takes it. */
export function faultLimits(config: CoordinatorConfig, now: number): { limit: number; perProver: number; now: number } {
  return { limit: config.maxAttempts, perProver: config.attemptsPerProver, now }
}
