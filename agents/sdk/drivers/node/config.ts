// SPDX-License-Identifier: Apache-2.0
/** Configuration of a device process. */
import { z } from 'zod'
import { DATASET_CHANNELS, DATASET_DEFAULT_ROWS, DATASET_ORIGIN } from './dataset.ts'

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'an address (0x and 40 hex digits) was expected')
  .transform((text) => text.toLowerCase() as `0x${string}`)
const id = z
  .union([z.string().regex(/^[0-9]{1,78}$/, 'a decimal id was expected'), z.int().nonnegative()])
  .transform((value) => BigInt(value))
const hash = z
  .string()
  .regex(/^0x[0-9a-f]{64}$/, '0x and 64 lower-case hex digits were expected')
  .transform((text) => text as `0x${string}`)

export const deviceConfig = z.object({
  /** Token id of the ioID Project NFT. */
  project: id,
  /** Secrets, made at the first start, mode 0600. */
  keysFile: z.string().min(1),
  /** Sequence, windows and unacknowledged messages. */
  storeFile: z.string().min(1),
  /** Identifier, where the identity key was rotated and is not the device's first one. */
  device: address.optional(),
  /** Addresses file of the deployment: signatures are bound to its chain and contracts. */
  addressesFile: z.string().min(1).default('.trellis/addresses/31337.json'),
  gatewayUrl: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:8083'),
  mqttUrl: z.url({ protocol: /^mqtts?$/ }).default('mqtt://127.0.0.1:18830'),
  /** 4 is MQTT 3.1.1. */
  mqttVersion: z.union([z.literal(4), z.literal(5)]).default(4),
  /** The account at an outside broker. */
  mqttUsername: z.string().min(1).optional(),
  mqttPasswordFile: z.string().min(1).optional(),
  transport: z.enum(['mqtt', 'http']).default('mqtt'),
  /** Terms that this device agrees to; others are refused. By default it takes those that the gateway tells. */
  termsId: hash.optional(),
  channel: z.string().min(1).max(64).default('humidity'),
  /** `both`: every reading as it falls due and the window when it closes. `windows`: windows only, which carry their readings. */
  send: z.enum(['both', 'windows']).default('both'),
  /** Seconds without a reading after which the open window closes; 65535 is the most a window can hold. */
  maxGap: z.int().min(1).max(65_535).default(65_535),
  /** A mote of the TelosB dataset, rows as numbered there. */
  mote: z
    .strictObject({
      id: z.int().min(1).max(4),
      column: z.enum(DATASET_CHANNELS).default('humidity'),
      from: z.int().min(1).default(DATASET_DEFAULT_ROWS.from),
      to: z.int().min(1).default(DATASET_DEFAULT_ROWS.to),
      /** Project seconds of row 1. */
      origin: z.int().nonnegative().default(DATASET_ORIGIN),
    })
    .optional(),
  /** Anybody's file. */
  csv: z
    .strictObject({
      file: z.string().min(1),
      timeColumn: z.string().min(1),
      valueColumn: z.string().min(1),
      deviceColumn: z.string().min(1).optional(),
      /** The value of `deviceColumn` that means this device. */
      device: z.string().optional(),
    })
    .optional(),
  /** Messages that may wait for an acknowledgement before the source pauses. */
  outboxLimit: z.int().min(64).max(1_000_000).default(4_096),
  /** Messages of a kind that may be under way at once. */
  pipeline: z.int().min(1).max(1_024).default(64),
  /** First wait for an answer, milliseconds; doubles up to `retryCapMs`. */
  retryMs: z.int().min(50).default(2_000),
  retryCapMs: z.int().min(50).default(30_000),
  /** Times that the same message may be refused for good before the device stops. Answers can be provoked by strangers, so one is not enough. */
  refusalLimit: z.int().min(1).default(6),
  /** Print what the project's owner needs to register this device, and end. */
  offer: z.boolean().default(false),
  /** With `offer`: the registration to sign. */
  registration: z
    .strictObject({
      owner: address,
      deviceContract: address,
      /** Id of the device NFT. */
      tokenId: id,
      nonce: id.default(0n),
      /** Unix seconds. */
      deadline: id,
      /** False when no gateway runs yet: the URI then names where the document will be. */
      postDocument: z.boolean().default(true),
    })
    .optional(),
  /** With `offer`: the data key to bind; the ioID token id is known once the device is registered. */
  dataKey: z.strictObject({ tokenId: id, fromWindow: z.int().min(0).max(0xffff_ffff).default(0), deadline: id }).optional(),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

export type DeviceConfig = z.output<typeof deviceConfig>
