// SPDX-License-Identifier: Apache-2.0
/** Before a command spends: what it will send and what that costs at most, a question, then the transactions one after the other. */
import { createInterface } from 'node:readline/promises'
import {
  type Abi,
  type Address,
  type ContractFunctionName,
  encodeFunctionData,
  type EncodeFunctionDataParameters,
  formatEther,
  formatGwei,
  type Hex,
  type LocalAccount,
  type TransactionReceipt,
} from 'viem'
import { createLog } from '../../kit/log.ts'
import { callFailed, errorsOf } from '../../kit/reverts.ts'
import { type Call, createSender, type Request, type Sender } from '../../kit/sender.ts'
import { TrellisError } from '../../protocol/errors.ts'
import {
  certificateRegistryAbi,
  credentialRegistryAbi,
  dataKeyRegistryAbi,
  deviceAccountAbi,
  deviceNFTAbi,
  ioIDAbi,
  ioIDRegistryAbi,
  ioIDStoreAbi,
  projectAbi,
  projectRegistryAbi,
} from '../../protocol/generated/abi.ts'
import { jsonLine, printer } from '../print.ts'
import { advised } from './advice.ts'
import { accountFor, type KeyOptions, type NetworkOptions, type OpenNetwork } from './network.ts'

export interface SpendOptions extends NetworkOptions, KeyOptions {
  /** The question is answered already. */
  yes: boolean
}

/** A network and the key that pays on it. */
export interface Purse {
  network: OpenNetwork
  account: LocalAccount
}

/** Gas limit over the estimate, percent: state may move between the estimate and the block. */
const GAS_MARGIN = 125n

export interface Step {
  /** For the question, such as `register 0x… in project 7`. */
  what: string
  /** Made when its turn comes: it may need what an earlier step brought about. */
  call: () => Promise<Request> | Request
  /** Most gas that it takes, where it cannot be tried before the steps ahead of it are done. */
  gas?: bigint
  value?: bigint
  /** Told the receipt as soon as it is there. */
  done?: (receipt: TransactionReceipt) => void
}

/** What was sent. */
export interface Spent {
  transactions: Hex[]
  gasUsed: bigint
  /** Wei: gas, and value with it. */
  fee: bigint
  paid: bigint
}

const errors = errorsOf(
  certificateRegistryAbi,
  ioIDRegistryAbi,
  ioIDAbi,
  ioIDStoreAbi,
  projectAbi,
  projectRegistryAbi,
  deviceNFTAbi,
  dataKeyRegistryAbi,
  deviceAccountAbi,
  credentialRegistryAbi,
)

/** A step's call, checked against its ABI. */
export function callOf<const A extends Abi, N extends ContractFunctionName<A, 'nonpayable' | 'payable'>>(call: Call<A, N>): Request {
  const { address, functionName, value = 0n } = call as { address: Address; functionName: string; value?: bigint }
  return { to: address, data: encodeFunctionData(call as unknown as EncodeFunctionDataParameters), value, function: functionName }
}

export async function openPurse(network: OpenNetwork, options: KeyOptions): Promise<Purse> {
  return { network, account: await accountFor(network, options) }
}

/** Sends with the key of a purse, never for more a gas than was said. */
function spender({ network: { chain }, account }: Purse, maxFeePerGas: bigint): Sender {
  // Methods of the chain stay bound to it.
  const bounded = Object.create(chain, { maxFeePerGas: { value: maxFeePerGas } }) as typeof chain
  return createSender({ chain: bounded, key: { account }, errors, log: createLog('cli', 'silent') })
}

/**
 * Tries what can be tried, asks, and sends. A step that the chain refuses is told before anything is sent when nothing stands before it.
 * @param title  what all of it is, for the question
 * @throws TrellisError CALL_REVERTED | KEY_WITHOUT_FUNDS | CONFIRMATION_MISSING | NOT_CONFIRMED, and what `Sender.send` throws
 */
export async function carryOut(purse: Purse, title: string, steps: readonly Step[], options: SpendOptions): Promise<Spent> {
  return carryOutNow(purse, title, steps, options).catch((error: unknown) => {
    throw advised(error)
  })
}

async function carryOutNow(purse: Purse, title: string, steps: readonly Step[], options: SpendOptions): Promise<Spent> {
  const told = await ask(purse, title, steps, options)
  const sender = spender(purse, told.maxFeePerGas)
  const spent: Spent = { transactions: [], gasUsed: 0n, fee: 0n, paid: 0n }
  for (const [i, step] of steps.entries()) {
    const receipt = await sender.sendData({ ...(await step.call()), gas: told.gases[i]! })
    spent.transactions.push(receipt.transactionHash)
    spent.gasUsed += receipt.gasUsed
    spent.fee += receipt.gasUsed * receipt.effectiveGasPrice
    spent.paid += step.value ?? 0n
    printer(true).line(`  ${receipt.transactionHash}  ${step.what}`)
    step.done?.(receipt)
  }
  return spent
}

/** What was said of the cost: no transaction goes beyond it. */
interface Told {
  gases: bigint[]
  maxFeePerGas: bigint
}

async function ask({ network, account }: Purse, title: string, steps: readonly Step[], { yes }: SpendOptions): Promise<Told> {
  if (steps.length === 0) return { gases: [], maxFeePerGas: 0n }
  const { client, chain } = network
  const gases: bigint[] = []
  for (const [i, step] of steps.entries()) {
    // What comes later may need what comes first: the chain would refuse it now.
    gases.push(step.gas !== undefined && i > 0 ? step.gas : ((await tryOut(network, account, await step.call())) * GAS_MARGIN) / 100n)
  }
  const gas = gases.reduce((sum, each) => sum + each, 0n)
  const value = steps.reduce((sum, step) => sum + (step.value ?? 0n), 0n)
  const maxFeePerGas = await highestFee(network)
  const most = gas * maxFeePerGas + value
  const balance = await client.getBalance({ address: account.address })
  const print = printer(true)
  print.line(`${title}, on ${network.name} (chain ${chain.chainId}), as ${account.address}:`)
  const rows = steps.map(
    ({ what, value: pays }, i) => `  ${String(i + 1).padStart(3)}  ${what}${pays ? `, pays ${formatEther(pays)} coins (${pays} wei)` : ''}`,
  )
  // A long plan is told by its ends.
  for (const row of rows.length <= 12 ? rows : [...rows.slice(0, 6), `       … ${rows.length - 8} more …`, ...rows.slice(-2)])
    print.line(row)
  print.line(
    `  costs at most ${formatEther(most)} coins: ${formatEther(value)} paid, and ${gas} gas at up to ${formatGwei(maxFeePerGas)} gwei`,
  )
  if (balance < most)
    throw new TrellisError({
      code: 'KEY_WITHOUT_FUNDS',
      message: 'The key cannot pay for this.',
      details: { address: account.address, has: `${formatEther(balance)} coins`, needs: `${formatEther(most)} coins` },
      next: 'send this address coins of the chain',
    })
  const told = { gases, maxFeePerGas }
  if (yes) return told
  if (!process.stdin.isTTY)
    throw new TrellisError({
      code: 'CONFIRMATION_MISSING',
      message: 'Nothing was sent: there is no terminal to ask at.',
      next: 'read what it costs above, then run it again with --yes',
    })
  if (!(await confirmed({ input: process.stdin, output: process.stderr })))
    throw new TrellisError({ code: 'NOT_CONFIRMED', message: 'Nothing was sent.', next: 'answer y to go on' })
  return told
}

/** @throws TrellisError INTERRUPTED at Ctrl-C and Ctrl-D */
export async function confirmed(terminal: { input: NodeJS.ReadableStream; output: NodeJS.WritableStream }): Promise<boolean> {
  const lines = createInterface({ ...terminal, terminal: true })
  const end = Promise.withResolvers<never>()
  const interrupted = (): void =>
    end.reject(new TrellisError({ code: 'INTERRUPTED', message: 'Nothing was sent.', next: 'answer y to go on' }))
  lines.once('SIGINT', interrupted).once('close', interrupted)
  try {
    const answer = await Promise.race([lines.question('Go on? [y/N] '), end.promise])
    return /^y(es)?$/i.test(answer.trim())
  } finally {
    end.promise.catch(() => undefined)
    lines.close()
  }
}

/** Room for a market that rises while several transactions are on their way, and for sending one again. */
async function highestFee({ client, chain }: OpenNetwork): Promise<bigint> {
  const [{ baseFeePerGas }, tip] = await Promise.all([
    client.getFeeHistory({ blockCount: 1, rewardPercentiles: [] }),
    client.estimateMaxPriorityFeePerGas(),
  ])
  const base = baseFeePerGas.reduce((most, fee) => (fee > most ? fee : most), 0n)
  const fee = 3n * base + 2n * tip
  return fee < chain.maxFeePerGas ? fee : chain.maxFeePerGas
}

/** @throws TrellisError CALL_REVERTED with the contract's reason */
async function tryOut(
  { client, chain }: OpenNetwork,
  account: LocalAccount,
  { to, data, value, function: name }: Request,
): Promise<bigint> {
  try {
    return await client.estimateGas({ account: account.address, to, data, value })
  } catch (error) {
    throw callFailed(error, { to, function: name, rpcUrl: chain.rpcUrl }, errors)
  }
}

/** What was spent, for `--json`: wei as decimal strings. */
export function spentJson({ transactions, gasUsed, fee, paid }: Spent): Record<string, unknown> {
  return { transactions, gasUsed: gasUsed.toString(), fee: fee.toString(), paid: paid.toString() }
}

/** JSON with bigints as decimal strings, bare where one stands alone. */
export function jsonOf(value: unknown): string {
  return typeof value === 'bigint' ? value.toString() : jsonLine(value)
}

/** One line of JSON on stdout, or rows for people. */
export function tell(json: boolean, data: Record<string, unknown>): void {
  if (json) process.stdout.write(`${jsonOf(data)}\n`)
  else
    printer(false).table(
      Object.entries(data)
        .filter(([, value]) => value !== undefined && value !== null)
        .map(([name, value]) => [name, typeof value === 'string' ? value : jsonOf(value)]),
    )
}
