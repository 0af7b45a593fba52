// SPDX-License-Identifier: Apache-2.0
/** Errors of the indexer. */
import { TrellisError } from '../kit/errors.ts'

/** Ponder ended, or could not begin. It is started again. */
export const ponderEnded = (why: string): TrellisError =>
  new TrellisError({
    code: 'PONDER_ENDED',
    message: 'The Ponder process ended.',
    details: { why },
    next: 'nothing: it is started again; its own lines are in this log',
    retryable: true,
  })

/** Nothing answers yet, or not any more. */
export const notReady = (why: string): TrellisError =>
  new TrellisError({
    code: 'INDEX_NOT_READY',
    message: `There is no index to ask: ${why}.`,
    details: { why },
    next: 'ask again; read the chain itself where that is urgent',
    retryable: true,
  })
