// SPDX-License-Identifier: Apache-2.0
/** Moves what a device's wallet holds: one call of its `execute` by the owner, tried by eth_call before the wallet is asked. */
import {
  BaseError,
  ContractFunctionRevertedError,
  encodeFunctionData,
  erc20Abi,
  erc721Abi,
  formatEther,
  InsufficientFundsError,
  parseUnits,
} from 'viem'
import { deviceAccountAbi } from '../../../protocol/generated/abi.ts'
import type { Hex } from '../../../protocol/ids.ts'
import { chain } from '../data/chain.ts'
import { type Eip1193, wordsOf } from './provider.tsx'

export type Asset =
  | { kind: 'native'; symbol: string; decimals: number; held: bigint }
  | { kind: 'token'; address: Hex; symbol: string; decimals: number; held: bigint }
  | { kind: 'nft'; address: Hex; name: string; tokenId: bigint }

export interface Move {
  asset: Asset
  /** In units; 1 for an NFT. */
  units: bigint
  from: Hex
  to: Hex
  owner: Hex
}

const amountForm = /^\d{1,30}(\.\d+)?$/

/** What somebody typed as units of the asset, or why it is none. */
export function readAmount(text: string, asset: Asset): { units: bigint } | { wrong: string } {
  if (asset.kind === 'nft') return { units: 1n }
  if (!amountForm.test(text)) return { wrong: 'An amount is a number such as 0.5.' }
  if ((text.split('.')[1] ?? '').length > asset.decimals) return { wrong: `${asset.symbol} has ${asset.decimals} decimals.` }
  const units = parseUnits(text, asset.decimals)
  if (units === 0n) return { wrong: 'Nothing would be moved.' }
  if (units > asset.held) return { wrong: 'The wallet holds less.' }
  return { units }
}

function callOf({ asset, units, from, to }: Move): { target: Hex; value: bigint; data: Hex } {
  if (asset.kind === 'native') return { target: to, value: units, data: '0x' }
  const data =
    asset.kind === 'token'
      ? encodeFunctionData({ abi: erc20Abi, functionName: 'transfer', args: [to, units] })
      : encodeFunctionData({ abi: erc721Abi, functionName: 'safeTransferFrom', args: [from, to, asset.tokenId] })
  return { target: asset.address, value: 0n, data }
}

export interface Simulation {
  gas: bigint
  /** Native tokens that the gas costs at most, as text. */
  cost: string
  data: Hex
}

/** Runs the move without sending it. @throws with words for people when it would fail */
export async function simulate(move: Move): Promise<Simulation> {
  const { target, value, data: inner } = callOf(move)
  const args = [target, value, inner, 0] as const
  const call = { address: move.from, abi: deviceAccountAbi, functionName: 'execute', args, account: move.owner } as const
  try {
    const { result } = await chain.simulateContract(call)
    // ERC-20: a token may answer false in place of a revert.
    if (move.asset.kind === 'token' && /^0x0*$/.test(result) && result !== '0x') throw new Error('The token refuses the transfer.')
    const [gas, price] = await Promise.all([chain.estimateContractGas(call), chain.getGasPrice()])
    return { gas, cost: formatEther(gas * price), data: encodeFunctionData({ abi: deviceAccountAbi, functionName: 'execute', args }) }
  } catch (error) {
    throw new Error(moveWords(error), { cause: error })
  }
}

const reverts: Readonly<Record<string, string>> = {
  DeviceAccount_NotOwner: 'Only the owner of the device may move this, and your account is not the owner any more.',
  DeviceAccount_IsLocked: 'The wallet is locked: nothing leaves before the lock ends.',
  ERC20InsufficientBalance: 'The wallet holds less than this.',
  ERC721IncorrectOwner: 'The wallet does not hold this NFT any more.',
  ERC721InvalidReceiver: 'The receiver cannot take NFTs.',
}

/** A failed call as plain words. */
export function moveWords(error: unknown): string {
  if (!(error instanceof BaseError)) return error instanceof Error ? error.message : 'It failed without a reason.'
  const reverted = error.walk((cause) => cause instanceof ContractFunctionRevertedError)
  if (reverted instanceof ContractFunctionRevertedError) {
    const name = reverted.data?.errorName ?? reverted.signature ?? ''
    return reverts[name] ?? `The chain would refuse this: ${reverted.reason ?? (name || 'no reason given')}.`
  }
  if (error.walk((cause) => cause instanceof InsufficientFundsError) !== null) return 'Your account has too little for the gas.'
  return `The chain could not be asked: ${error.shortMessage}`
}

/** Asks the wallet to send, and waits for the receipt. @throws with words for people */
export async function send(provider: Eip1193, move: Move, { data, gas }: Simulation, onSent: (hash: Hex) => void): Promise<Hex> {
  let hash: Hex
  try {
    // A fifth more than estimated: what other transactions change in between must not make it fail.
    const transaction = { from: move.owner, to: move.from, data, value: '0x0', gas: `0x${((gas * 6n) / 5n).toString(16)}` }
    hash = (await provider.request({ method: 'eth_sendTransaction', params: [transaction] })) as Hex
  } catch (error) {
    throw new Error(wordsOf(error), { cause: error })
  }
  onSent(hash)
  const receipt = await chain.waitForTransactionReceipt({ hash, timeout: 120_000, pollingInterval: 500 })
  if (receipt.status !== 'success') throw new Error('The transaction was mined but failed: nothing was moved.')
  return hash
}
