// SPDX-License-Identifier: Apache-2.0
/** Addresses files: `.trellis/addresses/<chainId>.json` of a local network, deploy/addresses/<chainId>.json of any other. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Address, Hex } from 'viem'
import type { Deployed } from './deployer.ts'

export interface AddressesFile {
  chainId: number
  genesisHash: Hex
  kind: 'local' | 'public'
  contracts: Record<string, { address: Address; block: number; codeHash: Hex }>
  /** Logic that each proxy ran before, oldest first: where a back-out goes. */
  former?: Record<string, Address[]>
}

/** Where the addresses of a network belong; `localFolder` is the state folder of local runs. */
export const addressesPath = (chainId: number, local: boolean, localFolder: string): string =>
  local ? join(localFolder, 'addresses', `${chainId}.json`) : join(import.meta.dirname, 'addresses', `${chainId}.json`)

export function readAddresses(file: string): AddressesFile | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as AddressesFile) : undefined
}

/** Replaces the file in one step. Names are sorted, so that the file of a public network has small diffs. */
export function writeAddresses(file: string, head: Omit<AddressesFile, 'contracts'>, contracts: Iterable<Deployed>): void {
  const rows = [...contracts].sort((a, b) => (a.name < b.name ? -1 : 1))
  const { former, ...rest } = head
  const content: AddressesFile = {
    ...rest,
    contracts: Object.fromEntries(rows.map(({ name, address, block, codeHash }) => [name, { address, block: Number(block), codeHash }])),
    ...(former === undefined || Object.keys(former).length === 0 ? {} : { former }),
  }
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.${process.pid}`, `${JSON.stringify(content, undefined, 2)}\n`)
  renameSync(`${file}.${process.pid}`, file)
}
