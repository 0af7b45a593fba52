// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * Which Groth16 proving keys may serve a network that is not local (attack 28): only one that verifiably comes out of a ceremony for this circuit,
 * with at least three contributions and a final beacon. The insecure local keys, and every key fresh from `groth16 setup`, are refused.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import * as snarkjs from 'snarkjs'
import { keccak256 } from 'viem'
import { TrellisError } from '../../protocol/errors.ts'

/** Contributions of people, the beacon not counted. */
export const LEAST_CONTRIBUTIONS = 3

export interface CeremonyFiles {
  /** The circuit as compiled here, from sources that were read. */
  readonly r1cs: string
  readonly provingKey: string
  /** Powers of tau of a public ceremony, prepared for phase 2. */
  readonly ptau: string
  /** SHA-256 of that file as its ceremony published it, 64 hexadecimal digits. */
  readonly ptauSha256: string
}

export interface KeyReport {
  readonly contributions: number
  /** The beacon's bytes. */
  readonly beacon: string
  /** keccak256 of the proving key's file, as the program registry keeps it. */
  readonly keyHash: `0x${string}`
  /** Exported from the checked key: what goes on chain must be this one. */
  readonly verificationKey: snarkjs.VerificationKey
}

/** What a zkey file says of its ceremony. `delta` and `gamma` are G2 points as stored. */
interface Ceremony {
  readonly gamma: string
  readonly delta: string
  readonly contributions: readonly { readonly type: number; readonly beacon: string }[]
}

/**
 * Checks a key; takes some minutes for a large circuit.
 * @throws TrellisError KEY_REFUSED with all reasons that were found
 */
export async function checkProvingKey({ r1cs, provingKey, ptau, ptauSha256 }: CeremonyFiles): Promise<KeyReport> {
  const reasons: string[] = []
  const digest = await sha256(ptau)
  if (digest !== ptauSha256.toLowerCase()) reasons.push(`the powers of tau hash to ${digest}, not ${ptauSha256}`)

  let ceremony: Ceremony = { gamma: '', delta: '', contributions: [] }
  try {
    ceremony = readCeremony(await readFile(provingKey))
  } catch (error) {
    reasons.push(`it is not a Groth16 proving key (${(error as Error).message})`)
  }
  if (ceremony.gamma === ceremony.delta) reasons.push('delta equals gamma: anybody can forge')
  const people = ceremony.contributions.filter(({ type }) => type !== 1).length
  if (people < LEAST_CONTRIBUTIONS)
    reasons.push(`it has ${people} contributions and a beacon counts for none; ${LEAST_CONTRIBUTIONS} are needed`)
  const last = ceremony.contributions.at(-1)
  if (last?.type !== 1) reasons.push('its last contribution is not a beacon')

  // The costly part last, and only for keys that could pass: it rebuilds the key's start from circuit and powers and follows every contribution.
  if (reasons.length === 0) {
    const fits = await snarkjs.zKey.verifyFromR1cs(await readFile(r1cs), ptau, await readFile(provingKey)).catch(() => false)
    if (!fits) reasons.push('it does not verify against the circuit and the powers of tau')
  }
  if (reasons.length > 0) {
    throw new TrellisError({
      code: 'KEY_REFUSED',
      message: 'This proving key must not be used on a network that is not local.',
      details: { key: provingKey, reasons },
      next: 'take part in a ceremony for this circuit: snarkjs zkey contribute (three people at least), then snarkjs zkey beacon',
    })
  }
  const bytes = await readFile(provingKey)
  const verificationKey = await snarkjs.zKey.exportVerificationKey(bytes)
  return { contributions: people, beacon: last?.beacon ?? '', keyHash: keccak256(bytes), verificationKey }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** Reads header and contributions of snarkjs' zkey format, version 1. Throws RangeError for anything else. */
export function readCeremony(file: Uint8Array): Ceremony {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (Buffer.from(file.subarray(0, 4)).toString() !== 'zkey') throw new RangeError('another magic')
  const sections = new Map<number, number>()
  let at = 12
  for (let i = 0; i < view.getUint32(8, true); i++) {
    const type = view.getUint32(at, true)
    // A reader that takes another of two sections than snarkjs does would check another key.
    if (sections.has(type)) throw new RangeError(`section ${type} is there twice`)
    sections.set(type, at + 12)
    at += 12 + Number(view.getBigUint64(at + 4, true))
  }
  const start = (type: number): number => {
    const found = sections.get(type)
    if (found === undefined) throw new RangeError(`no section ${type}`)
    return found
  }
  const hex = (from: number, length: number): string => Buffer.from(file.subarray(from, from + length)).toString('hex')
  if (view.getUint32(start(1), true) !== 1) throw new RangeError('another protocol')
  // Two moduli with their lengths, three numbers, then alpha1, beta1 (64 bytes each), beta2, gamma2 (128), delta1 (64), delta2 (128).
  const points = start(2) + 36 + 36 + 12
  const [gamma, delta] = [hex(points + 256, 128), hex(points + 448, 128)]

  // Circuit hash, count, then for each: delta (64), two G1 and a G2 of its key (256), transcript (64), type, length of parameters, parameters.
  at = start(10) + 64
  const contributions = Array.from({ length: view.getUint32(at, true) }, (_, i) => {
    if (i === 0) at += 4
    const type = view.getUint32(at + 384, true)
    const length = view.getUint32(at + 388, true)
    const parameters = file.subarray(at + 392, at + 392 + length)
    at += 392 + length
    return { type, beacon: type === 1 ? beaconOf(parameters) : '' }
  })
  return { gamma, delta, contributions }
}

/** Parameter 3 is the beacon: one byte of length, then its bytes. 1 is a name, 2 the exponent of iterations. */
function beaconOf(parameters: Uint8Array): string {
  let at = 0
  while (at < parameters.length) {
    const kind = parameters[at]
    if (kind === 2) at += 2
    else if (kind === 1 || kind === 3) {
      const bytes = parameters.subarray(at + 2, at + 2 + parameters[at + 1]!)
      if (kind === 3) return Buffer.from(bytes).toString('hex')
      at += 2 + bytes.length
    } else break
  }
  return ''
}
