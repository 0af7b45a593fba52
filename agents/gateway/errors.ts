// SPDX-License-Identifier: Apache-2.0
/** Errors of the gateway that are not answers to devices; those are the refusal codes of agents/protocol/envelope.ts. */
import { TrellisError } from '../kit/errors.ts'

export function badRequest(message: string, details: Record<string, unknown> = {}): TrellisError {
  return new TrellisError({ code: 'BAD_REQUEST', message, details })
}

export function notFound(what: string): TrellisError {
  return new TrellisError({ code: 'NOT_FOUND', message: `This gateway has no such ${what}.` })
}
