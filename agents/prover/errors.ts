// SPDX-License-Identifier: GPL-3.0-or-later
/** Errors of the prover. */
import { TrellisError } from '../kit/errors.ts'

/** The coordinator did not answer, or answered what is not its API. */
export function coordinatorFailed(url: string, cause: unknown): TrellisError {
  return new TrellisError({
    code: 'COORDINATOR_UNREACHABLE',
    message: 'The coordinator did not answer as it should.',
    details: { url, reason: cause instanceof Error ? cause.message : String(cause) },
    next: 'check that it runs and that coordinatorUrls names it; proofs made so far are kept',
    retryable: true,
    cause,
  })
}

/** A lease is not what the chain says: it must not be proved. `details.why` names the difference. */
export function taskRefused(taskId: string, why: string): TrellisError {
  return new TrellisError({
    code: 'TASK_REFUSED',
    message: `This task is not what the chain says: ${why}.`,
    details: { taskId, why },
    next: 'compare the coordinator’s deployment and terms with this prover’s',
  })
}

/** The key may not prove: it was never entered, or the chain has another one now. Tried again, for the chain may be about to learn of it. */
export function notRegistered(prover: string): TrellisError {
  return new TrellisError({
    code: 'KEY_NOT_AUTHORISED',
    message: 'This key is the current key of no ioID, and no registered prover.',
    details: { prover },
    next: 'the owner of the prover’s ioID names it (IoIDRegistry.rotate); the prover then registers itself',
    retryable: true,
  })
}
