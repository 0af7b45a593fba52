// SPDX-License-Identifier: GPL-3.0-or-later
/** Which backend a configuration asks for. */
import { keccak256, toBytes } from 'viem'
import type { ProverBackend } from './backend.ts'
import { createCircomBackend } from './circom/backend.ts'
import { windowInput } from './circom/input.ts'
import type { ProverConfig } from './config.ts'

/** The one program that takes a `WindowClaim`. */
const WINDOW_PROGRAM = keccak256(toBytes('sensing/window/1'))

/** @throws TrellisError CIRCUITS_MISSING when the circuits are not built */
export async function openBackend({ artifactsFolder }: Pick<ProverConfig, 'artifactsFolder'>): Promise<ProverBackend> {
  const circom = createCircomBackend({ artifactsFolder })
  return {
    programs: [...circom.programs],
    async prove(claim, signal) {
      const { proof, publicSignals } = await circom.prove(WINDOW_PROGRAM, windowInput(claim), signal)
      return { proof: proof.map(BigInt), publicSignals: publicSignals.map(BigInt) }
    },
    close: () => circom.close(),
  }
}
