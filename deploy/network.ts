// SPDX-License-Identifier: Apache-2.0
/** Network files of deploy/networks: their shape, all errors at once, and the test that says whether a network is local. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { PublicClient } from 'viem'
import { z } from 'zod'
import { isLoopback } from '../agents/kit/loopback.ts'
import { TrellisError } from '../agents/protocol/errors.ts'

const address = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, 'must be an address: 0x and 40 hex digits')
  .refine((value) => !/^0x0{40}$/.test(value), 'is the zero address: put the real one here')
const seconds = z.number().int().min(0)

/** Where the proving key of a circuit comes from on a network that is not local, and what its ceremony published. Relative paths start at the repository. */
const ceremonySchema = z.strictObject({
  /** Last zkey of the ceremony, after its beacon. */
  provingKey: z.string().min(1),
  /** keccak256 of that file; goes on chain, and provers compare theirs with it. */
  keyHash: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/, 'must be a keccak-256: 0x and 64 lower-case hex digits')
    .refine((value) => !/^0x0{64}$/.test(value), 'is zero: put the hash of the proving key here'),
  /** verification_key.json that was exported from it. */
  verificationKey: z.string().min(1),
  /** Powers of tau of a public ceremony, prepared for phase 2, and the SHA-256 that it published. */
  ptau: z.string().min(1),
  ptauSha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'must be a SHA-256: 64 lower-case hex digits')
    .refine((value) => !/^0{64}$/.test(value), 'is zero: put the hash that the powers of tau were published with here'),
})

export type Ceremony = z.infer<typeof ceremonySchema>

/** What may differ between networks. Amounts are decimal strings in the smallest unit (wei, token units). */
export const networkSchema = z
  .strictObject({
    $schema: z.string().optional(),
    name: z.string().min(1),
    kind: z.enum(['local', 'public']),
    chainId: z.number().int().positive(),
    /** JSON-RPC over HTTP. The environment variable TRELLIS_RPC wins, so that a URL with a secret stays out of git. */
    rpc: z.url({ protocol: /^https?$/ }),
    /** Blocks on top of a transaction before the next step starts. */
    confirmations: z.number().int().min(1).max(100),
    /** Projects may name a replay clock. Local networks only. */
    replayAllowed: z.boolean(),
    /** Holder of the administrator role of AccessManager after deployment; "deployer" keeps it with the deploying key. */
    administrator: z.union([z.literal('deployer'), address]),
    /** How long each call of the administrator waits before it can run: it can grant itself every role, the upgrade role too. */
    administratorDelaySeconds: seconds.max(365 * 86_400),
    /** Holder of the upgrade role, and how long each of its calls waits before it can run. */
    upgrader: z.union([z.literal('deployer'), address]),
    upgradeDelaySeconds: seconds.max(365 * 86_400),
    /** May cancel a scheduled upgrade, and nothing else. */
    guardian: address.optional(),
    /** ioID store: price of one ioID in wei, and who receives it. */
    ioIDPrice: z.string().regex(/^\d+$/, 'must be an amount in wei as a decimal string'),
    /** Steps of the price instead: from so many live devices on, wei for one ioID. The first step is at 0 devices. */
    ioIDPriceCurve: z
      .array(
        z.strictObject({
          devices: z.number().int().min(0),
          price: z.string().regex(/^\d+$/, 'must be an amount in wei as a decimal string'),
        }),
      )
      .min(1)
      .max(16)
      .refine(
        (steps) => steps.every(({ devices }, i) => (i === 0 ? devices === 0 : devices > steps[i - 1]!.devices)),
        'must start at 0 devices and ascend',
      )
      .optional(),
    /** Share of the fees that is burned, in units of 1/10,000. */
    burnShareBps: z.number().int().min(0).max(10_000).default(2_500),
    feeReceiver: z.union([z.literal('deployer'), address]),
    /** A prover whose last heartbeat is older is Offline. */
    heartbeatTtlSeconds: seconds.min(10).max(86_400),
    /** Accounts that may assign tasks for the projects that name them coordinator. */
    operators: z.array(address).max(32),
    /** Token that escrow is paid in: an address, or "test-token" to deploy the mintable one (local networks only). */
    token: z.union([z.literal('test-token'), address]),
    /** Proving keys by circuit (names of circuits/circuits.json). Local networks have none: theirs are the insecure keys of the repository. */
    ceremonies: z.record(z.string(), ceremonySchema).optional(),
  })
  .superRefine((network, context) => {
    const refuse = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
    if (network.kind === 'local') {
      if (network.ceremonies !== undefined)
        refuse('ceremonies', 'are for public networks: a local one uses the insecure keys of circuits/keys')
      return
    }
    if (network.ceremonies === undefined) refuse('ceremonies', 'must name the proving key of each circuit: local keys are insecure')
    if (network.replayAllowed) refuse('replayAllowed', 'must be false: replay clocks are for local networks')
    if (network.token === 'test-token') refuse('token', 'must be the address of a token: anybody can mint the test token')
    if (network.upgradeDelaySeconds < 86_400) refuse('upgradeDelaySeconds', 'must be at least 86400 (one day) on a public network')
    if (network.administratorDelaySeconds < network.upgradeDelaySeconds)
      refuse('administratorDelaySeconds', 'must be at least upgradeDelaySeconds: the administrator can grant itself the upgrade role')
    if (network.guardian !== undefined && network.guardian.toLowerCase() === network.upgrader.toLowerCase())
      refuse('guardian', 'must be another account than the upgrader, whose upgrades it cancels')
    if (network.administrator === 'deployer')
      refuse('administrator', 'must be the address of a multisignature or timelock on a public network')
    if (network.chainId === 31337) refuse('chainId', 'is the id of development chains')
  })

export type Network = z.infer<typeof networkSchema>

const folder = join(import.meta.dirname, 'networks')

/** Names that `--network` knows. */
export const networkNames = (): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => basename(name, '.json'))
    .sort()

/** Reads deploy/networks/<name>.json. @throws TrellisError NETWORK_NAME_INVALID, NETWORK_UNKNOWN, NETWORK_FILE_INVALID with every error of the file. */
export function readNetwork(name: string, overrides: { rpc?: string | undefined } = {}): Network {
  // The name becomes a path, and part of other paths: it never leaves the folder.
  if (!/^[a-z0-9-]+$/.test(name)) {
    throw new TrellisError({
      code: 'NETWORK_NAME_INVALID',
      message: `"${name.slice(0, 60)}" is no name of a network.`,
      details: { known: networkNames().join(', ') },
      next: 'names have the letters a to z, digits and hyphens: npx hardhat deploy --network localhost',
    })
  }
  const file = join(folder, `${name}.json`)
  if (!existsSync(file)) {
    throw new TrellisError({
      code: 'NETWORK_UNKNOWN',
      message: `There is no network file for "${name}".`,
      details: { known: networkNames().join(', ') },
      next: `write deploy/networks/${name}.json after the example deploy/networks/iotex-testnet.json`,
    })
  }
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new TrellisError({
      code: 'NETWORK_FILE_INVALID',
      message: `deploy/networks/${name}.json is not JSON.`,
      details: { reason: (cause as Error).message },
      next: 'mend the file',
    })
  }
  const rpc = overrides.rpc ?? process.env['TRELLIS_RPC']
  return parseNetwork({ ...(content as object), ...(rpc === undefined ? {} : { rpc }) }, `deploy/networks/${name}.json`)
}

/** Checks a network description; one error that lists every wrong field. */
export function parseNetwork(content: unknown, source: string): Network {
  const parsed = networkSchema.safeParse(content)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.map((issue) => [issue.path.join('.') || '(file)', issue.message] as const)
  const byField: Record<string, string> = {}
  for (const [field, message] of issues) byField[field] = byField[field] === undefined ? message : `${byField[field]}; ${message}`
  throw new TrellisError({
    code: 'NETWORK_FILE_INVALID',
    message: `${source} has ${issues.length} wrong field${issues.length === 1 ? '' : 's'}.`,
    details: byField,
    next: `mend ${source} and run again`,
  })
}

/**
 * "Local network" means all three: kind `local`, a loopback RPC, and a development chain behind it (chain id 31337 and a client
 * that is Hardhat or Anvil). Never a chain id alone.
 */
export async function isLocalNetwork(network: Network, client: PublicClient): Promise<boolean> {
  if (network.kind !== 'local' || network.chainId !== 31337 || !isLoopback(network.rpc)) return false
  const version = await client.request({ method: 'web3_clientVersion' })
  return (await client.getChainId()) === 31337 && /^(hardhat|anvil|edr)/i.test(version)
}
