// SPDX-License-Identifier: Apache-2.0
/** What is deployed where, who may configure what, and who answers. */
import { parseAbiItem, type PublicClient } from 'viem'
import { addressOf, type Deployment } from '../../kit/deployment.ts'
import { placeOf, rpcFailed } from '../../kit/errors.ts'
import { accessManagerAbi } from '../../protocol/generated/abi.ts'
import { privileges } from '../../protocol/generated/privileges.ts'
import type { Hex } from '../../protocol/ids.ts'
import type { TermsJson } from '../../protocol/terms.ts'
import type { Network, NetworkContract } from '../api.ts'
import type { PortalConfig } from './config.ts'
import { MOST_BLOCKS } from './rpc.ts'
import { ask, askJson, UPSTREAMS } from './upstream.ts'

/** Role ids of deploy/roles.ts. */
const roleIds: Readonly<Record<string, bigint>> = { administrator: 0n, upgrader: 1n, guardian: 2n }
const granted = parseAbiItem(
  'event RoleGranted(uint64 indexed roleId, address indexed account, uint32 delay, uint48 since, bool newMember)',
)
/** Blocks that are read again: a reorganisation may have changed them. */
const AGAIN = 64n
const FRESH_MS = 5_000
const READY_MS = 1_500

interface ProjectAnswer {
  version: number
  termsId: Hex
  terms: TermsJson
}

export type NetworkReader = ReturnType<typeof createNetworkReader>

export function createNetworkReader(config: PortalConfig) {
  let kept: { key: string; at: number; value: Promise<Network> } | undefined
  // Everybody who was ever given a role; the chain says who has it now.
  let known: { genesis: Hex; to: bigint; accounts: Map<bigint, Set<Hex>> } | undefined

  async function membersOf(client: PublicClient, deployment: Deployment, role: bigint): Promise<Hex[]> {
    const address = addressOf(deployment, 'AccessManager')
    const accounts = [...(known?.accounts.get(role) ?? [])]
    const has = await Promise.all(
      accounts.map((account) => client.readContract({ address, abi: accessManagerAbi, functionName: 'hasRole', args: [role, account] })),
    )
    return accounts.filter((_, i) => has[i]![0])
  }

  async function scan(client: PublicClient, deployment: Deployment): Promise<void> {
    const { address, block } = deployment.contracts['AccessManager']!
    if (known?.genesis !== deployment.genesisHash)
      known = { genesis: deployment.genesisHash, to: BigInt(block) - 1n, accounts: new Map<bigint, Set<Hex>>() }
    const head = await client.getBlockNumber()
    const first = known.to - AGAIN > BigInt(block) ? known.to - AGAIN : BigInt(block)
    for (let fromBlock = first; fromBlock <= head; fromBlock += MOST_BLOCKS) {
      const toBlock = fromBlock + MOST_BLOCKS - 1n < head ? fromBlock + MOST_BLOCKS - 1n : head
      for (const { args } of await client.getLogs({ address, event: granted, fromBlock, toBlock, strict: true })) {
        const accounts = known.accounts.get(args.roleId) ?? new Set<Hex>()
        known.accounts.set(args.roleId, accounts.add(args.account))
      }
      known.to = toBlock
    }
  }

  async function contractsOf(client: PublicClient, deployment: Deployment): Promise<NetworkContract[]> {
    await scan(client, deployment)
    const members = new Map(
      await Promise.all(Object.entries(roleIds).map(async ([role, id]) => [role, await membersOf(client, deployment, id)] as const)),
    )
    return Object.entries(deployment.contracts).map(([name, { address }]) => {
      const roles: Readonly<Record<string, readonly string[]>> = name in privileges ? privileges[name as keyof typeof privileges] : {}
      return {
        name,
        address,
        abi: name,
        upgradeable: `${name}Implementation` in deployment.contracts,
        roles: Object.entries(roles).map(([role, functions]) => ({ role, members: members.get(role) ?? [], functions: [...functions] })),
      }
    })
  }

  async function read(client: PublicClient, deployment: Deployment): Promise<Network> {
    const projects = config.projects.map(String)
    const urls = { gateway: config.gatewayUrl, coordinator: config.coordinatorUrl, indexer: config.indexerUrl }
    const [contracts, found, ready] = await Promise.all([
      contractsOf(client, deployment).catch((error: unknown) => Promise.reject(rpcFailed(config.chain.rpcUrl, error))),
      Promise.all(
        projects.map((project) => askJson<ProjectAnswer>('gateway', config.gatewayUrl, `/v1/projects/${project}`).catch(() => undefined)),
      ),
      Promise.all(
        UPSTREAMS.map((name) =>
          ask(name, new URL('/ready', urls[name]).href, {}, READY_MS).then(
            ({ status }) => status === 200,
            () => false,
          ),
        ),
      ),
    ])
    const terms = found.flatMap((answer, i) =>
      answer === undefined ? [] : [[projects[i]!, { version: answer.version, termsId: answer.termsId, terms: answer.terms }] as const],
    )
    const { chainId, genesisHash, kind } = deployment
    return {
      chainId,
      genesisHash,
      kind,
      projects,
      contracts,
      terms: Object.fromEntries(terms),
      services: [
        // It was just asked.
        { name: 'chain', url: placeOf(config.chain.rpcUrl), ready: true },
        ...UPSTREAMS.map((name, i) => ({ name, url: placeOf(urls[name]), ready: ready[i]! })),
      ],
      deployedAtBlock: Math.min(...Object.values(deployment.contracts).map(({ block }) => block)),
    }
  }

  return {
    /** At most five seconds old. @throws TrellisError RPC_FAILED */
    read(client: PublicClient, deployment: Deployment): Promise<Network> {
      const key = `${deployment.genesisHash}/${addressOf(deployment, 'TaskManager')}`
      if (kept === undefined || kept.key !== key || Date.now() - kept.at > FRESH_MS) {
        const value = read(client, deployment)
        const mine = (kept = { key, at: Date.now(), value })
        value.catch(() => {
          if (kept === mine) kept = undefined
        })
      }
      return kept.value
    },
  }
}
