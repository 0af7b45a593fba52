// SPDX-License-Identifier: Apache-2.0
/**
 * The books of a project, read from both sides as of one block. Logs are read in pages of blocks; of other projects only what shares an account with
 * this one is kept: fees are credited per account, so an account's due is over every project it works for.
 */
import { type Address, decodeFunctionData, getAddress, type Hex, parseAbiItem, type PublicClient, zeroAddress } from 'viem'
import { addressOf, type Deployment } from '../../kit/deployment.ts'
import { rpcFailed } from '../../kit/errors.ts'
import {
  ioIDAbi,
  projectStoreAbi,
  proverStoreAbi,
  routerAbi,
  taskEscrowAbi,
  taskManagerAbi,
  telemetryDappAbi,
} from '../../protocol/generated/abi.ts'
import { openTaskRecord } from '../../protocol/task-record.ts'
import type { AccountBook, Books, PurseBook, SettledWindow, WalletBook } from './books.ts'
import { type GatewayWindow, readDeadLetters, readStores } from './books-stores.ts'

export interface BooksSource {
  client: PublicClient
  deployment: Deployment
  gatewayUrls: readonly string[]
  /** For the reasons of tasks that were put aside; none are asked when it is empty. */
  coordinatorUrls?: readonly string[]
  project: bigint
  /** Reads a receipt per transaction of this project. */
  gas?: boolean
}

/** Blocks per request at first; halved where a provider gives fewer. */
const LOG_RANGE = 5_000n
const AT_ONCE = 50

const transferEvent = parseAbiItem('event Transfer(address indexed from, address indexed to, uint256 value)')

/** Settlement goes on meanwhile: the chain is read after the stores, so that nothing settled looks unknown. */
export async function readBooks({
  client,
  deployment,
  gatewayUrls,
  coordinatorUrls = [],
  project,
  gas = false,
}: BooksSource): Promise<Books> {
  const taskManager = addressOf(deployment, 'TaskManager')
  const escrow = addressOf(deployment, 'TaskEscrow')
  const dead = await readDeadLetters(coordinatorUrls)
  const { stores, windows } = await readStores(gatewayUrls, { chainId: deployment.chainId, taskManager, project })
  const toBlock = await client.getBlockNumber().catch((error: unknown) => Promise.reject(rpcFailed(rpcOf(client), error)))
  const chain: Reader = { client, deployment, toBlock }

  const tasks = await readTasks(chain, project)
  const money = await readMoney(chain, project)
  const terms = termsReader(chain)
  const beneficiaryAt = await readBeneficiaries(chain)
  const results = await readResults(chain, project)

  const settled: SettledWindow[] = []
  const fees = new Map<string, AccountBook>()
  const wallets = await readWallets(client, deployment, [...windows.values()])
  const walletOf = new Map(wallets.map(({ device, wallet }) => [device.toLowerCase(), wallet]))
  const sequencerOf = sequencers(chain, tasks.assigned)
  for (const page of pagesOf(tasks.settled, AT_ONCE)) {
    const versions = await Promise.all(page.map(({ taskId }) => versionOf(client, taskManager, taskId)))
    for (const [i, event] of page.entries()) {
      const { taskId, projectId, prover } = event
      const rates = await terms(projectId, versions[i]!)
      const beneficiary = beneficiaryAt(prover, event)
      const sequencer = await sequencerOf(event)
      const earned: [AccountBook['role'], Address | null, bigint][] = [
        ['prover', beneficiary, rates.proverFee],
        ['sequencer', sequencer, rates.sequencerFee],
      ]
      for (const [role, account, fee] of earned) credit(fees, { token: rates.token, account: account ?? zeroAddress, role, fee, taskId })
      if (projectId !== project) continue
      const window = windows.get(taskId)
      const known = window === undefined ? undefined : results.recorded.get(`${window.device}/${window.index}`)
      settled.push({
        taskId,
        device: getAddress(window?.device ?? zeroAddress),
        window: window?.index ?? -1,
        count: window?.count ?? 0,
        wallet: window === undefined ? zeroAddress : (walletOf.get(window.device) ?? zeroAddress),
        recorded: known?.count ?? null,
        payments: money.payments.get(taskId) ?? [],
        assigned: tasks.assigned.has(taskId),
        above: known?.above ?? 0,
        max: known?.max ?? 0,
        firstTime: known?.firstTime ?? 0n,
        price: rates.pricePerReading,
        fees: rates.proverFee + rates.sequencerFee,
        token: rates.token,
        transaction: event.transaction,
        block: event.block,
      })
    }
  }

  const newest = await client.readContract({
    address: addressOf(deployment, 'ProjectStore'),
    abi: projectStoreAbi,
    functionName: 'termsVersion',
    args: [project],
  })
  const tokens = [...new Set([...settled.map(({ token }) => token), ...(newest === 0 ? [] : [(await terms(project, newest)).token])])]
  const done = new Set(settled.map(({ taskId }) => taskId))
  const own = [...fees.values()].filter(({ tasks: ids }) => ids.some((id) => done.has(id)))
  const ofProject = new Set([...tasks.assigned.values()].filter(({ projectId }) => projectId === project).map(({ taskId }) => taskId))

  return {
    project,
    stores,
    accounting: {
      // Readings that no window holds yet are of one store each; windows may lie in two and count once.
      acceptedReadings:
        sum([...windows.values()].map(({ count }) => count)) +
        sum(stores.map(({ accounting }) => accounting.acceptedReadings - accounting.windowedReadings)),
      windowedReadings: sum([...windows.values()].map(({ count }) => count)),
      windows: windows.size,
      refused: stores.reduce<Record<string, number>>((all, { accounting }) => {
        for (const [reason, count] of Object.entries(accounting.refused)) all[reason] = (all[reason] ?? 0) + count
        return all
      }, {}),
    },
    windows: [...windows.values()].map((window) => ({
      ...window,
      settled: done.has(window.taskId),
      dead: done.has(window.taskId) ? null : (dead.get(window.taskId) ?? null),
    })),
    settled,
    alarms: results.alarms,
    wallets: (await Promise.all(tokens.map((token) => readPay(chain, token, escrow, wallets, settled, money)))).flat(),
    fees: await readCredits(chain, escrow, own, money),
    purses: await Promise.all(tokens.map((token) => readPurse(chain, token, escrow, project, settled, tasks, money, ofProject))),
    strayPayments: [...money.payments]
      .filter(([taskId]) => ofProject.has(taskId) && !done.has(taskId))
      .flatMap(([taskId, payments]) => payments.map((payment) => ({ taskId, ...payment }))),
    assignments: tasks.assignments,
    recalls: tasks.recalls,
    refusedItems: results.refusedItems,
    settlementGas: gas ? await gasOf(client, [...new Set(settled.map(({ transaction }) => transaction))]) : 0n,
    assignmentGas: gas ? await gasOf(client, [...tasks.assigning]) : 0n,
  }
}

export interface Reader {
  client: PublicClient
  deployment: Deployment
  toBlock: bigint
}

interface Place {
  block: bigint
  index: number
}

const rpcOf = (client: PublicClient): string => (client.transport as { url?: string }).url ?? ''
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const total = (values: readonly bigint[]): bigint => values.reduce((all, value) => all + value, 0n)
const before = (a: Place, b: Place): boolean => a.block < b.block || (a.block === b.block && a.index < b.index)

function* pagesOf<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size)
}

/** Calls `read` with ranges that follow each other up to `toBlock`; a range that a provider refuses is halved, down to one block. */
export async function inRanges(
  { client, deployment, toBlock }: Reader,
  contract: string,
  read: (from: bigint, to: bigint) => Promise<void>,
) {
  let width = LOG_RANGE
  for (let from = BigInt(deployment.contracts[contract]?.block ?? 0); from <= toBlock;) {
    const to = from + width - 1n < toBlock ? from + width - 1n : toBlock
    try {
      await read(from, to)
      from = to + 1n
      if (width < LOG_RANGE) width *= 2n
    } catch (error) {
      if (width === 1n) throw rpcFailed(rpcOf(client), error)
      width /= 2n
    }
  }
}

interface Assigned extends Place {
  taskId: Hex
  projectId: bigint
  transaction: Hex
}

interface Settled extends Place {
  taskId: Hex
  projectId: bigint
  prover: Address
  transaction: Hex
}

interface Tasks {
  /** The newest assignment of each task. */
  assigned: Map<Hex, Assigned>
  settled: Settled[]
  /** Of this project. */
  assignments: number
  recalls: number
  assigning: Set<Hex>
}

async function readTasks(chain: Reader, project: bigint): Promise<Tasks> {
  const { client, deployment } = chain
  const address = addressOf(deployment, 'TaskManager')
  const found: Tasks = { assigned: new Map(), settled: [], assignments: 0, recalls: 0, assigning: new Set() }
  await inRanges(chain, 'TaskManager', async (fromBlock, toBlock) => {
    const at = { address, abi: taskManagerAbi, fromBlock, toBlock, strict: true } as const
    const [assigned, recalled, settled] = await Promise.all([
      client.getContractEvents({ ...at, eventName: 'TaskAssigned' }),
      client.getContractEvents({ ...at, eventName: 'TaskRecalled', args: { projectId: project } }),
      client.getContractEvents({ ...at, eventName: 'TaskSettled' }),
    ])
    for (const { args, transactionHash, blockNumber, logIndex } of assigned) {
      const { taskId, projectId } = args
      found.assigned.set(taskId, { taskId, projectId, transaction: transactionHash, block: blockNumber, index: logIndex })
      if (projectId !== project) continue
      found.assignments += 1
      found.assigning.add(transactionHash)
    }
    found.recalls += recalled.length
    for (const { args, transactionHash, blockNumber, logIndex } of settled)
      found.settled.push({ ...args, transaction: transactionHash, block: blockNumber, index: logIndex })
  })
  return found
}

interface Payment {
  wallet: Address
  amount: bigint
}

interface Money {
  payments: Map<Hex, Payment[]>
  held: Map<Hex, bigint>
  /** By token and account, lower case. */
  claimed: Map<string, bigint>
  claimedBy: Map<string, bigint>
  pushFailed: Map<string, bigint>
  withdrawnTo: Map<string, bigint>
  /** Of this project, by token. */
  deposited: Map<string, bigint>
  withdrawn: Map<string, bigint>
}

const keyOf = (token: string, account = ''): string => `${token}/${account}`.toLowerCase()

async function readMoney(chain: Reader, project: bigint): Promise<Money> {
  const { client, deployment } = chain
  const address = addressOf(deployment, 'TaskEscrow')
  const maps = {
    claimed: new Map(),
    claimedBy: new Map(),
    pushFailed: new Map(),
    withdrawnTo: new Map(),
    deposited: new Map(),
    withdrawn: new Map(),
  }
  const found: Money = { payments: new Map(), held: new Map(), ...(maps as Record<keyof typeof maps, Map<string, bigint>>) }
  const add = (map: Map<string, bigint>, key: string, amount: bigint): void => void map.set(key, (map.get(key) ?? 0n) + amount)
  await inRanges(chain, 'TaskEscrow', async (fromBlock, toBlock) => {
    const events = await client.getContractEvents({ address, abi: taskEscrowAbi, fromBlock, toBlock, strict: true })
    for (const event of events) {
      if (event.eventName === 'TaskPaid') {
        const { taskId, wallet, devicePay } = event.args
        found.payments.set(taskId, [...(found.payments.get(taskId) ?? []), { wallet, amount: devicePay }])
      } else if (event.eventName === 'Held') found.held.set(event.args.taskId, event.args.amount)
      else if (event.eventName === 'Released') found.held.delete(event.args.taskId)
      else if (event.eventName === 'PushFailed') add(found.pushFailed, keyOf(event.args.token, event.args.wallet), event.args.amount)
      else if (event.eventName === 'Claimed') {
        const { token, account, to, amount } = event.args
        add(found.claimedBy, keyOf(token, account), amount)
        add(found.claimed, keyOf(token, to), amount)
      } else if (event.eventName === 'Withdrawn') {
        const { token, to, amount, projectId } = event.args
        add(found.withdrawnTo, keyOf(token, to), amount)
        if (projectId === project) add(found.withdrawn, keyOf(token), amount)
      } else if (event.eventName === 'Deposited' && event.args.projectId === project) {
        add(found.deposited, keyOf(event.args.token), event.args.amount)
      }
    }
  })
  return found
}

interface Rates {
  token: Address
  pricePerReading: bigint
  proverFee: bigint
  sequencerFee: bigint
}

/** Terms are frozen per version: each is read once. */
function termsReader({ client, deployment }: Reader): (project: bigint, version: number) => Promise<Rates> {
  const address = addressOf(deployment, 'ProjectStore')
  const known = new Map<string, Promise<Rates>>()
  return (project, version) => {
    const key = `${project}/${version}`
    const found = known.get(key) ?? client.readContract({ address, abi: projectStoreAbi, functionName: 'terms', args: [project, version] })
    known.set(key, found)
    return found
  }
}

async function versionOf(client: PublicClient, address: Address, taskId: Hex): Promise<number> {
  const word = await client.readContract({ address, abi: taskManagerAbi, functionName: 'recordOf', args: [taskId] })
  return openTaskRecord(word).termsVersion
}

/** Who took a prover's fees at a place of the chain; null where it was never registered. */
async function readBeneficiaries(chain: Reader): Promise<(prover: Address, at: Place) => Address | null> {
  const { client, deployment } = chain
  const address = addressOf(deployment, 'ProverStore')
  const set = new Map<string, (Place & { beneficiary: Address })[]>()
  await inRanges(chain, 'ProverStore', async (fromBlock, toBlock) => {
    const events = await client.getContractEvents({
      address,
      abi: proverStoreAbi,
      eventName: 'BeneficiarySet',
      fromBlock,
      toBlock,
      strict: true,
    })
    for (const { args, blockNumber, logIndex } of events) {
      const key = args.prover.toLowerCase()
      set.set(key, [...(set.get(key) ?? []), { block: blockNumber, index: logIndex, beneficiary: args.beneficiary }])
    }
  })
  return (prover, at) => (set.get(prover.toLowerCase()) ?? []).findLast((change) => before(change, at))?.beneficiary ?? null
}

/**
 * The sequencer of a settled task: what its assignment named, in the transaction's own input; where a contract called for somebody, what the hold said
 * in the block before the settlement. Null when neither can be read.
 */
function sequencers({ client, deployment }: Reader, assigned: Tasks['assigned']): (task: Settled) => Promise<Address | null> {
  const taskManager = addressOf(deployment, 'TaskManager')
  const named = new Map<Hex, Promise<Address | null>>()
  const read = async (hash: Hex): Promise<Address | null> => {
    const { to, input } = await client.getTransaction({ hash })
    if (to?.toLowerCase() !== taskManager.toLowerCase()) return null
    const call = decodeFunctionData({ abi: taskManagerAbi, data: input })
    return call.functionName === 'assign' ? call.args[1] : null
  }
  const fromHold = async ({ taskId, projectId, block }: Settled): Promise<Address | null> => {
    const blockNumber = block - 1n
    const store = { address: addressOf(deployment, 'ProjectStore'), abi: projectStoreAbi } as const
    const version = await versionOf(client, taskManager, taskId)
    const token = await client.readContract({ ...store, functionName: 'tokenOf', args: [projectId, version] })
    const escrow = { address: addressOf(deployment, 'TaskEscrow'), abi: taskEscrowAbi } as const
    const [sequencer] = await client.readContract({ ...escrow, functionName: 'holdOf', args: [projectId, token, taskId], blockNumber })
    return sequencer === zeroAddress ? null : sequencer
  }
  return async (task) => {
    const assignment = assigned.get(task.taskId)
    if (assignment === undefined || !before(assignment, task)) return null
    const found = named.get(assignment.transaction) ?? read(assignment.transaction).catch(() => null)
    named.set(assignment.transaction, found)
    return (await found) ?? (await fromHold(task).catch(() => null))
  }
}

interface Earned {
  token: Address
  account: Address
  role: AccountBook['role']
  fee: bigint
  taskId: Hex
}

function credit(fees: Map<string, AccountBook>, { token, account, role, fee, taskId }: Earned): void {
  if (fee === 0n) return
  const key = keyOf(token, account)
  const book = fees.get(key) ?? { token, account, role, due: 0n, paid: 0n, tasks: [] }
  book.due += fee
  book.tasks.push(taskId)
  if (book.role !== role) book.role = 'both'
  fees.set(key, book)
}

/** What was credited to each account: what waits, and what it claimed, without the pay of a wallet that took no transfer. */
async function readCredits({ client, toBlock }: Reader, escrow: Address, fees: AccountBook[], money: Money): Promise<AccountBook[]> {
  const read = async (book: AccountBook): Promise<AccountBook> => {
    const { token, account } = book
    const args = [token, account] as const
    const waiting = await client.readContract({ address: escrow, abi: taskEscrowAbi, functionName: 'credited', args, blockNumber: toBlock })
    const key = keyOf(token, account)
    return { ...book, paid: waiting + (money.claimedBy.get(key) ?? 0n) - (money.pushFailed.get(key) ?? 0n) }
  }
  const books: AccountBook[] = []
  for (const page of pagesOf(fees, AT_ONCE)) books.push(...(await Promise.all(page.map(read))))
  return books.sort((a, b) => (a.account < b.account ? -1 : 1))
}

async function readPurse(
  { client, toBlock }: Reader,
  token: Address,
  escrow: Address,
  project: bigint,
  settled: readonly SettledWindow[],
  tasks: Tasks,
  money: Money,
  ofProject: ReadonlySet<Hex>,
): Promise<PurseBook> {
  const args = [token, project] as const
  const free = await client.readContract({ address: escrow, abi: taskEscrowAbi, functionName: 'balanceOf', args, blockNumber: toBlock })
  const done = new Set(settled.map(({ taskId }) => taskId))
  const open = [...money.held].filter(([taskId]) => ofProject.has(taskId) && !done.has(taskId) && tasks.assigned.has(taskId))
  return {
    token,
    deposited: money.deposited.get(keyOf(token)) ?? 0n,
    withdrawn: money.withdrawn.get(keyOf(token)) ?? 0n,
    held: total(open.map(([, amount]) => amount)),
    spent: total(settled.map((task) => (task.token === token ? task.price * BigInt(task.count) + task.fees : 0n))),
    free,
  }
}

/** Devices of the stores, also those without a settlement: they are due nothing, so whatever was paid to them is a mistake. */
async function readWallets(
  client: PublicClient,
  deployment: Deployment,
  stored: readonly GatewayWindow[],
): Promise<{ device: Address; wallet: Address }[]> {
  const ioID = addressOf(deployment, 'IoID')
  const devices = [...new Set(stored.map(({ device }) => getAddress(device)))].sort()
  const found: { device: Address; wallet: Address }[] = []
  const read = async (device: Address): Promise<{ device: Address; wallet: Address }> => {
    const args = [`did:io:${device.toLowerCase()}`] as const
    return { device, wallet: await client.readContract({ address: ioID, abi: ioIDAbi, functionName: 'wallet', args }) }
  }
  for (const page of pagesOf(devices, AT_ONCE)) found.push(...(await Promise.all(page.map(read))))
  return found
}

/** Pay of each wallet in one token: what is due by its tasks, and what left the escrow for it or waits there. Claims of others and withdrawals are no pay. */
async function readPay(
  chain: Reader,
  token: Address,
  escrow: Address,
  wallets: readonly { device: Address; wallet: Address }[],
  settled: readonly SettledWindow[],
  money: Money,
): Promise<WalletBook[]> {
  const { client } = chain
  const wanted = new Set(wallets.map(({ wallet }) => wallet.toLowerCase()))
  const moved = new Map<string, bigint>()
  if (wanted.size > 0) {
    await inRanges(chain, 'TaskEscrow', async (fromBlock, toBlock) => {
      const logs = await client.getLogs({ address: token, event: transferEvent, args: { from: escrow }, fromBlock, toBlock, strict: true })
      for (const { args } of logs) {
        const to = args.to.toLowerCase()
        if (wanted.has(to)) moved.set(to, (moved.get(to) ?? 0n) + args.value)
      }
    })
  }
  const tasks = Map.groupBy(
    settled.filter((task) => task.token === token),
    ({ device }) => device,
  )
  return wallets.map(({ device, wallet }) => {
    const own = tasks.get(device) ?? []
    const key = keyOf(token, wallet)
    const direct = (moved.get(wallet.toLowerCase()) ?? 0n) - (money.claimed.get(key) ?? 0n) - (money.withdrawnTo.get(key) ?? 0n)
    return {
      device,
      wallet,
      token,
      windows: own.length,
      readings: own.reduce((all, { count }) => all + count, 0),
      due: total(own.map(({ count, price }) => BigInt(count) * price)),
      paid: direct + (money.pushFailed.get(key) ?? 0n),
    }
  })
}

interface Results {
  recorded: Map<string, { count: number; above: number; max: number; firstTime: bigint }>
  alarms: Books['alarms']
  refusedItems: Books['refusedItems']
}

/** What router and dapp said of this project. A project may have another receiver, so what is not there is no mistake. */
async function readResults(chain: Reader, project: bigint): Promise<Results> {
  const { client, deployment } = chain
  const found: Results = { recorded: new Map(), alarms: [], refusedItems: [] }
  const args = { projectId: project }
  const router = addressOf(deployment, 'Router')
  await inRanges(chain, 'Router', async (fromBlock, toBlock) => {
    const at = { address: router, abi: routerAbi, fromBlock, toBlock, strict: true } as const
    const refused = await client.getContractEvents({ ...at, eventName: 'ItemRefused', args })
    found.refusedItems.push(...refused.map(({ args: { taskId, reason } }) => ({ taskId, reason })))
  })
  const dapp = deployment.contracts['TelemetryDapp']?.address
  if (dapp === undefined) return found
  await inRanges(chain, 'TelemetryDapp', async (fromBlock, toBlock) => {
    const at = { address: dapp, abi: telemetryDappAbi, fromBlock, toBlock, strict: true } as const
    const [recorded, alarms] = await Promise.all([
      client.getContractEvents({ ...at, eventName: 'WindowRecorded', args }),
      client.getContractEvents({ ...at, eventName: 'Alarm', args }),
    ])
    for (const { args: result } of recorded) {
      const { device, window, count, above, max, firstTime } = result
      found.recorded.set(`${device.toLowerCase()}/${window}`, { count, above, max, firstTime })
    }
    found.alarms.push(...alarms.map(({ args: { device, window, above, max } }) => ({ device, window, above, max })))
  })
  return found
}

async function gasOf(client: PublicClient, hashes: readonly Hex[]): Promise<bigint> {
  let gas = 0n
  for (const page of pagesOf(hashes, AT_ONCE)) {
    const receipts = await Promise.all(page.map((hash) => client.getTransactionReceipt({ hash })))
    gas += total(receipts.map(({ gasUsed }) => gasUsed))
  }
  return gas
}
