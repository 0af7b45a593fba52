// SPDX-License-Identifier: Apache-2.0
/** Reverts by name: the custom error a contract threw, decoded over the errors of every contract we know. */
import { BaseError, ContractFunctionRevertedError, ExecutionRevertedError, decodeErrorResult, type Abi, type Hex } from 'viem'
import { TrellisError, rpcFailed } from './errors.ts'

/** An error entry of an ABI. */
export type AbiError = Extract<Abi[number], { type: 'error' }>

/** A decoded revert. `name` is null when no known error has its selector. */
export interface Revert {
  name: string | null
  args: readonly unknown[]
  data: Hex
}

/** All errors of several ABIs, each signature once: what to decode any of their reverts with. */
export function errorsOf(...abis: readonly Abi[]): AbiError[] {
  const seen = new Map<string, AbiError>()
  for (const item of abis.flat()) {
    if (item.type !== 'error') continue
    seen.set(`${item.name}(${item.inputs.map((input) => input.type).join()})`, item)
  }
  return [...seen.values()]
}

/** The revert inside an error of viem, or null when the call failed for another reason (connection, funds, nonce). */
export function findRevert(error: unknown, errors: readonly AbiError[]): Revert | null {
  if (!(error instanceof BaseError)) return null
  let data: Hex | null = null
  let reverted = false
  error.walk((inner) => {
    if (inner instanceof ContractFunctionRevertedError || inner instanceof ExecutionRevertedError) reverted = true
    if (inner instanceof ContractFunctionRevertedError && inner.raw !== undefined) data ??= inner.raw
    data ??= revertData(inner)
    return false
  })
  if (data === null) return reverted ? { name: null, args: [], data: '0x' } : null
  return decodeRevert(data, errors)
}

/** Revert data by name. */
export function decodeRevert(data: Hex, errors: readonly AbiError[]): Revert {
  try {
    const { errorName, args } = decodeErrorResult({ abi: errors, data })
    return { name: errorName, args: args ?? [], data }
  } catch {
    return { name: null, args: [], data }
  }
}

/** A failed call as a `TrellisError`: CALL_REVERTED with the named error, or RPC_FAILED. */
export function callFailed(
  error: unknown,
  call: { to: string; function: string; rpcUrl: string },
  errors: readonly AbiError[],
): TrellisError {
  if (error instanceof TrellisError) return error
  const revert = findRevert(error, errors)
  return revert === null ? rpcFailed(call.rpcUrl, error) : callReverted(revert, call, error)
}

/** CALL_REVERTED; `details.error` is the name of the custom error. */
export function callReverted(revert: Revert, call: { to: string; function: string; tx?: Hex }, cause?: unknown): TrellisError {
  const named = revert.name === null ? `unknown error ${revert.data.slice(0, 10)}` : `${revert.name}(${revert.args.map(String).join(', ')})`
  // What has no such function says nothing, and nor does a plain `revert()`, which our contracts do not use.
  const silent = revert.data === '0x'
  return new TrellisError({
    code: 'CALL_REVERTED',
    message: silent ? `The contract refused ${call.function} and gave no reason.` : `The contract refused ${call.function}: ${named}.`,
    details: {
      error: revert.name ?? revert.data.slice(0, 10),
      args: revert.args,
      to: call.to,
      function: call.function,
      ...(call.tx === undefined ? {} : { tx: call.tx }),
    },
    ...(silent ? { next: 'the contract may be older than this program: npx hardhat deploy --network NAME upgrades what changed' } : {}),
    cause,
  })
}

// Nodes put revert data at error.data, error.data.data or error.error.data.
function revertData(error: unknown): Hex | null {
  let at: unknown = error
  for (let depth = 0; depth < 3 && at !== null && typeof at === 'object'; depth++) {
    const data: unknown = (at as { data?: unknown }).data
    if (typeof data === 'string' && /^0x([0-9a-f]{2}){4,}$/i.test(data)) return data as Hex
    at = data ?? (at as { error?: unknown }).error
  }
  return null
}
