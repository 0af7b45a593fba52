// SPDX-License-Identifier: GPL-3.0-or-later
/** What every way of proving offers: circom today; TEE, SMPC and others behind the same type. */
import type { Hex } from '../protocol/ids.ts'
import type { WindowClaim } from './circom/input.ts'

/** A Groth16 proof as the chain takes it. */
export interface WindowProof {
  /** A.x, A.y, B.x imaginary, B.x real, B.y imaginary, B.y real, C.x, C.y. */
  readonly proof: readonly bigint[]
  /** context, readings root, statistics, key commitment. */
  readonly publicSignals: readonly bigint[]
}

export interface ProverBackend {
  /** Programs that it can prove. */
  readonly programs: readonly Hex[]
  /** @throws TrellisError when the claim has no proof, or `signal` aborted */
  prove(claim: WindowClaim, signal?: AbortSignal): Promise<WindowProof>
  close(): Promise<void>
}
