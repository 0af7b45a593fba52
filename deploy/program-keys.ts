// SPDX-License-Identifier: Apache-2.0
/** Verification keys of this repository's circuits as the chain takes them, and the rule for which keys may go where (attack 28). */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { type Hex, keccak256, stringToHex } from 'viem'
import { z } from 'zod'
import { TrellisError } from '../agents/protocol/errors.ts'
import { encodeVerifierKey, type SnarkjsVerificationKey, verifierKeyId } from '../agents/protocol/verifier-key.ts'
import type { Ceremony, Network } from './network.ts'

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

export interface KeyPlaces {
  /** Folder of circuits.json and keys/. */
  circuits: string
  /** Folder of the compiled circuits. */
  built: string
  /** What relative paths of a network file start from. */
  base: string
}

const repository = join(import.meta.dirname, '..')
export const places: KeyPlaces = { circuits: join(repository, 'circuits'), built: join(repository, 'build', 'circuits'), base: repository }

const circuitsSchema = z.record(z.string(), z.object({ program: z.string(), publicSignals: z.array(z.string()) }))

const hash = z.string().regex(/^0x[0-9a-f]{64}$/)
const manifestSchema = z.record(z.string(), z.object({ insecure: z.literal(true), circuit: z.string(), keccak256: hash }))

/** What scripts/check-key.ts answers. */
const reportSchema = z.union([
  z.object({ keyHash: hash, verificationKey: z.looseObject({ nPublic: z.number() }) }),
  z.object({ error: z.object({ code: z.string(), message: z.string(), details: z.record(z.string(), z.unknown()) }) }),
])

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8')) as unknown

/**
 * The keys that go onto a network. A local one takes the insecure keys of circuits/keys. Any other takes keys of ceremonies that its file names, each
 * checked here against the circuit as built from these sources and against the powers of tau: at least three contributions, a beacon, the hash and
 * the verification key that the file promises. Takes some minutes for large circuits.
 * @throws TrellisError KEY_MISSING; KEY_NOT_FOR_PUBLIC with the reasons for every key that may not go there
 */
export async function programKeys({ ceremonies }: Pick<Network, 'ceremonies'>, local: boolean, where = places): Promise<ProgramKey[]> {
  const circuits = circuitsSchema.parse(readJson(join(where.circuits, 'circuits.json')))
  const manifest = manifestSchema.parse(readJson(join(where.circuits, 'keys', 'manifest.json')))
  const keys: ProgramKey[] = []
  const refused: Record<string, string> = {}
  for (const [id, { program, publicSignals }] of Object.entries(circuits)) {
    const entry = manifest[id]
    if (entry === undefined) {
      throw new TrellisError({
        code: 'KEY_MISSING',
        message: `circuits/keys/manifest.json has no key for ${id}.`,
        next: 'npm run build -- --circuits',
      })
    }
    const key = (verification: unknown, keyHash: string): ProgramKey => {
      const bytes = encodeVerifierKey(verification as SnarkjsVerificationKey)
      return {
        name: program,
        programId: keccak256(stringToHex(program)),
        bytes,
        keyId: verifierKeyId(bytes),
        keyHash: keyHash as Hex,
        signals: publicSignals.length,
        insecure: local,
      }
    }
    const ceremony = ceremonies?.[id]
    if (local) {
      keys.push(key(readJson(join(where.circuits, 'keys', `${id}.vk.json`)), entry.keccak256))
    } else if (ceremony === undefined) {
      refused[id] =
        `the network file names no ceremony for it, and the key of this repository is insecure: anybody can forge proofs under it`
    } else {
      const reasons: string[] = []
      const report = await checked(join(where.built, id, `${id}.r1cs`), entry.circuit, ceremony, where.base, reasons)
      if (report !== undefined && reasons.length === 0) {
        const proven = key(report.verificationKey, report.keyHash)
        if (report.verificationKey.nPublic === publicSignals.length) keys.push(proven)
        else reasons.push(`its key takes ${report.verificationKey.nPublic} public signals, the circuit has ${publicSignals.length}`)
      }
      if (reasons.length > 0) refused[id] = reasons.join('; ')
    }
  }
  if (Object.keys(refused).length > 0) {
    throw new TrellisError({
      code: 'KEY_NOT_FOR_PUBLIC',
      message: 'There are circuits without a proving key that may be used on a public network.',
      details: refused,
      next: 'hold a ceremony for these circuits (three contributions, then a beacon) and name its files in `ceremonies` of the network file',
    })
  }
  return keys
}

/** Puts a ceremony's key through scripts/check-key.ts, in a process of its own: what checks keys is GPL and not linked here. */
async function checked(r1cs: string, circuit: string, ceremony: Ceremony, base: string, reasons: string[]) {
  const at = (path: string): string => (isAbsolute(path) ? path : join(base, path))
  const [provingKey, verificationKey, ptau] = [at(ceremony.provingKey), at(ceremony.verificationKey), at(ceremony.ptau)]
  const missing = [r1cs, provingKey, verificationKey, ptau].filter((path) => !existsSync(path))
  if (missing.length > 0) {
    reasons.push(`missing: ${missing.join(', ')}`)
    return undefined
  }
  // The key is checked against this circuit, so it must be the one that the sources build to.
  if (createHash('sha256').update(readFileSync(r1cs)).digest('hex') !== circuit) {
    reasons.push('the built circuit is not the one of circuits/keys/manifest.json: npm run build -- --circuits')
    return undefined
  }
  const script = join(repository, 'scripts', 'check-key.ts')
  const args = ['--json', '--r1cs', r1cs, '--key', provingKey, '--ptau', ptau, '--ptau-sha256', ceremony.ptauSha256]
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [script, ...args], { maxBuffer: 64 << 20 }, (_, stdout, stderr) => resolve(stdout === '' ? stderr : stdout))
  })
  const report = parseReport(output)
  if (report === undefined) reasons.push(`its check gave no answer: ${output.trim().slice(-500)}`)
  else if ('error' in report) {
    const why = report.error.details['reasons']
    reasons.push(...(Array.isArray(why) ? why.map(String) : [`${report.error.code}: ${report.error.message}`]))
  } else {
    if (report.keyHash !== ceremony.keyHash) reasons.push(`its file hashes to ${report.keyHash}, the network file says ${ceremony.keyHash}`)
    if (!isDeepStrictEqual(report.verificationKey, readJson(verificationKey)))
      reasons.push(`${ceremony.verificationKey} is not the verification key of the proving key`)
    return report
  }
  return undefined
}

function parseReport(output: string): z.output<typeof reportSchema> | undefined {
  try {
    return reportSchema.parse(JSON.parse(output.trim().split('\n').at(-1) ?? ''))
  } catch {
    return undefined
  }
}
