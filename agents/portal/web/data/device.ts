// SPDX-License-Identifier: Apache-2.0
/** One device: what the chain knows of it, what its wallet holds, what the gateway stored of it. */
import { useQuery, type UseQueryResult } from '@tanstack/react-query'
import { erc20Abi, erc721Abi, getAbiItem, zeroAddress } from 'viem'
import type { History, Network, Page, StoredWindow } from '../../api.ts'
import {
  dataKeyRegistryAbi,
  deviceAccountAbi,
  ioIDAbi,
  ioIDRegistryAbi,
  ioIDStoreAbi,
  taskEscrowAbi,
  taskManagerAbi,
} from '../../../protocol/generated/abi.ts'
import { type Hex, taskIdOf } from '../../../protocol/ids.ts'
import { openTaskRecord } from '../../../protocol/task-record.ts'
import { addressOf, chain, logsOf } from './chain.ts'
import { query, read } from './http.ts'
import { type Token, useNetwork, useToken } from './reads.ts'

const LIVE_MS = 5_000
const POINTS = 1_200
const WINDOWS = 100

export interface DataKey {
  x: bigint
  y: bigint
  fromWindow: number
}

export interface Identity {
  tokenId: bigint
  project: bigint
  owner: Hex
  wallet: Hex
  signer: Hex
  documentUri: string
  documentHash: Hex
  keys: DataKey[]
}

async function loadIdentity(network: Network, device: Hex): Promise<Identity | null> {
  const ioID = { address: addressOf(network, 'IoID'), abi: ioIDAbi } as const
  const registry = { address: addressOf(network, 'IoIDRegistry'), abi: ioIDRegistryAbi, args: [device] } as const
  if (!(await chain.readContract({ ...registry, functionName: 'exists' }))) return null
  const [tokenId, project, owner] = await chain.readContract({ ...ioID, functionName: 'deviceInfo', args: [device] })
  const bound = getAbiItem({ abi: dataKeyRegistryAbi, name: 'DataKeyBound' })
  const [wallet, signer, documentUri, documentHash, keys] = await Promise.all([
    chain.readContract({ ...ioID, functionName: 'walletOf', args: [tokenId] }),
    chain.readContract({ ...registry, functionName: 'signerOf' }),
    chain.readContract({ ...registry, functionName: 'documentURI' }),
    chain.readContract({ ...registry, functionName: 'documentHash' }),
    logsOf(network, { address: addressOf(network, 'DataKeyRegistry'), event: bound, args: { device } }),
  ])
  return {
    tokenId,
    project,
    owner,
    wallet,
    signer,
    documentUri,
    documentHash,
    keys: keys.map(({ args }) => ({ x: args.ax, y: args.ay, fromWindow: args.fromWindow })),
  }
}

export function useIdentity(device: Hex): UseQueryResult<Identity | null> {
  const network = useNetwork().data
  return useQuery({
    queryKey: ['identity', device, network?.genesisHash],
    enabled: network !== undefined,
    refetchInterval: 15_000,
    queryFn: () => loadIdentity(network!, device),
  })
}

export interface Nft {
  contract: Hex
  name: string
  tokenId: bigint
}

export interface Holdings {
  native: bigint
  token: bigint
  /** Owed by the escrow where a push failed: anybody may have it paid out. */
  credited: bigint
  nfts: Nft[]
  /** Unix seconds until which nothing leaves; 0 when open. */
  lockedUntil: number
}

/** NFTs of ours that came to the wallet and are still there. */
async function nftsOf(network: Network, wallet: Hex): Promise<Nft[]> {
  const event = getAbiItem({ abi: erc721Abi, name: 'Transfer' })
  const came = await Promise.all((await collections(network)).map((address) => logsOf(network, { address, event, args: { to: wallet } })))
  const all = came.flat()
  const held = await Promise.all(
    all.map(async ({ address, args: { tokenId } }): Promise<Nft[]> => {
      const nft = { address, abi: erc721Abi } as const
      const [owner, name] = await Promise.all([
        chain.readContract({ ...nft, functionName: 'ownerOf', args: [tokenId] }).catch(() => zeroAddress),
        chain.readContract({ ...nft, functionName: 'name' }).catch(() => 'NFT'),
      ])
      return owner.toLowerCase() === wallet.toLowerCase() ? [{ contract: address, name, tokenId }] : []
    }),
  )
  const unique = new Map(held.flat().map((nft) => [`${nft.contract}/${nft.tokenId}`, nft]))
  return [...unique.values()]
}

/** ioIDs, projects, and the device collections of this network's projects. */
async function collections(network: Network): Promise<Hex[]> {
  const store = { address: addressOf(network, 'IoIDStore'), abi: ioIDStoreAbi } as const
  const found = await Promise.all(
    network.projects.map((project) =>
      chain.readContract({ ...store, functionName: 'projectDeviceContract', args: [BigInt(project)] }).catch(() => zeroAddress),
    ),
  )
  return [addressOf(network, 'IoID'), addressOf(network, 'Project'), ...found.filter((address) => address !== zeroAddress)]
}

async function loadHoldings(network: Network, token: Token, wallet: Hex): Promise<Holdings> {
  const escrow = addressOf(network, 'TaskEscrow')
  const [native, held, credited, nfts, lockedUntil] = await Promise.all([
    chain.getBalance({ address: wallet }),
    chain.readContract({ address: token.address, abi: erc20Abi, functionName: 'balanceOf', args: [wallet] }),
    chain.readContract({ address: escrow, abi: taskEscrowAbi, functionName: 'credited', args: [token.address, wallet] }),
    nftsOf(network, wallet),
    chain.readContract({ address: wallet, abi: deviceAccountAbi, functionName: 'lockedUntil' }).catch(() => 0n),
  ])
  return { native, token: held, credited, nfts, lockedUntil: Number(lockedUntil) }
}

export function useHoldings(wallet: Hex | undefined): UseQueryResult<Holdings> {
  const network = useNetwork().data
  const token = useToken()
  return useQuery({
    queryKey: ['holdings', wallet, network?.genesisHash, token?.address],
    enabled: network !== undefined && token !== undefined && wallet !== undefined,
    refetchInterval: LIVE_MS,
    queryFn: () => loadHoldings(network!, token!, wallet!),
  })
}

export function useHistory(project: string | undefined, device: Hex): UseQueryResult<History> {
  return useQuery({
    queryKey: ['history', project, device],
    enabled: project !== undefined,
    refetchInterval: LIVE_MS,
    queryFn: ({ signal }) =>
      read<History>(`/gateway/v1/projects/${project ?? ''}/devices/${device}/readings${query({ points: POINTS })}`, signal),
  })
}

export interface WindowTask extends StoredWindow {
  taskId: Hex
  state: string
}

/** The newest windows of a device, each with the state of its task on chain. */
export function useDeviceWindows(project: string | undefined, device: Hex): UseQueryResult<WindowTask[]> {
  const network = useNetwork().data
  return useQuery({
    queryKey: ['windows', project, device, network?.genesisHash],
    enabled: project !== undefined && network !== undefined,
    refetchInterval: LIVE_MS,
    queryFn: async ({ signal }) => {
      const { items } = await read<Page<StoredWindow>>(
        `/gateway/v1/projects/${project!}/devices/${device}/windows${query({ limit: WINDOWS })}`,
        signal,
      )
      const taskManager = addressOf(network!, 'TaskManager')
      return Promise.all(
        items.map(async (item): Promise<WindowTask> => {
          const { index, root } = item
          const taskId = taskIdOf({ chainId: network!.chainId, taskManager, project: BigInt(project!), device, window: index, root })
          const word = await chain.readContract({ address: taskManager, abi: taskManagerAbi, functionName: 'recordOf', args: [taskId] })
          const { state } = openTaskRecord(word)
          return { ...item, taskId, state: state === 'none' ? 'received' : state }
        }),
      )
    },
  })
}
