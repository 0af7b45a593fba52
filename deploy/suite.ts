// SPDX-License-Identifier: Apache-2.0
/** The whole suite on one network: deploys or resumes, wires, hands over, verifies, writes the addresses. Used by Hardhat's task, the CLI and tests. */
import { join } from 'node:path'
import { createPublicClient, createWalletClient, defineChain, http, type LocalAccount, type PublicClient } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { DEVELOPMENT_MNEMONIC, loadAccount } from '../agents/kit/keys.ts'
import { TrellisError } from '../agents/protocol/errors.ts'
import { addressesPath, readAddresses, writeAddresses } from './addresses.ts'
import { artifactFolder } from './artifacts.ts'
import { Deployer } from './deployer.ts'
import { deployAccess } from './modules/access.ts'
import { deployIdentity } from './modules/identity.ts'
import { deployToken } from './modules/token.ts'
import { deployVerifiers } from './modules/verifiers.ts'
import { deployW3bstream } from './modules/w3bstream.ts'
import { deployWallet } from './modules/wallet.ts'
import { isLocalNetwork, type Network } from './network.ts'
import { programKeys } from './program-keys.ts'
import { grantUpgradeRole, handOver } from './roles.ts'

const repository = join(import.meta.dirname, '..')

export interface SuiteOptions {
  network: Network
  /** Folder of local state; `.trellis` in the repository by default. */
  stateFolder?: string | undefined
  /** Deploying key off local networks: a keystore with its password file. */
  key?: { keyFile: string; passwordFile?: string | undefined } | undefined
  onStep?: (step: { what: string; sent: boolean }) => void
}

export interface SuiteResult {
  file: string
  local: boolean
  /** Transactions that this run sent; 0 when everything was there. */
  sent: number
  contracts: Deployer['contracts']
}

export async function deploySuite(options: SuiteOptions): Promise<SuiteResult> {
  const { network } = options
  const chain = defineChain({
    id: network.chainId,
    name: network.name,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [network.rpc] } },
  })
  const transport = http(network.rpc, { retryCount: 2 })
  const client: PublicClient = createPublicClient({ chain, transport, pollingInterval: network.kind === 'local' ? 25 : 2000, cacheTime: 0 })
  const chainId = await client.getChainId().catch((cause: unknown) => {
    throw new TrellisError({
      code: 'RPC_FAILED',
      message: 'The chain does not answer.',
      details: { network: network.name, rpc: network.rpc },
      next: network.kind === 'local' ? 'npx hardhat node --hostname 127.0.0.1' : 'check rpc in the network file, or set TRELLIS_RPC',
      cause,
    })
  })
  if (chainId !== network.chainId) {
    throw new TrellisError({
      code: 'WRONG_CHAIN',
      message: 'The RPC serves another chain than the network file says.',
      details: { have: chainId, want: network.chainId, rpc: network.rpc },
      next: 'mend rpc or chainId of the network file',
    })
  }
  const local = await isLocalNetwork(network, client)
  if (network.kind === 'local' && !local) {
    throw new TrellisError({
      code: 'NETWORK_NOT_LOCAL',
      message: `${network.name} says it is local, and it is not.`,
      details: { rpc: network.rpc, needs: 'kind local, a loopback RPC, chain id 31337 and a Hardhat or Anvil node' },
      next: 'write a network file of kind public for it',
    })
  }
  // What may refuse comes before the first transaction.
  const account = await deployingAccount(options, local)
  const keys = await programKeys(network, local)
  const genesis = await client.getBlock({ blockNumber: 0n })
  const file = addressesPath(chainId, local, options.stateFolder ?? join(repository, '.trellis'))
  const before = readAddresses(file)
  const same = before?.genesisHash === genesis.hash
  const deployer = new Deployer({
    client,
    wallet: createWalletClient({ chain, transport, account, pollingInterval: client.pollingInterval, cacheTime: 0 }),
    artifacts: artifactFolder(join(repository, 'artifacts')),
    confirmations: network.confirmations,
    knownBlocks: new Map(same ? Object.values(before.contracts).map(({ address, block }) => [address.toLowerCase(), BigInt(block)]) : []),
    ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
  })

  await deployer.placeFactory()
  await deployAccess(deployer)
  await deployToken(deployer, network)
  await deployVerifiers(deployer, local, keys)
  await deployWallet(deployer)
  await deployIdentity(deployer, network)
  await deployW3bstream(deployer, network, local)
  await grantUpgradeRole(deployer, network)
  await handOver(deployer, network)
  await deployer.verify()
  writeAddresses(file, { chainId, genesisHash: genesis.hash, kind: network.kind }, deployer.contracts.values())
  return { file, local, sent: deployer.sent, contracts: deployer.contracts }
}

async function deployingAccount(options: SuiteOptions, local: boolean): Promise<LocalAccount> {
  if (options.key !== undefined) return loadAccount(options.key, { local })
  if (local) return mnemonicToAccount(DEVELOPMENT_MNEMONIC)
  throw new TrellisError({
    code: 'DEPLOYER_KEY_MISSING',
    message: `No key to deploy with on ${options.network.name}.`,
    details: { needs: 'an encrypted keystore (Web3 Secret Storage v3)' },
    next: 'set TRELLIS_DEPLOYER_KEYSTORE and TRELLIS_DEPLOYER_PASSWORD_FILE',
  })
}
