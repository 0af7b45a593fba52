// SPDX-License-Identifier: Apache-2.0
/** Configuration of the gateway. */
import { z } from 'zod'
import { chainField, httpField, logLevelField } from '../kit/fields.ts'

export const gatewayConfig = z.object({
  chain: chainField,
  http: httpField(8083),
  mqtt: z
    .strictObject({
      hostname: z.string().min(1).default('127.0.0.1'),
      /** 0 takes a free port. */
      port: z.int().min(0).max(65_535).default(18_830),
      maxConnections: z.int().min(1).max(100_000).default(4_096),
    })
    .prefault({}),
  /** Folder of the store; one ledger per chain and deployment lies under it. */
  dataFolder: z.string().min(1).default('.trellis/gateway'),
  /** Base of document URIs as the outside sees this gateway; by default where it listens. */
  publicUrl: z.url().optional(),
  /** Messages judged at once; more are answered OVERLOADED. */
  maxWaiting: z.int().min(1).max(30_000).default(8_192),
  /** Refusals kept to be looked at; older ones stay in the counts. */
  refusalsKept: z.int().min(1).max(10_000_000).default(100_000),
  documentsKept: z.int().min(1).max(10_000_000).default(100_000),
  logLevel: logLevelField,
})

export type GatewayConfig = z.output<typeof gatewayConfig>
