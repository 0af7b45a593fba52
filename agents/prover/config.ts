// SPDX-License-Identifier: GPL-3.0-or-later
/** Configuration of a prover. */
import { z } from 'zod'
import { chainField, httpField, keyField, logLevelField, urlField } from '../kit/fields.ts'

export const proverConfig = z.object({
  /** Leases and proofs that are not acknowledged yet; one folder per deployment is made inside. */
  dataFolder: z.string().min(1).default('.trellis/prover'),
  chain: chainField,
  /** Metrics and health only. */
  http: httpField(8085),
  /** Key that this prover is registered with on chain. */
  key: keyField,
  /** Coordinators that this prover works for. A proof goes to the one that leased its task, and to another when that one is away. */
  coordinatorUrls: z.array(urlField).min(1).max(16).default(['http://127.0.0.1:8084']),
  /** Proofs made at the same time. */
  concurrency: z.int().min(1).max(64).default(1),
  /** Tasks that wait here for a free place, so that no proof waits for a lease. */
  prefetch: z.int().min(0).max(64).default(1),
  /** Folder of the built circuits and keys. */
  artifactsFolder: z.string().min(1).default('build/circuits'),
  /** Times that a proof is tried here before the coordinator is told that it failed. */
  maxAttempts: z.int().min(1).max(10).default(2),
  logLevel: logLevelField,
})

export type ProverConfig = z.output<typeof proverConfig>
