// SPDX-License-Identifier: Apache-2.0
/** Configuration of the gateway. */
import { z } from 'zod'
import { chainField, databaseUrlField, httpField, logLevelField } from '../kit/fields.ts'
import { WINDOW_CAPACITY } from '../protocol/window.ts'

/** A window of 64 readings must fit into a burst. */
const rateField = ({ perSecond, burst }: { perSecond: number; burst: number }) =>
  z
    .strictObject({
      /** Readings a second, in the long run. */
      perSecond: z.number().positive().max(10_000_000).default(perSecond),
      /** Readings at once. */
      burst: z.int().min(WINDOW_CAPACITY).max(100_000_000).default(burst),
    })
    .prefault({})

export const gatewayConfig = z.object({
  chain: chainField,
  http: httpField(8083),
  /** The MQTT broker in the process. */
  mqtt: z
    .strictObject({
      /** Where the broker in the process listens. */
      hostname: z.string().min(1).default('127.0.0.1'),
      /** 0 takes a free port. */
      port: z.int().min(0).max(65_535).default(18_830),
      /** Connections at once. */
      maxConnections: z.int().min(1).max(100_000).default(4_096),
      /** Connections from one address; many devices may come from behind one. */
      maxPerAddress: z.int().min(1).max(100_000).default(1_024),
      /** Milliseconds that a connection has to say CONNECT. */
      connectMs: z.int().min(100).max(60_000).default(10_000),
    })
    .prefault({}),
  /** An outside broker instead of the one in the process: gateways of one group share its devices' messages, and need one store (databaseUrl). */
  broker: z
    .strictObject({
      /** mqtt:// or mqtts://. */
      url: z.url({ protocol: /^mqtts?$/ }).refine((text) => !text.includes('@'), 'the account belongs in username and passwordFile'),
      /** The gateway's account at the broker. */
      username: z.string().min(1).optional(),
      /** File with its password, mode 0600. */
      passwordFile: z.string().min(1).optional(),
      /** Gateways of one group share the messages. */
      group: z
        .string()
        .regex(/^[A-Za-z0-9_-]{1,64}$/, 'letters, digits, _ and - were expected')
        .default('trellis'),
    })
    .optional(),
  /** A PostgreSQL database that several gateways share, instead of a store in `dataFolder`. */
  databaseUrl: databaseUrlField,
  /** Folder of the store; one ledger per chain and deployment lies under it. */
  dataFolder: z.string().min(1).default('.trellis/gateway'),
  /** Base of document URIs as the outside sees this gateway; by default where it listens. */
  publicUrl: z.url().optional(),
  /** Messages judged at once; more are answered OVERLOADED. */
  maxWaiting: z.int().min(1).max(30_000).default(8_192),
  /** Readings that one device, and one project, may deliver; more are answered RATE_LIMITED. */
  limits: z
    .strictObject({
      device: rateField({ perSecond: 10_000, burst: 40_000 }),
      project: rateField({ perSecond: 100_000, burst: 400_000 }),
    })
    .prefault({}),
  /** Windows of a project that no coordinator has pulled; beyond, its devices are answered OVERLOADED and keep their readings. */
  maxBacklog: z.int().min(1).max(10_000_000).default(100_000),
  /** Refusals kept to be looked at; older ones stay in the counts. */
  refusalsKept: z.int().min(1).max(10_000_000).default(100_000),
  /** DID documents kept; more are refused. */
  documentsKept: z.int().min(1).max(10_000_000).default(100_000),
  logLevel: logLevelField,
})

export type GatewayConfig = z.output<typeof gatewayConfig>
