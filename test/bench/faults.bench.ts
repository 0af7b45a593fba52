// SPDX-License-Identifier: Apache-2.0
/**
 * How long the network takes to pay again after each kind of fault, over real processes and real proofs under a steady load, and what it settles before,
 * during and after. About five minutes on two cores; nothing else should run meanwhile. TRELLIS_BENCH_ROUNDS=1 makes each fault once.
 */
import { check } from '../../agents/cli/local/books.ts'
import { readBooks } from '../../agents/cli/local/books-chain.ts'
import type { Bench, Row } from '../../scripts/bench.ts'
import { at, node } from '../../scripts/shell.ts'
import { clockLibrary } from '../faults/support/agent.ts'
import { became, letMine, pause, strikeWith } from '../faults/support/faults.ts'
import { type Network, startNetwork } from '../faults/support/network.ts'
import type { Kind } from '../faults/support/plan.ts'
import { engine } from '../integration/support/engines.ts'
import { followSettlements, type Settlements } from './faults/settlements.ts'
import { rank, row, say } from './main/rows.ts'

const ROUNDS = Number(process.env['TRELLIS_BENCH_ROUNDS'] ?? '2')
const LASTS_MS = 2_000
const BASELINE_MS = 20_000
/** Between the recovery from one fault and the next. */
const REST_MS = 3_000
const DEVICES = 3
/** A window of each device in this many seconds. */
const EVERY = 6
const RECOVERY_LIMIT_MS = 90_000

const kinds: readonly Kind[] = [
  'kill gateway',
  'kill coordinator',
  'kill prover',
  'stop coordinator',
  'chain dead',
  'chain reorganised',
  'broker cut',
  'disk full gateway',
  ...(engine('postgres') === undefined ? [] : (['database down'] as const)),
  ...(clockLibrary() === undefined ? [] : (['clock skewed coordinator'] as const)),
]

interface Recovery {
  kind: Kind
  began: number
  ended: number
  recovered: number
}

async function run(network: Network): Promise<Row[]> {
  const settlements = followSettlements(network)
  const seconds = (BASELINE_MS + kinds.length * ROUNDS * (LASTS_MS + REST_MS + 12_000)) / 1000
  const start = Math.floor(Date.now() / 1000)
  const load = network.devices.map((device, i) =>
    network.device(
      `load-${i}`,
      device,
      Array.from({ length: Math.ceil(seconds / EVERY) * 2 }, (_, n) => ({
        time: start + Math.floor(n / 2) * EVERY + (n % 2),
        value: (30 + ((i * 17 + n) % 30)).toFixed(2),
      })),
    ),
  )
  say(`load: a window of each of ${DEVICES} devices every ${EVERY} s`)
  if (!(await became(async () => settlements.times.length > 2, RECOVERY_LIMIT_MS))) throw new Error('nothing settles')
  const from = Date.now()
  await pause(BASELINE_MS)
  const before: [number, number] = [from, Date.now()]

  const recoveries: Recovery[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [i, kind] of kinds.entries()) {
      const began = Date.now()
      await strikeWith(network, network.devices[0]!, load[0]!, { kind, afterMs: 0, lastsMs: LASTS_MS, choice: round * kinds.length + i })
      const ended = Date.now()
      // Paid again: the first settlement of a window that was stored after the fault's end says that every part works.
      if (!(await became(async () => settlements.of(ended).length > 0, RECOVERY_LIMIT_MS, 20)))
        throw new Error(`nothing settles after: ${kind}`)
      const recovered = settlements.of(ended)[0]!
      recoveries.push({ kind, began, ended, recovered })
      say(`${kind}: paid again after ${((recovered - ended) / 1000).toFixed(1)} s`)
      await pause(REST_MS)
    }
  }
  const afterFrom = Date.now()
  await pause(BASELINE_MS)
  const after: [number, number] = [afterFrom, Date.now()]
  await Promise.all(load.map((device) => device.end()))
  await closed(network)
  settlements.stop()
  return rowsOf(settlements, recoveries, before, after)
}

/** Nothing that was measured counts when the books do not close. */
async function closed(network: Network): Promise<void> {
  const { client, deployment, project, gatewayUrl, coordinatorUrls } = network
  let problems: unknown
  const clean = async (): Promise<boolean> => {
    const audit = check(await readBooks({ client, deployment, gatewayUrls: [gatewayUrl], coordinatorUrls, project }))
    problems = audit
    return audit.problems.length === 0 && audit.pending === 0 && audit.refusedAfterAccept === 0
  }
  await letMine(network)
  if (!(await became(clean, RECOVERY_LIMIT_MS, 500))) throw new Error(`the books do not close: ${JSON.stringify(problems)}`)
}

function rowsOf(settlements: Settlements, recoveries: readonly Recovery[], before: [number, number], after: [number, number]): Row[] {
  const seconds = (found: readonly Recovery[]): number[] => found.map(({ ended, recovered }) => (recovered - ended) / 1000)
  const name = (what: string, count: number): string => `${what}: end of the fault to a new window paid, ${count} times`
  const rows = kinds.flatMap((kind) => {
    const found = recoveries.filter((recovery) => recovery.kind === kind)
    return [0.5, 0.99].map((part) =>
      row({ case: `${name(kind, found.length)}, p${part * 100}`, unit: 's', ours: rank(seconds(found), part), better: 'less' }),
    )
  })
  const all = [0.5, 0.99].map((part) =>
    row({
      case: `${name('all kinds', recoveries.length)}, p${part * 100}`,
      unit: 's',
      ours: rank(seconds(recoveries), part),
      better: 'less',
    }),
  )
  const perMinute = (what: string, spans: readonly [number, number][]): Row => {
    const count = spans.reduce(
      (sum, [start, end]) => sum + settlements.times.filter(({ at: seen }) => seen >= start && seen < end).length,
      0,
    )
    const minutes = spans.reduce((sum, [start, end]) => sum + (end - start) / 60_000, 0)
    return row({
      case: `settled ${what}, ${DEVICES} devices, a window each ${EVERY} s`,
      unit: 'windows/min',
      ours: count / minutes,
      better: 'more',
    })
  }
  const during = recoveries.map(({ began, recovered }): [number, number] => [began, recovered])
  return [...rows, ...all, perMinute('before', [before]), perMinute('from each fault to its recovery', during), perMinute('after', [after])]
}

const bench: Bench = {
  name: 'faults',
  async run() {
    say('contracts and circuits (cached by the hash of the sources)')
    const built = await node(at('scripts', 'build.ts'))
    if (built.code !== 0) throw new Error(`contracts or circuits do not build\n${built.output}`)
    const network = await startNetwork({ devices: DEVICES, postgres: engine('postgres') !== undefined })
    try {
      return await run(network)
    } finally {
      await network.end()
    }
  },
}

export default bench
