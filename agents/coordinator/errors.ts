// SPDX-License-Identifier: Apache-2.0
/** Errors of the coordinator, and the reasons that it keeps with a task. */
import { TrellisError } from '../kit/errors.ts'

/** Why a task is dead, waits, or was proved again. Stable: they are stored and counted. */
export type Reason =
  /** The store's window does not hash to its root, or breaks a rule of the protocol. */
  | 'BAD_WINDOW'
  /** The data signature is not by the data key of the window. */
  | 'BAD_DATA_SIGNATURE'
  /** Another root of this window was settled. */
  | 'WINDOW_TAKEN'
  /** More failed proofs than allowed. */
  | 'TOO_MANY_ATTEMPTS'
  /** The deadline passed without a proof. */
  | 'EXPIRED'

/** The gateway did not answer, or answered what is not its API. */
export function gatewayFailed(url: string, cause: unknown): TrellisError {
  return new TrellisError({
    code: 'GATEWAY_UNREACHABLE',
    message: 'The data availability store did not answer as it should.',
    details: { url, reason: cause instanceof Error ? cause.message : String(cause) },
    next: 'check that the gateway runs and that gatewayUrls names it',
    retryable: true,
    cause,
  })
}

/** The prover that signed is not registered on chain. */
export function proverUnknown(prover: string): TrellisError {
  return new TrellisError({
    code: 'FORBIDDEN',
    message: 'This prover is not registered on chain.',
    details: { prover },
    next: 'register it with its ioID in the ProverStore first',
  })
}

/** The key may not assign: the chain does not know it, or not any more. Tried again, for the chain may be about to learn of it. */
export function notAuthorised(coordinator: string, project: bigint | null): TrellisError {
  const by = project === null ? 'the administrator calls TaskManager.addOperator' : 'the project’s owner calls ProjectStore.setCoordinator'
  return new TrellisError({
    code: 'KEY_NOT_AUTHORISED',
    message: project === null ? 'This key is no operator of the task manager.' : 'This key is no coordinator of the project.',
    details: { coordinator, ...(project === null ? {} : { project }) },
    next: `${by} with this address; or give the coordinator the key that is allowed and send SIGHUP`,
    retryable: true,
  })
}
