// SPDX-License-Identifier: Apache-2.0
/** Errors of the device service. */
import { TrellisError } from '../../../protocol/errors.ts'

export function deviceError(
  code: string,
  message: string,
  details: Record<string, unknown> = {},
  next?: string,
  cause?: unknown,
): TrellisError {
  return new TrellisError({ code, message, details, ...(next === undefined ? {} : { next }), cause })
}
