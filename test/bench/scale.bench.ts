// SPDX-License-Identifier: Apache-2.0
/**
 * How the network grows on one machine: provers, coordinators on one PostgreSQL, devices. Provers and gateway are processes with real proofs; the devices of
 * a case are a load generator with real keys, each registered on chain, every signature verified. The windows that are proven are bounded and named in each
 * row. About nine minutes on two cores. TRELLIS_BENCH_PARTS=provers,coordinators,devices and TRELLIS_BENCH_DEVICES=40,400 run some of it.
 */
import { type Audit, check } from '../../agents/cli/local/books.ts'
import { readBooks } from '../../agents/cli/local/books-chain.ts'
import type { Bench, Row } from '../../scripts/bench.ts'
import { at, node } from '../../scripts/shell.ts'
import { became } from '../faults/support/faults.ts'
import { CHANNEL, DECIMALS, type FaultDevice, type Network, startNetwork } from '../faults/support/network.ts'
import { engine } from '../integration/support/engines.ts'
import { followSettlements } from './faults/settlements.ts'
import { type LoadResult, pumpLoad, signLoad, type SignedLoad } from './gateway-load.ts'
import { residentMiB } from './main/processes.ts'
import { rank, row, say } from './main/rows.ts'

/** Windows proven in each case: a proof takes about a second of a core. */
const PROVEN = 12
const SETTLE_LIMIT_MS = 180_000
const MEMORY_MS = 500
/** Single readings in each case of many devices, about. */
const SINGLES = 6_000

const sign = (
  network: Network,
  devices: readonly FaultDevice[],
  kind: SignedLoad['kind'],
  messagesPerDevice: number,
  firstSequence = 0,
): SignedLoad =>
  signLoad({
    ...{ project: network.project, devices: devices.map(({ signer }) => signer), kind, messagesPerDevice },
    ...{ channel: CHANNEL, decimals: DECIMALS, rangeMin: 0n, firstSequence },
    firstTime: Math.floor(Date.now() / 1000) - 100_000 + 5 * firstSequence,
  })

interface Seen {
  windows: { storedAt: number; settledAt: number }[]
  /** The first message of each device, then all others: of a key that it does not know the gateway recovers the point first. */
  firsts: LoadResult | undefined
  singles: LoadResult | undefined
  memory: Map<string, number>
  gasPerWindow: number
}

/** Pumps windows of `senders`, and single readings of `others` beside them, and waits until all windows are paid. */
async function watch(network: Network, senders: readonly FaultDevice[], others: readonly FaultDevice[] = []): Promise<Seen> {
  const { client, deployment, project, gatewayUrl, coordinatorUrls, mqttPort } = network
  say(`signing ${senders.length} windows${others.length === 0 ? '' : ` and readings of ${others.length} other devices`}`)
  const windowLoad = sign(network, senders, 'window', 1)
  const each = Math.max(1, Math.round(SINGLES / others.length))
  const singleLoads = others.length === 0 ? undefined : [sign(network, others, 'reading', 1), sign(network, others, 'reading', each, 1)]
  const before = await readBooks({ client, deployment, gatewayUrls: [gatewayUrl], project, gas: true })
  const settlements = followSettlements(network)
  const memory = new Map<string, number>()
  const look = setInterval(() => {
    const agents = network.agents.filter(({ pid }) => pid !== undefined)
    residentMiB(agents.map(({ pid }) => pid!)).forEach((found, i) => {
      const { name } = agents[i]!
      memory.set(name, Math.max(memory.get(name) ?? 0, found))
    })
  }, MEMORY_MS)
  try {
    const mqttUrl = `mqtt://127.0.0.1:${mqttPort}`
    const firsts = singleLoads && (await pumpLoad(mqttUrl, singleLoads[0]!))
    const [singles] = await Promise.all([singleLoads && pumpLoad(mqttUrl, singleLoads[1]!), pumpLoad(mqttUrl, windowLoad)])
    const own = new Set(senders.map(({ id }) => id.toLowerCase()))
    const mine = () => settlements.windows().filter(({ device }) => own.has(device.toLowerCase()))
    const paid = async (): Promise<boolean> => mine().length === senders.length && mine().every(({ settledAt }) => settledAt !== undefined)
    if (!(await became(paid, SETTLE_LIMIT_MS, 100))) throw new Error(`${senders.length} windows are not paid in time`)
    let audit: Audit | undefined
    let gas = 0n
    const closed = async (): Promise<boolean> => {
      const books = await readBooks({ client, deployment, gatewayUrls: [gatewayUrl], coordinatorUrls, project, gas: true })
      audit = check(books)
      gas = books.settlementGas + books.assignmentGas - before.settlementGas - before.assignmentGas
      return audit.problems.length === 0 && audit.pending === 0
    }
    if (!(await became(closed, 20_000, 500))) throw new Error(`the books do not close: ${JSON.stringify(audit)}`)
    const windows = mine().map(({ storedAt, settledAt }) => ({ storedAt, settledAt: settledAt! }))
    return { windows, firsts, singles, memory, gasPerWindow: Number(gas) / senders.length }
  } finally {
    clearInterval(look)
    settlements.stop()
  }
}

function rowsOf(name: string, { windows, firsts, singles, memory, gasPerWindow }: Seen): Row[] {
  const seconds = windows.map(({ storedAt, settledAt }) => (settledAt - storedAt) / 1000)
  const span = (Math.max(...windows.map(({ settledAt }) => settledAt)) - Math.min(...windows.map(({ storedAt }) => storedAt))) / 1000
  const title = `${name}, ${windows.length} windows proven`
  const largest = (kind: string): number =>
    Math.max(0, ...[...memory].filter(([agent]) => agent.startsWith(kind)).map(([, found]) => found))
  return [
    ...(firsts === undefined
      ? []
      : [row({ case: `${name}: first message of each`, unit: 'devices/s', ours: firsts.messagesPerSecond, better: 'more' })]),
    ...(singles === undefined
      ? []
      : [
          row({
            case: `${name}: single readings, each verified and stored`,
            unit: 'messages/s',
            ours: singles.messagesPerSecond,
            better: 'more',
          }),
          row({ case: `${name}: answer p99, 16 unanswered per device`, unit: 'ms', ours: singles.p99, better: 'less' }),
        ]),
    row({ case: `${title}: settled`, unit: 'windows/s', ours: windows.length / span, better: 'more' }),
    ...[0.5, 0.99].map((part) =>
      row({ case: `${title}: readings accepted to paid, p${part * 100}`, unit: 's', ours: rank(seconds, part), better: 'less' }),
    ),
    ...['gateway', 'coordinator', 'prover'].map((kind) =>
      row({ case: `${name}: memory, ${kind}, largest seen`, unit: 'MiB RSS', ours: largest(kind), better: 'less' }),
    ),
    row({ case: `${title}: assignment and settlement`, unit: 'gas/window', ours: gasPerWindow, better: 'less' }),
  ]
}

async function withNetwork<T>(options: Parameters<typeof startNetwork>[0], work: (network: Network) => Promise<T>): Promise<T> {
  const network = await startNetwork(options)
  try {
    return await work(network)
  } finally {
    await network.end()
  }
}

async function proverRows(): Promise<Row[]> {
  const rows: Row[] = []
  for (const provers of [1, 2, 4]) {
    const name = `${provers} ${provers === 1 ? 'prover' : 'provers'}, 1 coordinator`
    say(name)
    rows.push(...rowsOf(name, await withNetwork({ devices: PROVEN, provers }, (network) => watch(network, network.devices))))
  }
  return rows
}

async function coordinatorRows(): Promise<Row[]> {
  if (engine('postgres') === undefined) {
    say('coordinators on PostgreSQL: left out, postgres is not installed (apt-get install postgresql)')
    return []
  }
  const rows: Row[] = []
  for (const coordinators of [1, 2]) {
    const name = `${coordinators} ${coordinators === 1 ? 'coordinator' : 'coordinators'} on PostgreSQL, 2 provers`
    say(name)
    const options = { devices: PROVEN, coordinators, postgres: true }
    rows.push(...rowsOf(name, await withNetwork(options, (network) => watch(network, network.devices))))
  }
  return rows
}

async function deviceRows(): Promise<Row[]> {
  const sizes = (process.env['TRELLIS_BENCH_DEVICES'] ?? '40,400,4000').split(',').map(Number)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  say(`registering ${total} devices`)
  return withNetwork({ devices: total, connections: 2 * total }, async (network) => {
    const rows: Row[] = []
    let first = 0
    for (const size of sizes) {
      const devices = network.devices.slice(first, first + size)
      first += size
      const name = `${size} devices`
      say(name)
      rows.push(...rowsOf(name, await watch(network, devices.slice(0, PROVEN), devices.slice(PROVEN))))
    }
    return rows
  })
}

const bench: Bench = {
  name: 'scale',
  async run() {
    say('contracts and circuits (cached by the hash of the sources)')
    const built = await node(at('scripts', 'build.ts'))
    if (built.code !== 0) throw new Error(`contracts or circuits do not build\n${built.output}`)
    const parts: Record<string, () => Promise<Row[]>> = { provers: proverRows, coordinators: coordinatorRows, devices: deviceRows }
    const wanted = process.env['TRELLIS_BENCH_PARTS']?.split(',') ?? Object.keys(parts)
    const rows: Row[] = []
    for (const [name, part] of Object.entries(parts)) if (wanted.includes(name)) rows.push(...(await part()))
    return rows
  },
}

export default bench
