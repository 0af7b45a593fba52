// SPDX-License-Identifier: Apache-2.0
/** Accounts of a local run: keys of the public development mnemonic, written to key files for the services that need one. */
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { bytesToHex, type LocalAccount } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { DEVELOPMENT_MNEMONIC } from '../../kit/keys.ts'
import type { LocalState } from './state.ts'

/** Place of each role on the mnemonic; the chain funds the first twenty. 2 is the operator that deploy/networks/localhost.json names. */
const PLACES = { deployer: 0, owner: 1, coordinator: 2, 'prover-1': 3, 'prover-2': 4 } as const
export type Role = keyof typeof PLACES

export const accountOf = (role: Role): LocalAccount => mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: PLACES[role] })

/** Key file of a role, mode 0600. Services refuse such a key off local networks. */
export function keyFileOf(state: LocalState, role: Role): string {
  const file = state.path('keys', `${role}.key`)
  if (existsSync(file)) return file
  state.folder('keys')
  const key = mnemonicToAccount(DEVELOPMENT_MNEMONIC, { addressIndex: PLACES[role] }).getHdKey().privateKey
  if (key === null) throw new Error('the development mnemonic has no private key')
  // In one step: half a key file would stop its service for ever.
  writeFileSync(`${file}.${process.pid}`, `${bytesToHex(key)}\n`, { mode: 0o600 })
  renameSync(`${file}.${process.pid}`, file)
  return file
}
