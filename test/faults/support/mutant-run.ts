// SPDX-License-Identifier: Apache-2.0
/** Runs the plans of mutants, by number, on the code that lies around this file. Leaves with 0 when every one ends well, with 3 when one was caught. */
import { engine } from '../../integration/support/engines.ts'
import { MUTANTS } from './mutants.ts'
import { startNetwork } from './network.ts'
import { runSeed } from './seed.ts'

const numbers = process.argv.slice(2).map(Number)
const LIMIT_MS = 90_000

const network = await startNetwork({ devices: numbers.length, postgres: engine('postgres') !== undefined })
let code = 0
try {
  for (const [i, number] of numbers.entries()) {
    const { name, plan } = MUTANTS[number]!
    try {
      const { missed } = await runSeed(network, network.devices[i]!, plan, 4, LIMIT_MS)
      if (missed.length > 0) throw new Error(`nothing to strike at: ${missed.join(', ')}`)
      console.log(`ends well: the plan of "${name}"`)
    } catch (error) {
      code = 3
      const [, ...lines] = (error instanceof Error ? error.message : String(error)).split('\n')
      console.log(`caught: ${lines.join('\n').slice(0, 1_500)}`)
    }
  }
} finally {
  await network.end()
}
process.exit(code)
