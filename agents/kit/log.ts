// SPDX-License-Identifier: Apache-2.0
/** Structured log: one JSON line per event on stdout, `service` on each, further correlation fields by `log.child`. */
import { pino, type DestinationStream, type Logger } from 'pino'
import { TrellisError } from './errors.ts'

export type { Logger } from 'pino'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Fields with these names never reach a log line. */
const secrets = ['privateKey', 'mnemonic', 'password', 'authorization', 'headers.authorization', 'key']

/**
 * The log of a service. Errors go in as `{ err }`; a `TrellisError` keeps its code, facts and next step.
 * Correlation fields by convention: `project`, `device`, `window`, `task`, `prover`, `tx`; and on each line about a window its `root`, the one value that
 * goes from the reading to its pay through device, gateway, coordinator and prover.
 */
export function createLog(service: string, level: LogLevel = 'info', destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service, pid: process.pid },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secrets, censor: '[secret]' },
    serializers: { err: describe },
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

function describe(error: unknown): unknown {
  if (error instanceof TrellisError) {
    const cause = error.cause instanceof Error ? { cause: firstLine(error.cause.message) } : {}
    return { ...error.toJSON(), ...cause }
  }
  if (error instanceof Error) return { name: error.name, message: error.message, stack: error.stack }
  return error
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}
