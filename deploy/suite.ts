// SPDX-License-Identifier: Apache-2.0
/** The whole suite on one network: deploys or resumes, wires, hands over, verifies, writes the addresses. Used by Hardhat's task, the CLI and tests. */
import { join } from 'node:path'
import { createPublicClient, createWalletClient, defineChain, http, keccak256, type LocalAccount, type PublicClient } from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { DEVELOPMENT_MNEMONIC, loadAccount } from '../agents/kit/keys.ts'
import { TrellisError } from '../agents/protocol/errors.ts'
import { addressesPath, readAddresses, writeAddresses, type AddressesFile } from './addresses.ts'
import { artifactFolder, type ArtifactSource } from './artifacts.ts'
import { Deployer, type Upgrade } from './deployer.ts'
import { deployAccess } from './modules/access.ts'
import { deployCertificates } from './modules/certificates.ts'
import { deployCredentials } from './modules/credentials.ts'
import { deployIdentityCompat } from './modules/identity-compat.ts'
import { deployIdentity } from './modules/identity.ts'
import { deployToken } from './modules/token.ts'
import { deployVerifiers } from './modules/verifiers.ts'
import { deployW3bstream } from './modules/w3bstream.ts'
import { deployWallet } from './modules/wallet.ts'
import { isLocalNetwork, type Network } from './network.ts'
import { places, programKeys, type ProgramKey } from './program-keys.ts'
import { grantUpgradeRole, handOver, nameGuardian, verifyRoles } from './roles.ts'
import type { Layout } from './storage-layout.ts'
import { checkLayouts, compiledLayouts, formerLogic, readLayouts, runUpgrades, writeLayouts, type UpgradeReport } from './upgrade.ts'

const repository = join(import.meta.dirname, '..')

export interface SuiteOptions {
  network: Network
  /** Folder of local state; `.trellis` in the repository by default. */
  stateFolder?: string | undefined
  /** Deploying key off local networks: a keystore with its password file. */
  key?: { keyFile: string; passwordFile?: string | undefined } | undefined
  onStep?: (step: { what: string; sent: boolean }) => void
  /** Puts the logic that ran before back behind each proxy that was upgraded, and does nothing else. */
  backOut?: boolean | undefined
  /** Folder of circuits.json and keys/ whose programs are registered; that of this repository by default. */
  circuits?: string | undefined
  /** Compiled contracts; those of this repository by default. */
  artifacts?: ArtifactSource
}

export interface SuiteResult {
  file: string
  local: boolean
  /** Transactions that this run sent; 0 when everything was there. */
  sent: number
  contracts: Deployer['contracts']
  /** What was upgraded, or waits to be. */
  upgrades: UpgradeReport[]
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
  const keys = await programKeys(network, local, options.circuits === undefined ? undefined : { ...places, circuits: options.circuits })
  const genesis = await client.getBlock({ blockNumber: 0n })
  const file = addressesPath(chainId, local, options.stateFolder ?? join(repository, '.trellis'))
  const known = readAddresses(file)
  const before = known?.genesisHash === genesis.hash ? known : undefined
  const artifacts = options.artifacts ?? artifactFolder(join(repository, 'artifacts'))
  const layouts = (): Record<string, Layout> => compiledLayouts(artifacts, join(repository, 'artifacts'))
  // A back-out goes to logic whose layout the present one was checked against when it came.
  if (before !== undefined && options.backOut !== true) checkLayouts(readLayouts(file, repository), layouts())
  const entries = Object.entries(before?.contracts ?? {})
  const deployer = new Deployer({
    client,
    wallet: createWalletClient({ chain, transport, account, pollingInterval: client.pollingInterval, cacheTime: 0 }),
    artifacts,
    confirmations: network.confirmations,
    knownBlocks: new Map(entries.map(([, { address, block }]) => [address.toLowerCase(), BigInt(block)])),
    deployed: new Map(entries.map(([name, { address }]) => [name, address])),
    ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
  })

  await deployer.placeFactory()
  const waiting = options.backOut === true ? await formerUpgrades(deployer, before) : await deployAll(deployer, network, local, keys)
  const upgrades = await runUpgrades(deployer, waiting)
  await deployer.verify()
  await verifyRoles(deployer, network)
  // The logic that runs now, which is not yet what this source makes while an upgrade waits.
  for (const { name } of upgrades) {
    const { implementation } = deployer.contracts.get(name)!
    const runtime = await client.getCode({ address: implementation! })
    const block =
      deployer.options.knownBlocks?.get(implementation!.toLowerCase()) ?? deployer.contracts.get(`${name}Implementation`)?.block ?? 0n
    deployer.contracts.set(`${name}Implementation`, {
      name: `${name}Implementation`,
      address: implementation!,
      block,
      codeHash: keccak256(runtime!),
    })
  }
  const head = { chainId, genesisHash: genesis.hash, kind: network.kind, former: formerLogic(before, deployer) }
  writeAddresses(file, head, deployer.contracts.values())
  if (options.backOut !== true && upgrades.every(({ state }) => state === 'done')) writeLayouts(file, layouts())
  return { file, local, sent: deployer.sent, contracts: deployer.contracts, upgrades }
}

async function deployAll(deployer: Deployer, network: Network, local: boolean, keys: readonly ProgramKey[]): Promise<readonly Upgrade[]> {
  await deployAccess(deployer)
  await deployToken(deployer, network)
  await deployVerifiers(deployer, local, keys)
  await deployWallet(deployer)
  await deployIdentity(deployer, network)
  await deployCertificates(deployer)
  await deployIdentityCompat(deployer, network)
  await deployCredentials(deployer)
  await deployW3bstream(deployer, network, local)
  await grantUpgradeRole(deployer, network)
  await nameGuardian(deployer, network)
  await handOver(deployer, network)
  return deployer.upgrades
}

/** The way back of each proxy that was upgraded. @throws TrellisError NOTHING_TO_BACK_OUT */
async function formerUpgrades(deployer: Deployer, before: AddressesFile | undefined): Promise<Upgrade[]> {
  for (const name of Object.keys(before?.contracts ?? {})) await deployer.adopt(name)
  const found = Object.entries(before?.former ?? {}).flatMap(([name, list]) => {
    const { address: proxy, implementation: from } = deployer.contracts.get(name) ?? {}
    const to = list.at(-1)
    return proxy === undefined || from === undefined || to === undefined ? [] : [{ name, proxy, from, to }]
  })
  if (found.length > 0) return found
  throw new TrellisError({
    code: 'NOTHING_TO_BACK_OUT',
    message: 'No contract of this deployment was upgraded.',
    next: 'an upgrade that is only scheduled is cancelled by its guardian: AccessManager.cancel',
  })
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
