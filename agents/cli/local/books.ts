// SPDX-License-Identifier: Apache-2.0
/**
 * The books of a run, kept by ids and read from two sides: what the gateway accepted (its store, over HTTP) and what the chain settled and
 * paid (events). `check` is the equation between them; nothing here trusts the coordinator.
 */
import { type Address, getAddress, type Hex, parseAbiItem, type PublicClient, zeroAddress } from 'viem'
import { z } from 'zod'
import { addressOf, type Deployment } from '../../kit/deployment.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { ioIDAbi, projectStoreAbi, routerAbi, taskEscrowAbi, taskManagerAbi, telemetryDappAbi } from '../../protocol/generated/abi.ts'
import { channelIdOf, taskIdOf } from '../../protocol/ids.ts'
import { openTaskRecord } from '../../protocol/task-record.ts'
import { lanesFromHex, openWindow, readingsRoot, rootToHex } from '../../protocol/window.ts'

const hex = z.string().transform((text) => text.toLowerCase() as Hex)

const windowSchema = z.object({
  cursor: z.number(),
  root: hex,
  project: z.string(),
  device: hex,
  index: z.number().int(),
  firstSequence: z.string(),
  count: z.number().int(),
  firstTime: z.string(),
  channel: z.string(),
  lanes: z.string(),
})

const pageSchema = z.object({ items: z.array(windowSchema), next: z.number().nullable() })

const accountingSchema = z.object({
  acceptedReadings: z.number(),
  windowedReadings: z.number(),
  windows: z.number(),
  refused: z.record(z.string(), z.number()),
})

export type GatewayAccounting = z.output<typeof accountingSchema>
type StoredWindow = z.output<typeof windowSchema>
export type GatewayWindow = Pick<StoredWindow, 'cursor' | 'root' | 'project' | 'device' | 'index' | 'firstSequence' | 'count'> & {
  /** The readings that the store holds hash to the root that it gives. */
  intact: boolean
}

export interface SettledWindow {
  taskId: Hex
  device: Address
  window: number
  count: number
  /** Readings that the dapp recorded for this window; null where it recorded none. */
  recorded: number | null
  /** What the escrow paid for this task, one amount for each payment. */
  payments: bigint[]
  above: number
  max: number
  firstTime: bigint
  price: bigint
  transaction: Hex
  block: bigint
}

export interface WalletBook {
  device: Address
  wallet: Address
  windows: number
  readings: number
  /** Token units that the settled readings earn under the terms of their tasks. */
  due: bigint
  /** Token units that left the escrow for this wallet, and what waits there for it. */
  paid: bigint
}

export interface Books {
  project: bigint
  accounting: GatewayAccounting
  windows: (GatewayWindow & { taskId: Hex; settled: boolean })[]
  settled: SettledWindow[]
  alarms: { device: Address; window: number; above: number; max: number }[]
  wallets: WalletBook[]
  assignments: number
  recalls: number
  refusedItems: { taskId: Hex; reason: Hex }[]
  /** Gas of every transaction that settled something. */
  settlementGas: bigint
  /** Gas of every transaction that assigned something. */
  assignmentGas: bigint
}

export interface BooksSource {
  client: PublicClient
  deployment: Deployment
  gatewayUrl: string
  project: bigint
}

async function get<T>(url: string, schema: z.ZodType<T>): Promise<T> {
  const response = await fetch(url).catch((cause: unknown) => {
    throw new TrellisError({
      code: 'GATEWAY_SILENT',
      message: 'The gateway does not answer.',
      details: { url },
      next: 'npm run trellis -- status',
      retryable: true,
      cause,
    })
  })
  if (!response.ok)
    throw new TrellisError({ code: 'GATEWAY_REFUSED', message: `The gateway answered ${response.status}.`, details: { url } })
  return schema.parse(await response.json())
}

export const readAccounting = (gatewayUrl: string, project: bigint): Promise<GatewayAccounting> =>
  get(`${gatewayUrl}/v1/accounting?project=${project}`, accountingSchema)

async function readWindows(gatewayUrl: string, project: bigint): Promise<GatewayWindow[]> {
  const all: StoredWindow[] = []
  for (let after = 0; ;) {
    const { items, next } = await get(`${gatewayUrl}/v1/projects/${project}/windows?after=${after}&limit=500`, pageSchema)
    all.push(...items)
    const last = items.at(-1)
    if (last === undefined) return all.map((window) => ({ ...window, intact: isIntact(window) }))
    after = next ?? last.cursor
  }
}

/** The task, and with it the pay, hangs on the root: readings that do not hash to it are not the ones that were proven. */
function isIntact({ root, firstSequence, firstTime, channel, lanes: hexLanes, count }: StoredWindow): boolean {
  const lanes = lanesFromHex(hexLanes)
  if (lanes?.length !== count) return false
  const content = { firstSequence: Number(firstSequence), firstTime: Number(firstTime), channel: channelIdOf(channel), lanes }
  return openWindow(content).ok && rootToHex(readingsRoot(content)) === root
}

/** Accounting and windows of one moment: a window that came between the two reads would look like a mistake. */
async function readStore(gatewayUrl: string, project: bigint): Promise<{ accounting: GatewayAccounting; stored: GatewayWindow[] }> {
  for (let tries = 1; ; tries += 1) {
    const accounting = await readAccounting(gatewayUrl, project)
    const stored = await readWindows(gatewayUrl, project)
    const { windowedReadings } = await readAccounting(gatewayUrl, project)
    if (windowedReadings === accounting.windowedReadings || tries === STORE_TRIES) return { accounting, stored }
  }
}
const STORE_TRIES = 5

/**
 * Settlement goes on meanwhile: the chain is read after the gateway, so that nothing settled looks unknown, and as of one block, so that pay and
 * settlements belong together.
 */
export async function readBooks({ client, deployment, gatewayUrl, project }: BooksSource): Promise<Books> {
  const { accounting, stored } = await readStore(gatewayUrl, project)
  const toBlock = await client.getBlockNumber()
  const at = (name: string): EventPlace => ({
    address: addressOf(deployment, name),
    fromBlock: BigInt(deployment.contracts[name]?.block ?? 0),
    toBlock,
  })
  const [taskManager, router, dapp, escrow, store] = [
    at('TaskManager'),
    at('Router'),
    at('TelemetryDapp'),
    at('TaskEscrow'),
    at('ProjectStore'),
  ]
  const args = { projectId: project }
  const [assigned, recalled, settledEvents, refused, recorded, alarms, paid] = await Promise.all([
    client.getContractEvents({ ...taskManager, abi: taskManagerAbi, eventName: 'TaskAssigned', args }),
    client.getContractEvents({ ...taskManager, abi: taskManagerAbi, eventName: 'TaskRecalled', args }),
    client.getContractEvents({ ...taskManager, abi: taskManagerAbi, eventName: 'TaskSettled', args }),
    client.getContractEvents({ ...router, abi: routerAbi, eventName: 'ItemRefused', args }),
    client.getContractEvents({ ...dapp, abi: telemetryDappAbi, eventName: 'WindowRecorded', args }),
    client.getContractEvents({ ...dapp, abi: telemetryDappAbi, eventName: 'Alarm', args }),
    client.getContractEvents({ ...escrow, abi: taskEscrowAbi, eventName: 'TaskPaid' }),
  ])
  const payments = Map.groupBy(paid, (event) => event.args.taskId!)

  const chainId = deployment.chainId
  const withTask = stored.map((window) => ({
    ...window,
    taskId: taskIdOf({
      chainId,
      taskManager: taskManager.address,
      project,
      device: window.device,
      window: window.index,
      root: window.root,
    }),
  }))
  const byTask = new Map<Hex, (typeof withTask)[number]>(withTask.map((window) => [window.taskId, window]))
  const statistics = new Map(recorded.map((event) => [`${event.args.device!.toLowerCase()}/${event.args.window!}`, event.args]))

  const prices = new Map<number, bigint>()
  const settled: SettledWindow[] = []
  for (const event of settledEvents) {
    const taskId = event.args.taskId!
    const window = byTask.get(taskId)
    const record = await client.readContract({
      address: taskManager.address,
      abi: taskManagerAbi,
      functionName: 'recordOf',
      args: [taskId],
    })
    const version = openTaskRecord(record).termsVersion
    let price = prices.get(version)
    if (price === undefined) {
      const terms = await client.readContract({
        address: store.address,
        abi: projectStoreAbi,
        functionName: 'terms',
        args: [project, version],
      })
      price = terms.pricePerReading
      prices.set(version, price)
    }
    const known = window === undefined ? undefined : statistics.get(`${window.device}/${window.index}`)
    settled.push({
      taskId,
      device: getAddress(window?.device ?? zeroAddress),
      window: window?.index ?? -1,
      count: window?.count ?? 0,
      recorded: known?.count ?? null,
      payments: (payments.get(taskId) ?? []).map((event) => event.args.devicePay!),
      above: known?.above ?? 0,
      max: known?.max ?? 0,
      firstTime: known?.firstTime ?? 0n,
      price,
      transaction: event.transactionHash,
      block: event.blockNumber,
    })
  }
  const settledIds = new Set(settled.map(({ taskId }) => taskId))

  const gasOf = async (hashes: readonly Hex[]): Promise<bigint> => {
    const receipts = await Promise.all([...new Set(hashes)].map((hash) => client.getTransactionReceipt({ hash })))
    return receipts.reduce((sum, receipt) => sum + receipt.gasUsed, 0n)
  }

  return {
    project,
    accounting,
    windows: withTask.map((window) => ({ ...window, settled: settledIds.has(window.taskId) })),
    settled,
    alarms: alarms.map(({ args: alarm }) => ({ device: alarm.device!, window: alarm.window!, above: alarm.above!, max: alarm.max! })),
    wallets: await readWallets(client, deployment, stored, settled, escrow),
    assignments: assigned.length,
    recalls: recalled.length,
    refusedItems: refused.map(({ args: item }) => ({ taskId: item.taskId!, reason: item.reason! })),
    settlementGas: await gasOf(settled.map(({ transaction }) => transaction)),
    assignmentGas: await gasOf(assigned.map(({ transactionHash }) => transactionHash)),
  }
}

interface EventPlace {
  address: Address
  fromBlock: bigint
  toBlock: bigint
}

const transferEvent = parseAbiItem('event Transfer(address indexed from, address indexed to, uint256 value)')

async function readWallets(
  client: PublicClient,
  deployment: Deployment,
  stored: readonly GatewayWindow[],
  settled: readonly SettledWindow[],
  escrow: EventPlace,
): Promise<WalletBook[]> {
  const token = addressOf(deployment, 'TestToken')
  const ioID = addressOf(deployment, 'IoID')
  // Devices of the store, also those without a settlement: they are due nothing, so whatever was paid to them is a mistake.
  const devices = [...new Set(stored.map(({ device }) => getAddress(device)))].sort()
  return Promise.all(
    devices.map(async (device) => {
      const own = settled.filter((window) => window.device === device)
      const wallet = await client.readContract({
        address: ioID,
        abi: ioIDAbi,
        functionName: 'wallet',
        args: [`did:io:${device.toLowerCase()}`],
      })
      const transfers = await client.getLogs({
        address: token,
        event: transferEvent,
        args: { from: escrow.address, to: wallet },
        fromBlock: escrow.fromBlock,
        toBlock: escrow.toBlock,
      })
      const waiting = await client.readContract({
        address: escrow.address,
        abi: taskEscrowAbi,
        functionName: 'credited',
        args: [token, wallet],
        blockNumber: escrow.toBlock,
      })
      return {
        device,
        wallet,
        windows: own.length,
        readings: own.reduce((sum, { count }) => sum + count, 0),
        due: own.reduce((sum, { count, price }) => sum + BigInt(count) * price, 0n),
        paid: transfers.reduce((sum, { args }) => sum + (args.value ?? 0n), 0n) + waiting,
      }
    }),
  )
}

export interface Audit {
  accepted: number
  settled: number
  /** In windows that are accepted and not settled yet. */
  pending: number
  /** Accepted singly and not part of a window yet. */
  open: number
  /** In windows that another root beat to their place: accepted, and never settled. */
  refusedAfterAccept: number
  problems: string[]
}

/** accepted = settled + pending + open + refused-after-accept; every settlement has its window, once; paid = due for every wallet. */
export function check(books: Books): Audit {
  const problems: string[] = []
  const count = (windows: readonly { count: number }[]): number => windows.reduce((sum, window) => sum + window.count, 0)
  const place = (window: { device: string; index: number }): string => `${window.device.toLowerCase()}/${window.index}`
  const settledPlaces = new Set(books.windows.filter((window) => window.settled).map(place))
  const settled = books.windows.filter((window) => window.settled)
  const refused = books.windows.filter((window) => !window.settled && settledPlaces.has(place(window)))
  const pending = books.windows.filter((window) => !window.settled && !settledPlaces.has(place(window)))

  const seen = new Map<Hex, number>()
  for (const { taskId } of books.settled) seen.set(taskId, (seen.get(taskId) ?? 0) + 1)
  for (const [taskId, times] of seen) if (times > 1) problems.push(`task ${taskId} settled ${times} times`)
  const known = new Set(books.windows.map(({ taskId }) => taskId))
  for (const { taskId } of books.settled)
    if (!known.has(taskId)) problems.push(`task ${taskId} settled, but the gateway never accepted its window`)
  const places = new Map<string, number>()
  for (const window of settled) places.set(place(window), (places.get(place(window)) ?? 0) + 1)
  for (const [name, times] of places) if (times > 1) problems.push(`window ${name} settled under ${times} roots`)
  for (const [device, windows] of Map.groupBy(books.windows, (window) => window.device)) {
    const sequences = windows
      .map((window) => ({ from: BigInt(window.firstSequence), to: BigInt(window.firstSequence) + BigInt(window.count) }))
      .sort((a, b) => (a.from < b.from ? -1 : 1))
    sequences.forEach(({ from }, i) => {
      const before = sequences[i - 1]
      const end = before?.to ?? 0n
      if (from < end) problems.push(`readings ${from} to ${end - 1n} of ${device} lie in two windows`)
      if (from > end) problems.push(`readings ${end} to ${from - 1n} of ${device} lie in no window`)
    })
  }
  for (const window of books.windows)
    if (!window.intact) problems.push(`the readings of window ${place(window)} in the store are not those of its root ${window.root}`)
  for (const { taskId, window, count: readings, recorded, payments, price } of books.settled) {
    if (!known.has(taskId)) continue
    if (recorded !== null && recorded !== readings)
      problems.push(`task ${taskId} was proven for ${recorded} readings, the store has ${readings} in window ${window}`)
    if (payments.length !== 1) problems.push(`task ${taskId} was paid ${payments.length} times`)
    const [amount = 0n] = payments
    if (payments.length === 1 && amount !== BigInt(readings) * price)
      problems.push(`task ${taskId} earned ${BigInt(readings) * price} and was paid ${amount}`)
  }
  for (const { wallet, due, paid } of books.wallets) if (due !== paid) problems.push(`wallet ${wallet} is due ${due} and was paid ${paid}`)

  const { acceptedReadings, windowedReadings } = books.accounting
  const audit: Audit = {
    accepted: acceptedReadings,
    settled: count(settled),
    pending: count(pending),
    open: acceptedReadings - windowedReadings,
    refusedAfterAccept: count(refused),
    problems,
  }
  if (audit.open < 0)
    problems.push(`the store accounts for ${acceptedReadings} accepted readings, and for ${windowedReadings} of them in windows`)
  if (count(books.windows) !== windowedReadings)
    problems.push(`the store lists ${count(books.windows)} readings in windows, its accounting says ${windowedReadings}`)
  if (audit.accepted !== audit.settled + audit.pending + audit.open + audit.refusedAfterAccept) {
    problems.push(
      `${audit.accepted} accepted is not ${audit.settled} settled + ${audit.pending} pending + ${audit.open} open + ${audit.refusedAfterAccept} refused after acceptance`,
    )
  }
  return audit
}
