// SPDX-License-Identifier: Apache-2.0
/** Errors that every service can meet: configuration, ports, stores, and the chain under it. */
import { BaseError } from 'viem'
import { TrellisError } from '../protocol/errors.ts'

export { TrellisError, isTrellisError, toTrellisError, type TrellisErrorJson } from '../protocol/errors.ts'

/** The chain behind the RPC is not the one this service's ledger belongs to: it was wiped, or the URL names another network. */
export function chainReset(details: { rpcUrl: string; expected: string; found: string }): TrellisError {
  return new TrellisError({
    code: 'CHAIN_RESET',
    message: 'The chain is not the one that this deployment lives on: its genesis block differs.',
    details,
    next: 'deploy again on this chain (npm run trellis -- reset, then npm start), or point the service at the right RPC',
  })
}

/** Blocks that were already worked on disappeared, deeper than the policy's `reorgDepth`. */
export function reorgTooDeep(details: { scanner: string; block: bigint; reorgDepth: number }): TrellisError {
  return new TrellisError({
    code: 'REORG_TOO_DEEP',
    message: 'The chain dropped blocks deeper than the policy allows for.',
    details,
    next: 'raise reorgDepth in the chain policy, or start this service with an empty ledger so that it reads the chain again',
  })
}

/** The service has as much waiting work as it may hold. */
export function overloaded(what: string, limit: number): TrellisError {
  return new TrellisError({
    code: 'OVERLOADED',
    message: `${what} is full.`,
    details: { limit },
    next: 'send again later, more slowly',
    retryable: true,
  })
}

/** What no retry mends for any service: another chain is behind the RPC, or what it worked on is gone. It stops with this error. */
export const chainFaults = ['CHAIN_RESET', 'WRONG_CHAIN', 'REORG_TOO_DEEP'] as const

/** An RPC address as errors and logs show it: providers put their customers' keys into path, query and user name. */
export function placeOf(rpcUrl: string): string {
  return URL.canParse(rpcUrl) ? new URL(rpcUrl).origin : rpcUrl
}

/** An RPC call failed for a reason that is not a revert: connection, timeout, server error. What is a `TrellisError` inside is told as it is. */
export function rpcFailed(rpcUrl: string, cause: unknown): TrellisError {
  const known = cause instanceof BaseError ? cause.walk((inner) => inner instanceof TrellisError) : cause
  if (known instanceof TrellisError) return known
  const reason = cause instanceof Error ? ((cause as { shortMessage?: string }).shortMessage ?? cause.message) : String(cause)
  return new TrellisError({
    code: 'RPC_FAILED',
    message: 'The chain did not answer.',
    details: { rpcUrl: placeOf(rpcUrl), reason: reason.split('\n', 1)[0] ?? '' },
    next: 'check that the chain runs at this address (npm run trellis -- status)',
    retryable: true,
    cause,
  })
}
