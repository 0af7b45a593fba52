// SPDX-License-Identifier: GPL-3.0-or-later
/** A backend's proof as it goes to the coordinator, after its signals were compared with what was claimed. */
import { TrellisError } from '../kit/errors.ts'
import type { WindowProof } from './backend.ts'
import { windowSignals, type WindowClaim } from './circom/input.ts'

/** @throws TrellisError PROOF_OF_OTHER when the backend proved something else than the claim */
export function provenSignals(claim: WindowClaim, { proof, publicSignals }: WindowProof): { proof: string[]; publicSignals: string[] } {
  const want = windowSignals(claim)
  const expected = [want.context, want.readingsRoot, want.statistics, want.keyCommitment]
  const wrong = expected.findIndex((signal, i) => signal !== publicSignals[i])
  if (wrong >= 0 || publicSignals.length !== 4 || proof.length !== 8) {
    throw new TrellisError({
      code: 'PROOF_OF_OTHER',
      message: 'The backend proved something else than the claim.',
      details: { signal: wrong },
    })
  }
  return { proof: proof.map(String), publicSignals: publicSignals.map(String) }
}
