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
  /** Gateway for terms and documents; for readings too with `transport: http`. */
  gatewayUrl: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:8083'),
  /** MQTT broker for readings. */
  mqttUrl: z.url({ protocol: /^mqtts?$/ }).default('mqtt://127.0.0.1:18830'),
  /** 4 is MQTT 3.1.1. */
  mqttVersion: z.union([z.literal(4), z.literal(5)]).default(4),
  /** The account at an outside broker. */
  mqttUsername: z.string().min(1).optional(),
  /** File with its password, mode 0600. */
  mqttPasswordFile: z.string().min(1).optional(),
  /** How readings are delivered. */
  transport: z.enum(['mqtt', 'http']).default('mqtt'),
  /** Terms that this device agrees to; others are refused. By default it takes those that the gateway tells. */
  termsId: hash.optional(),
  /** What is measured; the terms of the project name it. */
  channel: z.string().min(1).max(64).default('humidity'),
  /** `both`: every reading as it falls due and the window when it closes. `windows`: windows only, which carry their readings. */
  send: z.enum(['both', 'windows']).default('both'),
  /** Seconds without a reading after which the open window closes; 65535 is the most a window can hold. */
  maxGap: z.int().min(1).max(65_535).default(65_535),
  /** A mote of the TelosB dataset, rows as numbered there. */
  mote: z
    .strictObject({
      /** Which mote. */
      id: z.int().min(1).max(4),
      /** What it measured. */
      column: z.enum(DATASET_CHANNELS).default('humidity'),
      /** First row. */
      from: z.int().min(1).default(DATASET_DEFAULT_ROWS.from),
      /** Last row. */
      to: z.int().min(1).default(DATASET_DEFAULT_ROWS.to),
      /** Project seconds of row 1. */
      origin: z.int().nonnegative().default(DATASET_ORIGIN),
    })
    .optional(),
  /** Anybody's file. */
  csv: z
    .strictObject({
      /** The file, with a header line. */
      file: z.string().min(1),
      /** Column with the time: unix seconds or ISO 8601. */
      timeColumn: z.string().min(1),
      /** Column with the value. */
      valueColumn: z.string().min(1),
      /** Column that names the device, where the file has several. */
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
  /** Longest wait for an answer, milliseconds. */
  retryCapMs: z.int().min(50).default(30_000),
  /** Times that the same message may be refused for good before the device stops. Answers can be provoked by strangers, so one is not enough. */
  refusalLimit: z.int().min(1).default(6),
  /** Print what the project's owner needs to register this device, and end. */
  offer: z.boolean().default(false),
  /** With `offer`: the registration to sign. */
  registration: z
    .strictObject({
      /** Who will own the ioID. */
      owner: address,
      /** Collection of device NFTs of the project. */
      deviceContract: address,
      /** Id of the device NFT. */
      tokenId: id,
      /** Registrations of this device so far. */
      nonce: id.default(0n),
      /** Unix seconds. */
      deadline: id,
      /** False when no gateway runs yet: the URI then names where the document will be. */
      postDocument: z.boolean().default(true),
    })
    .optional(),
  /** With `offer`: the data key to bind; the ioID token id is known once the device is registered. */
  dataKey: z
    .strictObject({
      /** Token id of the ioID. */
      tokenId: id,
      /** First window that the key signs. */
      fromWindow: z.int().min(0).max(0xffff_ffff).default(0),
      /** Unix seconds. */
      deadline: id,
    })
    .optional(),
  /** What is logged. */
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
})

export type DeviceConfig = z.output<typeof deviceConfig>
