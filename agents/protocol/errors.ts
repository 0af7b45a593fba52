// SPDX-License-Identifier: Apache-2.0
/** The one error base of Trellis: what happened, the facts, what to do next, whether trying again can help. */

/** What an error is made of. `code` is UPPER_SNAKE and stable; `message` is one sentence; `details` are facts, safe to print. */
export interface TrellisErrorFields {
  code: string
  message: string
  details?: Readonly<Record<string, unknown>>
  /** The next command or action for the reader, in one line. */
  next?: string
  /** True when the same call may succeed later without anybody changing anything. */
  retryable?: boolean
  cause?: unknown
}

/** The shape of a `TrellisError` on the wire (HTTP bodies, logs). Carries no stack and no cause. */
export interface TrellisErrorJson {
  code: string
  message: string
  details: Record<string, unknown>
  next: string | null
  retryable: boolean
}

export class TrellisError extends Error {
  override readonly name = 'TrellisError'
  readonly code: string
  readonly details: Readonly<Record<string, unknown>>
  readonly next: string | null
  readonly retryable: boolean

  constructor(fields: TrellisErrorFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause })
    this.code = fields.code
    this.details = fields.details ?? {}
    this.next = fields.next ?? null
    this.retryable = fields.retryable ?? false
  }

  /** JSON for wires and logs: bigints become decimal strings. */
  toJSON(): TrellisErrorJson {
    return {
      code: this.code,
      message: this.message,
      details: plain(this.details) as Record<string, unknown>,
      next: this.next,
      retryable: this.retryable,
    }
  }

  /**
   * What a person reads: the code and what happened, the facts, then what to do.
   *
   * ```
   * PORT_BUSY  Another process listens on 127.0.0.1:8083.
   *   port  8083
   *   next  stop that process, or choose another port: --port 8090
   * ```
   */
  format(): string {
    const facts = Object.entries(this.toJSON().details)
    const rows: [string, string][] = facts.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)])
    if (this.next !== null) rows.push(['next', this.next])
    const width = Math.max(0, ...rows.map(([key]) => key.length))
    return [`${this.code}  ${this.message}`, ...rows.map(([key, value]) => `  ${key.padEnd(width)}  ${value}`)].join('\n')
  }
}

/** True for a `TrellisError`, of one code when `code` is given. */
export function isTrellisError(error: unknown, code?: string): error is TrellisError {
  return error instanceof TrellisError && (code === undefined || error.code === code)
}

/** Any thrown value as a `TrellisError`; what is one already is returned as it is. */
export function toTrellisError(error: unknown, code = 'UNEXPECTED'): TrellisError {
  if (error instanceof TrellisError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new TrellisError({ code, message: message === '' ? code : message, cause: error })
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Error) return value.message
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
  return value
}
