// SPDX-License-Identifier: Apache-2.0
/** Configuration fields that more than one service has, with their defaults. */
import { z } from 'zod'

/** An Ethereum address; lower-cased. */
export const addressField = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'an address (0x and 40 hex digits) was expected')
  .transform((text) => text.toLowerCase() as `0x${string}`)

/** A uint64 as a decimal string (a number is taken too), given out as bigint. */
export const idField = z
  .union([z.string().regex(/^[0-9]{1,20}$/, 'a decimal id was expected'), z.int().nonnegative()])
  .transform((value) => BigInt(value))

export const urlField = z.url({ protocol: /^https?$/, error: 'an http or https URL was expected' })

/** A PostgreSQL database that several processes of a service share. Holds a password: it is never shown. `DATABASE_URL` in the environment sets it, too. */
export const databaseUrlField = z
  .string()
  .refine((text) => /^postgres(ql)?:\/\/[^\s]+$/.test(text) && URL.canParse(text), 'a postgres:// URL was expected')
  .optional()

/** How a service treats its chain. One per chain, the same for all services. */
export const chainPolicyFields = {
  /** Blocks on top of one before what it holds counts; 0 takes the newest block. */
  confirmations: z.int().min(0).max(1_000).default(0),
  /** Milliseconds between looks at the chain. */
  pollMs: z.int().min(20).max(60_000).default(500),
  /** Deepest reorganisation that is undone by itself, in blocks. */
  reorgDepth: z.int().min(1).max(10_000).default(64),
}

/** The chain of a service: RPC, the addresses file of its deployment, the policy. */
export const chainField = z
  .strictObject({
    /** RPC endpoint of the chain. */
    rpcUrl: urlField.default('http://127.0.0.1:8545'),
    /** Further endpoints of the same chain: asked when one does not answer; what they say of the agent's own transactions must agree. */
    otherRpcUrls: z.array(urlField).max(8).default([]),
    /** Milliseconds that one RPC call may take. */
    timeoutMs: z.int().min(100).max(60_000).default(10_000),
    /** Most wei per gas that the agent's transactions offer. */
    maxFeePerGas: idField.default(10_000_000_000_000n),
    /** Addresses file of the deployment: {chainId, genesisHash, kind, contracts}. */
    addressesFile: z.string().min(1).default('.trellis/addresses/31337.json'),
    ...chainPolicyFields,
  })
  .prefault({})

/** The HTTP door of a service. */
export function httpField(port: number) {
  return z
    .strictObject({
      /** Where the service listens. */
      hostname: z.string().min(1).default('127.0.0.1'),
      /** 0 takes a free port. */
      port: z.int().min(0).max(65_535).default(port),
      /** Further Host header values that are answered, with port, for a service behind a proxy. */
      allowedHosts: z.array(z.string().min(1)).default([]),
      /** Origins of web pages that may ask, such as `https://portal.example`; pages of other origins are refused. */
      allowedOrigins: z.array(z.string().min(1)).default([]),
      /** Connections at once; more are cut. */
      maxConnections: z.int().min(1).max(100_000).default(2_048),
      /** Connections from one address; a proxy in front of the service is one address. */
      maxPerAddress: z.int().min(1).max(100_000).default(1_024),
    })
    .prefault({})
}

/** A signing key: a key file (see kit/keys.ts for what one is) or a key in a remote signer. */
export const keyField = z
  .strictObject({
    /** Keystore (`trellis keys new`); on local networks also a file with 64 hex digits. Mode 0600. */
    keyFile: z.string().min(1).optional(),
    /** File with the keystore's password, mode 0600. */
    passwordFile: z.string().min(1).optional(),
    /** A key that stays elsewhere, instead of keyFile. */
    remoteSigner: z
      .strictObject({
        /** Web3Signer's HTTP API. */
        url: urlField,
        /** Address of the key. */
        address: addressField,
        /** File with a bearer token, mode 0600. */
        tokenFile: z.string().min(1).optional(),
      })
      .optional(),
  })
  .refine(
    ({ keyFile, remoteSigner }) => (keyFile === undefined) !== (remoteSigner === undefined),
    'one of keyFile and remoteSigner is needed',
  )
  .refine(({ passwordFile, remoteSigner }) => passwordFile === undefined || remoteSigner === undefined, 'passwordFile is of a keyFile')

/** What is logged. */
export const logLevelField = z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info')
