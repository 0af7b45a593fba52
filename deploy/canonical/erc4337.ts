// SPDX-License-Identifier: Apache-2.0
/**
 * The canonical ERC-4337 EntryPoint v0.8: its authors' creation code, as published in their package (source GPL-3.0, none of it is compiled or linked
 * here), through the CREATE2 factory under their salt. Code and salt give the address that every chain has it at.
 */
import { createRequire } from 'node:module'
import { type Address, concat, type Hex } from 'viem'

export const ENTRY_POINT: Address = '0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108'

export const ENTRY_POINT_SALT: Hex = '0x0a59dbff790c23c976a548690c27297883cc66b4c67024f9117b0238995e35e9'

/** Data of the transaction to the CREATE2 factory that creates it: salt, then creation code. */
export function entryPointCreation(): Hex {
  const read = createRequire(import.meta.url)
  const { bytecode } = read('@account-abstraction/contracts/artifacts/EntryPoint.json') as { bytecode: Hex }
  return concat([ENTRY_POINT_SALT, bytecode])
}
