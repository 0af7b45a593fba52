// SPDX-License-Identifier: Apache-2.0
/** Configuration of a coordinator. */
import { z } from 'zod'
import { chainField, databaseUrlField, httpField, idField, keyField, logLevelField, urlField } from '../kit/fields.ts'

export const coordinatorConfig = z.object({
  /** State of this coordinator; one folder per deployment is made inside. Not used with `databaseUrl`. */
  dataFolder: z.string().min(1).default('.trellis/coordinator'),
  databaseUrl: databaseUrlField,
  chain: chainField,
  http: httpField(8084),
  /** Key that assigns and settles: an operator of the task manager and a coordinator of each project. */
  key: keyField,
  /** Gateways: data availability stores. Those that speak for the same store stand in for each other. */
  gatewayUrls: z.array(urlField).min(1).max(100).default(['http://127.0.0.1:8083']),
  /** Projects whose windows are worked on. */
  projects: z.array(idField).min(1),
  /** Who is credited the sequencer's fee; this coordinator's own address when not set. */
  sequencer: z
    .string()
    .regex(/^0x[0-9a-fA-F]{40}$/)
    .transform((text) => text as `0x${string}`)
    .optional(),
  /** Milliseconds between looks at the gateway when there is nothing new. */
  pullMs: z.int().min(50).default(300),
  /** Most windows that wait or are worked on; no more are pulled until some end. */
  maxOpen: z.int().min(1).max(100_000).default(2_000),
  /** Tasks in one assignment transaction. */
  assignBatch: z.int().min(1).max(10).default(10),
  /** Most open tasks given to one prover, below its capacity on chain. */
  perProver: z.int().min(1).max(64).default(8),
  /** Seconds that a prover has for a task; the project's terms may allow less. */
  taskSeconds: z.int().min(5).default(300),
  /** Seconds after which a lease that brought no result is offered to its prover again. */
  leaseSeconds: z.int().min(1).default(120),
  /** Longest wait of a lease request, milliseconds. */
  longPollMs: z.int().min(0).max(20_000).default(20_000),
  /** Proofs in one settlement transaction. */
  settleBatch: z.int().min(1).max(10).default(10),
  /** Milliseconds that a proof waits for others to share its transaction. */
  settleWaitMs: z.int().min(0).default(1_000),
  /** Failed proofs of one task, over all provers, before it is put aside. */
  maxAttempts: z.int().min(1).default(6),
  /** Failed proofs of one task by one prover before it goes to another, after its deadline. */
  attemptsPerProver: z.int().min(1).default(2),
  /** Check data signatures when windows are pulled, before a task costs gas. */
  checkDataSignatures: z.boolean().default(true),
  /** Seconds between two comparisons of all open tasks with the chain. */
  reconcileSeconds: z.int().min(1).default(15),
  logLevel: logLevelField,
})

export type CoordinatorConfig = z.output<typeof coordinatorConfig>
