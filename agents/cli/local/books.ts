// SPDX-License-Identifier: Apache-2.0
/**
 * The books of a run, kept by ids and read from two sides: what the gateway accepted (its store, over HTTP) and what the chain settled and
 * paid (events). `check` is the equation between them; nothing here trusts the coordinator.
 */
import { type Address, getAddress, type Hex, parseAbiItem, type PublicClient } from 'viem'
import { z } from 'zod'
import { addressOf, type Deployment } from '../../kit/deployment.ts'
import { TrellisError } from '../../protocol/errors.ts'
import { ioIDAbi, projectStoreAbi, routerAbi, taskEscrowAbi, taskManagerAbi, telemetryDappAbi } from '../../protocol/generated/abi.ts'
import { taskIdOf } from '../../protocol/ids.ts'

const hex = z.string().transform((text) => text.toLowerCase() as Hex)

const windowSchema = z.object({
  cursor: z.number(),
  root: hex,
  project: z.string(),
  device: hex,
  index: z.number().int(),
  firstSequence: z.string(),
  count: z.number().int(),
})

const pageSchema = z.object({ items: z.array(windowSchema), next: z.number().nullable() })

const accountingSchema = z.object({
  acceptedReadings: z.number(),
  windowedReadings: z.number(),
  windows: z.number(),
  refused: z.record(z.string(), z.number()),
})

export type GatewayAccounting = z.output<typeof accountingSchema>
export type GatewayWindow = z.output<typeof windowSchema>

export interface SettledWindow {
  taskId: Hex
  device: Address
  window: number
  count: number
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
  const all: GatewayWindow[] = []
  for (let after = 0; ;) {
    const { items, next } = await get(`${gatewayUrl}/v1/projects/${project}/windows?after=${after}&limit=500`, pageSchema)
    all.push(...items)
    const last = items.at(-1)
    if (last === undefined) return all
    after = next ?? last.cursor
  }
}

/** Reads everything at once. Settlement goes on meanwhile: the chain is read after the gateway, so that nothing settled looks unknown. */
export async function readBooks({ client, deployment, gatewayUrl, project }: BooksSource): Promise<Books> {
  const at = (name: string): { address: Address; fromBlock: bigint } => ({
    address: addressOf(deployment, name),
    fromBlock: BigInt(deployment.contracts[name]?.block ?? 0),
  })
  const [taskManager, router, dapp, escrow, store] = [
    at('TaskManager'),
    at('Router'),
    at('TelemetryDapp'),
    at('TaskEscrow'),
    at('ProjectStore'),
  ]
  const accounting = await readAccounting(gatewayUrl, project)
  const stored = await readWindows(gatewayUrl, project)
  const args = { projectId: project }
  const [assigned, recalled, settledEvents, refused, recorded, alarms] = await Promise.all([
    client.getContractEvents({ ...taskManager, abi: taskManagerAbi, eventName: 'TaskAssigned', args }),
    client.getContractEvents({ ...taskManager, abi: taskManagerAbi, eventName: 'TaskRecalled', args }),
    client.getContractEvents({ ...taskManager, abi: taskManagerAbi, eventName: 'TaskSettled', args }),
    client.getContractEvents({ ...router, abi: routerAbi, eventName: 'ItemRefused', args }),
    client.getContractEvents({ ...dapp, abi: telemetryDappAbi, eventName: 'WindowRecorded', args }),
    client.getContractEvents({ ...dapp, abi: telemetryDappAbi, eventName: 'Alarm', args }),
  ])

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
    // TaskRecord: terms version in 16 bits from bit 238 (contracts/types/Tasks.sol).
    const version = Number((record >> 238n) & 0xffffn)
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
      device: getAddress(window?.device ?? '0x0000000000000000000000000000000000000000'),
      window: window?.index ?? -1,
      count: window?.count ?? 0,
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
    wallets: await readWallets(client, deployment, settled, escrow),
    assignments: assigned.length,
    recalls: recalled.length,
    refusedItems: refused.map(({ args: item }) => ({ taskId: item.taskId!, reason: item.reason! })),
    settlementGas: await gasOf(settled.map(({ transaction }) => transaction)),
    assignmentGas: await gasOf(assigned.map(({ transactionHash }) => transactionHash)),
  }
}

const transferEvent = parseAbiItem('event Transfer(address indexed from, address indexed to, uint256 value)')

async function readWallets(
  client: PublicClient,
  deployment: Deployment,
  settled: readonly SettledWindow[],
  escrow: { address: Address; fromBlock: bigint },
): Promise<WalletBook[]> {
  const token = addressOf(deployment, 'TestToken')
  const ioID = addressOf(deployment, 'IoID')
  const devices = [...new Set(settled.map(({ device }) => device))].sort()
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
      })
      const waiting = await client.readContract({
        address: escrow.address,
        abi: taskEscrowAbi,
        functionName: 'credited',
        args: [token, wallet],
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
      if (before !== undefined && from < before.to) problems.push(`readings ${from} to ${before.to - 1n} of ${device} lie in two windows`)
    })
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
  if (count(books.windows) !== windowedReadings)
    problems.push(`the store lists ${count(books.windows)} readings in windows, its accounting says ${windowedReadings}`)
  if (audit.accepted !== audit.settled + audit.pending + audit.open + audit.refusedAfterAccept) {
    problems.push(
      `${audit.accepted} accepted is not ${audit.settled} settled + ${audit.pending} pending + ${audit.open} open + ${audit.refusedAfterAccept} refused after acceptance`,
    )
  }
  return audit
}
