// SPDX-License-Identifier: GPL-3.0-or-later
/** Which backend a configuration asks for. */
import { keccak256, toBytes } from 'viem'
import type { ProverBackend } from './backend.ts'
import { createCircomBackend } from './circom/backend.ts'
import { windowInput } from './circom/input.ts'
import type { ProverConfig } from './config.ts'

/** What a claim is proved by that names no program. Every program takes the inputs of SensingWindow(64) and has its public signals. */
const WINDOW_PROGRAM = keccak256(toBytes('sensing/window/1'))

/**
 * A process per proof that may be made at once, each in one thread; they load their keys while the rest of the service starts.
 * @throws TrellisError CIRCUITS_MISSING when the circuits are not built
 */
export async function openBackend({
  artifactsFolder,
  concurrency = 1,
}: Pick<ProverConfig, 'artifactsFolder'> & Partial<Pick<ProverConfig, 'concurrency'>>): Promise<ProverBackend> {
  const pool = Array.from({ length: concurrency }, () => ({ circom: createCircomBackend({ artifactsFolder }), busy: 0 }))
  for (const { circom } of pool) circom.warm()
  return {
    programs: [...pool[0]!.circom.programs],
    async prove(claim, signal) {
      const place = pool.reduce((best, each) => (each.busy < best.busy ? each : best))
      place.busy += 1
      try {
        const { proof, publicSignals } = await place.circom.prove(claim.programId ?? WINDOW_PROGRAM, windowInput(claim), signal)
        return { proof: proof.map(BigInt), publicSignals: publicSignals.map(BigInt) }
      } finally {
        place.busy -= 1
      }
    },
    async close() {
      await Promise.all(pool.map(({ circom }) => circom.close()))
    },
  }
}
