// SPDX-License-Identifier: Apache-2.0
/**
 * The books of a network, kept by ids and read from two sides: what gateways accepted (their stores, over HTTP) and what the chain settled and paid
 * (events and balances). `check` is the equation between them; for what is settled and paid nothing here trusts a coordinator.
 */
import type { Address, Hex } from 'viem'
import type { GatewayAccounting, GatewayWindow, StoreBook } from './books-stores.ts'

export interface SettledWindow {
  taskId: Hex
  device: Address
  window: number
  count: number
  /** The device's wallet. */
  wallet: Address
  /** Readings that the dapp recorded for this window; null where it recorded none. */
  recorded: number | null
  /** What the escrow paid for this task, one entry for each payment. */
  payments: { wallet: Address; amount: bigint }[]
  /** The chain assigned this task. */
  assigned: boolean
  above: number
  max: number
  firstTime: bigint
  /** Of the terms that this task was assigned under: per reading, and both fees together. */
  price: bigint
  fees: bigint
  token: Address
  transaction: Hex
  block: bigint
}

export interface WalletBook {
  device: Address
  wallet: Address
  token: Address
  windows: number
  readings: number
  /** Token units that the settled readings earn under the terms of their tasks. */
  due: bigint
  /** Token units that left the escrow for this wallet, and what waits there for it. */
  paid: bigint
}

/** Fees of one account, over every project that it works for. */
export interface AccountBook {
  account: Address
  token: Address
  role: 'prover' | 'sequencer' | 'both'
  /** By the terms of each task. */
  due: bigint
  /** What waits for it in the escrow and what it claimed. */
  paid: bigint
  /** The tasks that earned it. */
  tasks: Hex[]
}

/** A project's money in the escrow: deposited = withdrawn + free + held for open tasks + spent on settled ones. */
export interface PurseBook {
  token: Address
  deposited: bigint
  withdrawn: bigint
  free: bigint
  held: bigint
  spent: bigint
}

export interface Books {
  project: bigint
  stores: StoreBook[]
  /** Of all stores, a window that lies in two of them once. */
  accounting: GatewayAccounting
  windows: (GatewayWindow & {
    settled: boolean
    /** Why a coordinator put this task aside. */
    dead: string | null
  })[]
  settled: SettledWindow[]
  alarms: { device: Address; window: number; above: number; max: number }[]
  wallets: WalletBook[]
  fees: AccountBook[]
  purses: PurseBook[]
  /** Payments for tasks of this project that never settled. */
  strayPayments: { taskId: Hex; wallet: Address; amount: bigint }[]
  assignments: number
  recalls: number
  refusedItems: { taskId: Hex; reason: Hex }[]
  /** Gas of every transaction that settled something. */
  settlementGas: bigint
  /** Gas of every transaction that assigned something. */
  assignmentGas: bigint
}

export interface Audit {
  accepted: number
  settled: number
  /** In windows that are accepted and not settled yet. */
  pending: number
  /** Accepted singly and not part of a window yet. */
  open: number
  /** In windows that will not settle as things stand: accepted, and then refused. */
  refusedAfterAccept: number
  /** Readings of those, by reason. */
  refusedBy: Record<string, number>
  problems: string[]
}

type StoredWindow = Books['windows'][number]

const count = (windows: readonly { count: number }[]): number => windows.reduce((sum, window) => sum + window.count, 0)
const placeOf = (window: { device: string; index: number }): string => `${window.device.toLowerCase()}/${window.index}`

/** Accepted windows that will not settle as things stand, by task id, with the reason: another root has their place, or a coordinator put them aside. */
export function refusalsOf({ windows }: Books): Map<Hex, string> {
  const taken = new Set(windows.filter(({ settled }) => settled).map(placeOf))
  const refusals = new Map<Hex, string>()
  for (const window of windows) {
    const reason = window.settled ? null : taken.has(placeOf(window)) ? 'WINDOW_TAKEN' : window.dead
    if (reason !== null) refusals.set(window.taskId, reason)
  }
  return refusals
}

/** accepted = settled + pending + open + refused-after-accept; every settlement has its window, once; paid = due for every task and account. */
export function check(books: Books): Audit {
  const settled = books.windows.filter((window) => window.settled)
  const taken = new Set(settled.map(placeOf))
  const refusals = refusalsOf(books)
  const refused = books.windows.filter(({ taskId }) => refusals.has(taskId))
  const pending = books.windows.filter((window) => !window.settled && !refusals.has(window.taskId))
  const refusedBy: Record<string, number> = {}
  for (const { taskId, count: readings } of refused) refusedBy[refusals.get(taskId)!] = (refusedBy[refusals.get(taskId)!] ?? 0) + readings

  const open = books.stores.reduce((sum, { accounting }) => sum + accounting.acceptedReadings - accounting.windowedReadings, 0)
  const accepted = books.accounting.acceptedReadings
  const audit = { accepted, settled: count(settled), pending: count(pending), open, refusedAfterAccept: count(refused), refusedBy }
  const problems = [
    ...settledOnce(books, settled),
    ...storesWhole(books, taken),
    ...tasksPaid(books),
    ...accountsPaid(books),
    ...pursesClosed(books),
  ]
  if (accepted !== audit.settled + audit.pending + audit.open + audit.refusedAfterAccept) {
    problems.push(
      `${accepted} accepted is not ${audit.settled} settled + ${audit.pending} pending + ${open} open + ${audit.refusedAfterAccept} refused after acceptance`,
    )
  }
  return { ...audit, problems }
}

/** Every settlement is of an accepted window that was assigned, and of each window there is one. */
function settledOnce(books: Books, settled: readonly StoredWindow[]): string[] {
  const problems: string[] = []
  const known = new Set(books.windows.map(({ taskId }) => taskId))
  for (const [taskId, events] of Map.groupBy(books.settled, (task) => task.taskId)) {
    if (events.length > 1) problems.push(`task ${taskId} settled ${events.length} times`)
    if (!known.has(taskId)) problems.push(`task ${taskId} settled, but no gateway accepted its window`)
    if (!events[0]!.assigned) problems.push(`task ${taskId} settled, but was never assigned`)
  }
  for (const [place, windows] of Map.groupBy(settled, placeOf))
    if (windows.length > 1) problems.push(`window ${place} settled under ${windows.length} roots`)
  return problems
}

/** A store lists what it accounts for, unaltered, and the windows of a device follow each other from reading 0. */
function storesWhole(books: Books, taken: ReadonlySet<string>): string[] {
  const problems: string[] = []
  for (const { id, accounting, listed } of books.stores) {
    const { acceptedReadings, windowedReadings, windows } = accounting
    if (acceptedReadings < windowedReadings)
      problems.push(`store ${id} accounts for ${acceptedReadings} accepted readings, and for ${windowedReadings} of them in windows`)
    if (listed.readings !== windowedReadings || listed.windows !== windows) {
      problems.push(
        `store ${id} lists ${listed.readings} readings in ${listed.windows} windows, its accounting says ${windowedReadings} in ${windows}`,
      )
    }
  }
  for (const window of books.windows)
    if (!window.intact) problems.push(`the readings of window ${placeOf(window)} in the store are not those of its root ${window.root}`)
  // A window whose place another one took is no part of the sequence.
  const counting = books.windows.filter((window) => window.settled || !taken.has(placeOf(window)))
  for (const [device, windows] of Map.groupBy(counting, (window) => window.device)) {
    let end = 0n
    const spans = windows.map(({ firstSequence, count: length }) => ({
      from: BigInt(firstSequence),
      to: BigInt(firstSequence) + BigInt(length),
    }))
    for (const { from, to } of spans.sort((a, b) => (a.from < b.from ? -1 : 1))) {
      if (from < end) problems.push(`readings ${from} to ${end - 1n} of ${device} lie in two windows`)
      if (from > end) problems.push(`readings ${end} to ${from - 1n} of ${device} lie in no window`)
      end = to > end ? to : end
    }
  }
  return problems
}

/** Each settled task was paid once, to its device's wallet, what its readings earn; nothing else was paid. */
function tasksPaid(books: Books): string[] {
  const problems: string[] = []
  const known = new Set(books.windows.map(({ taskId }) => taskId))
  for (const { taskId, window, count: readings, wallet, recorded, payments, price } of books.settled) {
    if (!known.has(taskId)) continue
    if (recorded !== null && recorded !== readings)
      problems.push(`task ${taskId} was proven for ${recorded} readings, the store has ${readings} in window ${window}`)
    if (payments.length !== 1) problems.push(`task ${taskId} was paid ${payments.length} times`)
    for (const payment of payments) {
      if (payment.wallet.toLowerCase() !== wallet.toLowerCase())
        problems.push(`task ${taskId} was paid to ${payment.wallet}, its device’s wallet is ${wallet}`)
    }
    const [payment] = payments
    if (payments.length === 1 && payment!.amount !== BigInt(readings) * price)
      problems.push(`task ${taskId} earned ${BigInt(readings) * price} and was paid ${payment!.amount}`)
  }
  for (const { taskId, wallet, amount } of books.strayPayments)
    problems.push(`task ${taskId} never settled, and ${amount} was paid for it to ${wallet}`)
  return problems
}

/** What each wallet and each account of fees got is what its tasks earn. */
function accountsPaid(books: Books): string[] {
  const problems: string[] = []
  for (const { wallet, due, paid } of books.wallets) if (due !== paid) problems.push(`wallet ${wallet} is due ${due} and was paid ${paid}`)
  for (const { account, role, due, paid, tasks } of books.fees) {
    const who = role === 'both' ? 'prover and sequencer' : role
    if (BigInt(account) === 0n)
      problems.push(`the ${who} of ${tasks.length} settled tasks cannot be read: ${tasks.slice(0, NAMED).join(', ')}`)
    else if (due !== paid) {
      const named = tasks.length <= NAMED ? `: ${tasks.join(', ')}` : ''
      problems.push(`${who} ${account} is due fees of ${due} for ${tasks.length} tasks and was credited ${paid}${named}`)
    }
  }
  return problems
}
/** Tasks that one problem names. */
const NAMED = 10

function pursesClosed(books: Books): string[] {
  return books.purses.flatMap(({ token, deposited, withdrawn, free, held, spent }) =>
    deposited === withdrawn + free + held + spent
      ? []
      : [
          `project ${books.project} deposited ${deposited} of ${token}: not ${withdrawn} withdrawn + ${free} free + ${held} held + ${spent} spent on settled tasks`,
        ],
  )
}
