// SPDX-License-Identifier: Apache-2.0
/** Errors of the portal's server. */
import { TrellisError } from '../../protocol/errors.ts'

export const pageMissing = (folder: string, cause: unknown): TrellisError =>
  new TrellisError({
    code: 'PAGE_MISSING',
    message: 'The page is not built.',
    details: { folder },
    next: 'npm run build, or name the built page as webFolder',
    cause,
  })

/** A service behind the page is silent, or answers with what it should not. */
export const upstreamDown = (name: string, reason: string): TrellisError =>
  new TrellisError({
    code: 'UPSTREAM_DOWN',
    message: `The ${name} behind the page does not answer.`,
    details: { reason },
    next: 'npm run trellis -- status',
    retryable: true,
  })

export const badRequest = (message: string, details: Record<string, unknown> = {}): TrellisError =>
  new TrellisError({ code: 'BAD_REQUEST', message, details })
