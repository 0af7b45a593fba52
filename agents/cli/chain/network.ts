// SPDX-License-Identifier: Apache-2.0
/** Which chain a command speaks to, and whose key pays: the running local network and its project's owner, or what the options name. */
import { existsSync } from 'node:fs'
import { type Abi, type AbiEvent, type Address, type LocalAccount, type PublicClient } from 'viem'
import { addressesPath } from '../../../deploy/addresses.ts'
import { readNetwork } from '../../../deploy/network.ts'
import { type ChainClient, readGenesis } from '../../kit/chain.ts'
import { addressOf, connectDeployment, type Deployment } from '../../kit/deployment.ts'
import { loadAccount } from '../../kit/keys.ts'
import { isLoopback } from '../../kit/loopback.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { accountOf } from '../local/accounts.ts'
import { fromWhereCalled, stateAt } from '../local/state.ts'

export interface NetworkOptions {
  json: boolean
  /** Name of a file in deploy/networks. */
  network?: string
  rpc?: string
  /** Addresses file of the deployment, where it is not where deploy puts it. */
  addresses?: string
}

export interface KeyOptions {
  keyFile?: string
  passwordFile?: string
  signerUrl?: string
  signerAddress?: string
  signerTokenFile?: string
}

export interface OpenNetwork {
  name: string
  chain: ChainClient
  client: PublicClient
  deployment: Deployment
  local: boolean
  /** Of the local run. */
  gatewayUrl: string | undefined
  at: (contract: string) => Address
}

/** @throws TrellisError NETWORK_UNKNOWN, and what `readNetwork` and `connectDeployment` throw */
export async function openNetwork(stateOption: string | undefined, options: NetworkOptions): Promise<OpenNetwork> {
  const place = await placeOf(stateOption, options)
  const { deployment, chain, local } = await connectDeployment({ ...place, reorgDepth: 64 })
  return {
    name: place.name,
    chain,
    client: chain.public,
    deployment,
    local,
    gatewayUrl: place.gatewayUrl,
    at: (contract) => addressOf(deployment, contract),
  }
}

interface Place {
  name: string
  rpcUrl: string
  addressesFile: string
  confirmations: number
  pollMs: number
  gatewayUrl?: string
}

async function placeOf(stateOption: string | undefined, { network: name, rpc, addresses }: NetworkOptions): Promise<Place> {
  const state = stateAt(stateOption)
  const file = (chainId: number, local: boolean): string =>
    addresses === undefined ? addressesPath(chainId, local, state.root) : fromWhereCalled(addresses)
  if (name !== undefined) {
    const network = readNetwork(name, { rpc })
    const local = network.kind === 'local'
    // The deployer waits for a receipt as its first confirmation.
    return {
      ...{ name, rpcUrl: network.rpc, addressesFile: file(network.chainId, local) },
      ...{ confirmations: network.confirmations - 1, pollMs: local ? 100 : 1_000 },
    }
  }
  if (rpc !== undefined) {
    const { chainId } = await readGenesis(rpc)
    const local = isLoopback(rpc) && existsSync(addressesPath(chainId, true, state.root))
    return {
      name: `chain ${chainId}`,
      rpcUrl: rpc,
      addressesFile: file(chainId, local),
      confirmations: local ? 0 : 1,
      pollMs: local ? 100 : 1_000,
    }
  }
  const ports = state.readRun()?.ports
  if (ports === undefined) {
    throw new TrellisError({
      code: 'NETWORK_UNNAMED',
      message: 'No local network runs here, and no other is named.',
      next: 'npm start, or name one: --network NAME (a file in deploy/networks), or --rpc URL',
    })
  }
  return {
    ...{ name: 'the local network', rpcUrl: `http://127.0.0.1:${ports.chain}`, addressesFile: file(31_337, true) },
    ...{ confirmations: 0, pollMs: 100, gatewayUrl: `http://127.0.0.1:${ports.gateway}` },
  }
}

/**
 * The key that pays and consents. On a local network it is the project owner's when none is named.
 * @throws TrellisError KEY_UNNAMED | FLAG_MALFORMED, and what `loadAccount` throws
 */
export async function accountFor({ local }: OpenNetwork, options: KeyOptions): Promise<LocalAccount> {
  const { keyFile, passwordFile, signerUrl, signerAddress, signerTokenFile } = options
  const path = (file: string | undefined): string | undefined => (file === undefined ? undefined : fromWhereCalled(file))
  if ((signerUrl === undefined) !== (signerAddress === undefined) || (keyFile !== undefined && signerUrl !== undefined)) {
    throw new TrellisError({
      code: 'FLAG_MALFORMED',
      message: 'A key is one of two: a key file, or a remote signer with its address.',
      next: '--key-file FILE [--password-file FILE], or --signer-url URL --signer-address 0x…',
    })
  }
  if (signerUrl !== undefined) {
    const address = checkedAddress(signerAddress!, '--signer-address')
    const tokenFile = path(signerTokenFile)
    return loadAccount({ remoteSigner: { url: signerUrl, address, ...(tokenFile !== undefined && { tokenFile }) } }, { local })
  }
  if (keyFile !== undefined) return loadAccount({ keyFile: path(keyFile), passwordFile: path(passwordFile) }, { local })
  if (local) return accountOf('owner')
  throw new TrellisError({
    code: 'KEY_UNNAMED',
    message: 'A key is needed to send on this network.',
    next: '--key-file KEYSTORE --password-file FILE (trellis keys new makes one), or --signer-url URL --signer-address 0x…',
  })
}

/** @throws TrellisError FLAG_MALFORMED */
export function checkedAddress(text: string, where: string): Address {
  if (/^0x[0-9a-fA-F]{40}$/.test(text)) return text.toLowerCase() as Address
  throw new TrellisError({
    code: 'FLAG_MALFORMED',
    message: `${where} is no address.`,
    details: { given: text.slice(0, 80) },
    next: 'write 0x and 40 hexadecimal digits',
  })
}

/** Blocks asked for at once where a node limits how far events are looked for. */
const SPAN = 5_000n

/** All events of a kind since the deployment of `contract`. Arguments are decoded; those not named in `args` may be anything. */
export async function eventsOf<T>(
  { client, deployment, at }: OpenNetwork,
  contract: string,
  abi: Abi,
  eventName: string,
  args: Readonly<Record<string, unknown>>,
): Promise<{ args: T; blockNumber: bigint; logIndex: number }[]> {
  const event = abi.find((entry): entry is AbiEvent => entry.type === 'event' && entry.name === eventName)!
  const query = { address: at(contract), event, args } as const
  const first = BigInt(deployment.contracts[contract]?.block ?? 0)
  const get = async (fromBlock: bigint, toBlock: bigint): Promise<{ args: T; blockNumber: bigint; logIndex: number }[]> =>
    (await client.getLogs({ ...query, fromBlock, toBlock })) as unknown as { args: T; blockNumber: bigint; logIndex: number }[]
  const head = await client.getBlockNumber()
  try {
    return await get(first, head)
  } catch (error) {
    if (head - first <= SPAN) throw error
  }
  const found: { args: T; blockNumber: bigint; logIndex: number }[] = []
  for (let from = first; from <= head; from += SPAN) found.push(...(await get(from, from + SPAN - 1n < head ? from + SPAN - 1n : head)))
  return found
}
