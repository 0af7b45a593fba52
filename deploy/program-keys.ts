// SPDX-License-Identifier: Apache-2.0
/** Verification keys of this repository's circuits as the chain takes them, and the rule for which keys may go where (attack 28). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Hex, keccak256, stringToHex } from 'viem'
import { z } from 'zod'
import { TrellisError } from '../agents/protocol/errors.ts'
import { encodeVerifierKey, type SnarkjsVerificationKey, verifierKeyId } from '../agents/protocol/verifier-key.ts'

export interface ProgramKey {
  /** `sensing/window/1`. */
  name: string
  /** keccak256 of the name. */
  programId: Hex
  /** Key as `Groth16Verifier.registerKey` takes it, and its id there. */
  bytes: Hex
  keyId: Hex
  /** keccak256 of the proving key's file, which provers compare with theirs. */
  keyHash: Hex
  signals: number
  /** Made from the published local seed: anybody can forge with it. */
  insecure: boolean
}

const circuitsSchema = z.record(z.string(), z.object({ program: z.string(), publicSignals: z.array(z.string()) }))

const manifestSchema = z.record(
  z.string(),
  z.object({
    insecure: z.boolean(),
    keccak256: z.string().regex(/^0x[0-9a-f]{64}$/),
    /** Phase 2 of a key for public networks. */
    contributions: z.number().int().optional(),
    beacon: z.string().optional(),
  }),
)

/** Least number of phase 2 contributions of a key for a public network; the beacon comes on top. */
const LEAST_CONTRIBUTIONS = 3

const read = (folder: string, ...path: string[]): unknown => JSON.parse(readFileSync(join(folder, ...path), 'utf8')) as unknown

/**
 * The keys of circuits/keys. Off local networks each must have come from a ceremony: not insecure, at least three contributions, a beacon.
 * (delta ≠ gamma is checked by the encoder and again by the verifier contract.)
 * @throws TrellisError KEY_NOT_FOR_PUBLIC with every key that may not go there
 */
export function programKeys(local: boolean, folder = join(import.meta.dirname, '..', 'circuits')): ProgramKey[] {
  const circuits = circuitsSchema.parse(read(folder, 'circuits.json'))
  const manifest = manifestSchema.parse(read(folder, 'keys', 'manifest.json'))
  const refused: Record<string, string> = {}
  const keys = Object.entries(circuits).map(([id, { program, publicSignals }]): ProgramKey => {
    const entry = manifest[id]
    if (entry === undefined) {
      throw new TrellisError({
        code: 'KEY_MISSING',
        message: `circuits/keys/manifest.json has no key for ${id}.`,
        next: 'npm run build -- --circuits',
      })
    }
    const { insecure, contributions = 0, beacon } = entry
    if (!local && insecure) refused[id] = 'made from the published local seed: anybody can forge proofs under it'
    else if (!local && contributions < LEAST_CONTRIBUTIONS)
      refused[id] = `${contributions} contributions, at least ${LEAST_CONTRIBUTIONS} are needed`
    else if (!local && beacon === undefined) refused[id] = 'no beacon closed its ceremony'
    const bytes = encodeVerifierKey(read(folder, 'keys', `${id}.vk.json`) as SnarkjsVerificationKey)
    return {
      name: program,
      programId: keccak256(stringToHex(program)),
      bytes,
      keyId: verifierKeyId(bytes),
      keyHash: entry.keccak256 as Hex,
      signals: publicSignals.length,
      insecure,
    }
  })
  if (Object.keys(refused).length > 0) {
    throw new TrellisError({
      code: 'KEY_NOT_FOR_PUBLIC',
      message: 'Proving keys of this checkout may not be used on a public network.',
      details: refused,
      next: 'run a ceremony with at least three contributions and a beacon, and put its key and manifest into circuits/keys',
    })
  }
  return keys
}
