// SPDX-License-Identifier: Apache-2.0
/**
 * Faults by seed on a network of real processes and real proofs. Each seed ends with books that close and with every window that its device was
 * acknowledged for settled. Ten seeds; 200 with TRELLIS_DEEP; TRELLIS_FAULT_SEEDS=7 or 1-20 runs those.
 */
import { existsSync } from 'node:fs'
import { expect } from 'chai'
import { engine, needs } from '../integration/support/engines.ts'
import { clockLibrary } from './support/agent.ts'
import { type Network, startNetwork } from './support/network.ts'
import { describePlan, type Kind, KINDS, planOf, STATES } from './support/plan.ts'
import { runSeed } from './support/seed.ts'

const [from = 1, to = from] = (process.env['TRELLIS_FAULT_SEEDS'] ?? (process.env['TRELLIS_DEEP'] === '1' ? '1-200' : '1-10'))
  .split('-')
  .map(Number)
const seeds = Array.from({ length: to - from + 1 }, (_, i) => from + i)

/** What this machine cannot make, with the reason. */
const missing: Partial<Record<Kind, string>> = {
  ...(engine('postgres') === undefined ? { 'database down': 'postgres is not installed: apt-get install postgresql' } : {}),
  ...(clockLibrary() === undefined
    ? {
        'clock skewed coordinator': 'faketime is not installed: apt-get install faketime',
        'clock skewed gateway': 'faketime is not installed',
      }
    : {}),
  ...(existsSync('/usr/bin/prlimit')
    ? {}
    : {
        'disk full gateway': 'prlimit is not installed',
        'disk full prover': 'prlimit is not installed',
        'disk full device': 'prlimit is not installed',
      }),
}
const kinds = KINDS.filter((kind) => missing[kind] === undefined)

describe('faults', function () {
  this.timeout(seeds.length * 120_000 + 120_000)
  let network: Network
  const coverage = new Map<string, number>()
  const count = (what: string): void => void coverage.set(what, (coverage.get(what) ?? 0) + 1)

  before(async function () {
    this.timeout(300_000)
    needs(this, 'anvil')
    network = await startNetwork({ devices: seeds.length, postgres: engine('postgres') !== undefined, windows: seeds.length * 8 + 50 })
  })
  after(async function () {
    this.timeout(60_000)
    await (network as Network | undefined)?.end()
  })

  for (const [i, seed] of seeds.entries()) {
    const plan = planOf(seed, kinds)
    it(describePlan(plan), async () => {
      const { happened, missed } = await runSeed(network, network.devices[i]!, plan)
      for (const what of happened) count(what)
      if (missed.length > 0) console.log(`      nothing to strike at: ${missed.join(', ')}`)
    })
  }

  it('made every kind of fault, and struck in every state', function () {
    const leftOut = Object.entries(missing)
    const wanted = [...kinds, ...STATES.map((state) => `window ${state}`)]
    for (const what of wanted) console.log(`      ${String(coverage.get(what) ?? 0).padStart(3)}  ${what}`)
    if (seeds.length >= 10) expect(wanted.filter((what) => !coverage.has(what))).to.deep.equal([])
    for (const [kind, reason] of leftOut) console.log(`SKIP ${kind} was left out: ${reason}`)
    if (leftOut.length > 0) this.skip()
  })
})
