// SPDX-License-Identifier: Apache-2.0
/** The device NFTs of a project: which are free, and what it takes to have more of them. */
import type { Address, Hex } from 'viem'
import { TrellisError } from '../../protocol/errors.ts'
import { deviceNFTAbi, ioIDRegistryAbi } from '../../protocol/generated/abi.ts'
import type { ProjectFacts } from '../project.ts'
import type { OpenNetwork } from './network.ts'
import { callOf, type Purse, type Step } from './spend.ts'

/** Tokens asked for at once. */
const PAGE = 64

export interface TokenPlan {
  deviceContract: Address
  /** Free tokens of the paying key, then those that will be minted; `null` until its step is done. */
  tokens: (bigint | null)[]
  /** What comes before any registration: allowance, approval. */
  steps: Step[]
  /** The step that mints token `place`; none where there is a free one. */
  mints: (Step | undefined)[]
}

/**
 * Plans for `wanted` device NFTs of the paying key, those free first.
 * @param named  tokens that registrations name themselves
 * @throws TrellisError DEVICE_CONTRACT_MISSING | DEVICE_NFT_MISSING | DEVICE_NFT_TAKEN
 */
export async function planTokens(purse: Purse, project: ProjectFacts, wanted: number, named: readonly bigint[]): Promise<TokenPlan> {
  const { network, account } = purse
  const { id, deviceContract } = project
  if (deviceContract === null)
    throw new TrellisError({
      code: 'DEVICE_CONTRACT_MISSING',
      message: `Project ${id} has no device contract.`,
      next: `trellis project set-device-contract ${id}`,
    })
  const nft = { address: deviceContract, abi: deviceNFTAbi } as const
  const me = account.address
  for (const token of named) {
    if (await isFree(network, deviceContract, token, me)) continue
    throw new TrellisError({
      code: 'DEVICE_NFT_TAKEN',
      message: `Device NFT ${token} is not yours, or a device was registered with it.`,
      details: { deviceContract, key: me },
      next: 'leave the token out to take a free one',
    })
  }
  const tokens: (bigint | null)[] = wanted === 0 ? [] : await freeTokens(network, deviceContract, me, wanted, new Set(named))
  const missing = wanted - tokens.length
  const steps = missing === 0 ? [] : await mintSteps(network, deviceContract, me, missing)
  const mints: (Step | undefined)[] = tokens.map(() => undefined)
  for (let i = 0; i < missing; i++) {
    const place = tokens.push(null) - 1
    mints.push({
      what: `mint device NFT ${i + 1} of ${missing}`,
      gas: 130_000n,
      call: () => callOf({ ...nft, functionName: 'mint', args: [me] }),
      done: ({ logs }) => (tokens[place] = mintedToken(logs, deviceContract)),
    })
  }
  steps.push(...(await approvalSteps(network, deviceContract, me, wanted + named.length, named)))
  return { deviceContract, tokens, steps, mints }
}

/** One token is approved alone; for several the registry is, which takes none without its owner's consent. */
async function approvalSteps(
  { client, at }: OpenNetwork,
  deviceContract: Address,
  me: Address,
  count: number,
  named: readonly bigint[],
): Promise<Step[]> {
  const nft = { address: deviceContract, abi: deviceNFTAbi } as const
  const registry = at('IoIDRegistry')
  if (count === 0 || (await client.readContract({ ...nft, functionName: 'isApprovedForAll', args: [me, registry] }))) return []
  if (count === 1 && named.length === 1) {
    if ((await client.readContract({ ...nft, functionName: 'getApproved', args: [named[0]!] })) === registry) return []
    return [
      {
        what: `let the registry take device NFT ${named[0]!}`,
        call: () => callOf({ ...nft, functionName: 'approve', args: [registry, named[0]!] }),
      },
    ]
  }
  return [
    {
      what: 'let the registry take device NFTs that you register',
      gas: 70_000n,
      call: () => callOf({ ...nft, functionName: 'setApprovalForAll', args: [registry, true] }),
    },
  ]
}

async function mintSteps({ client }: OpenNetwork, deviceContract: Address, me: Address, missing: number): Promise<Step[]> {
  const nft = { address: deviceContract, abi: deviceNFTAbi } as const
  const [isMinter, allowance, owner] = await Promise.all([
    client.readContract({ ...nft, functionName: 'isMinter', args: [me] }),
    client.readContract({ ...nft, functionName: 'minterAllowance', args: [me] }),
    client.readContract({ address: deviceContract, abi: ownableAbi, functionName: 'owner' }),
  ]).catch((cause: unknown) => {
    throw notMintable(deviceContract, 'It is no collection that this command can mint from.', cause)
  })
  if (isMinter && allowance >= BigInt(missing)) return []
  if (owner.toLowerCase() !== me.toLowerCase())
    throw notMintable(deviceContract, `The key may mint ${allowance} of ${missing} that are missing.`)
  const more = BigInt(missing) - (isMinter ? allowance : 0n)
  return [
    {
      what: `allow yourself ${more} more device NFTs`,
      call: () =>
        isMinter
          ? callOf({ ...nft, functionName: 'incrementMinterAllowance', args: [me, more] })
          : callOf({ ...nft, functionName: 'configureMinter', args: [me, more] }),
    },
  ]
}

/** Tokens of `me` that no live device was registered with, the newest looked at first: as far back as he has any. */
async function freeTokens(
  network: OpenNetwork,
  deviceContract: Address,
  me: Address,
  wanted: number,
  except: ReadonlySet<bigint>,
): Promise<bigint[]> {
  const nft = { address: deviceContract, abi: deviceNFTAbi } as const
  const [total, balance] = await Promise.all([
    network.client.readContract({ ...nft, functionName: 'total' }).catch(() => 0n),
    network.client.readContract({ ...nft, functionName: 'balanceOf', args: [me] }),
  ])
  const found: bigint[] = []
  let left = balance
  for (let token = total; token > 0n && left > 0n && found.length < wanted; token -= BigInt(PAGE)) {
    const page = Array.from({ length: PAGE }, (_, i) => token - BigInt(i)).filter((id) => id > 0n)
    const own = await Promise.all(page.map((id) => isOf(network, deviceContract, id, me)))
    const mine = page.filter((_, i) => own[i])
    left -= BigInt(mine.length)
    const taken = await Promise.all(mine.map((id) => isTaken(network, deviceContract, id)))
    found.push(...mine.filter((id, i) => !taken[i] && !except.has(id)))
  }
  return found.slice(0, wanted).sort((a, b) => Number(a - b))
}

async function isFree(network: OpenNetwork, deviceContract: Address, token: bigint, me: Address): Promise<boolean> {
  return (await isOf(network, deviceContract, token, me)) && !(await isTaken(network, deviceContract, token))
}

async function isOf({ client }: OpenNetwork, deviceContract: Address, token: bigint, me: Address): Promise<boolean> {
  const nft = { address: deviceContract, abi: deviceNFTAbi } as const
  const owner = await client.readContract({ ...nft, functionName: 'ownerOf', args: [token] }).catch(() => undefined)
  return owner?.toLowerCase() === me.toLowerCase()
}

function isTaken({ client, at }: OpenNetwork, deviceContract: Address, token: bigint): Promise<boolean> {
  return client.readContract({
    ...{ address: at('IoIDRegistry'), abi: ioIDRegistryAbi, functionName: 'registeredNFT' },
    args: [deviceContract, token],
  })
}

/** Token of ERC-721's Transfer event. */
function mintedToken(logs: readonly { address: Address; topics: readonly Hex[] }[], deviceContract: Address): bigint {
  const log = logs.find(({ address, topics }) => address.toLowerCase() === deviceContract.toLowerCase() && topics.length === 4)
  return BigInt(log!.topics[3]!)
}

function notMintable(deviceContract: Address, message: string, cause?: unknown): TrellisError {
  return new TrellisError({
    code: 'DEVICE_NFT_MISSING',
    message: `There is no free device NFT, and none can be made. ${message}`,
    details: { deviceContract },
    next: 'have its owner mint one for this key, or allow the key to; a token that you have: --token-id ID',
    cause,
  })
}

const ownableAbi = [{ type: 'function', name: 'owner', inputs: [], outputs: [{ type: 'address' }], stateMutability: 'view' }] as const
