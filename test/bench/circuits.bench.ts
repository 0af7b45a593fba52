// SPDX-License-Identifier: Apache-2.0
/** Size of every circuit as it is compiled: constraints against its power of two, wires, public signals, bytes of its proving key. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { readConstraintSystem } from '../../agents/prover/circom/r1cs.ts'
import type { Bench, Row } from '../../scripts/bench.ts'
import { at, node } from '../../scripts/shell.ts'

/** What this bench reads of circuits/circuits.json. */
interface Circuit {
  publicSignals: string[]
  /** The proving system's domain holds 2^power constraints. */
  power: number
}

const row = (name: string, unit: string, ours: number, target: number | null): Row => ({
  case: name,
  unit,
  ours,
  peer: null,
  peerName: null,
  ratio: null,
  target,
  ok: target === null || ours <= target,
})

const bench: Bench = {
  name: 'circuits',
  async run() {
    const built = await node(at('scripts', 'build-circuits.ts'))
    if (built.code !== 0) throw new Error(built.output)
    const circuits = JSON.parse(readFileSync(at('circuits', 'circuits.json'), 'utf8')) as Record<string, Circuit>
    return Object.entries(circuits).flatMap(([name, { power, publicSignals }]) => {
      const folder = at('build', 'circuits', name)
      const { provingKey } = JSON.parse(readFileSync(join(folder, 'program.json'), 'utf8')) as { provingKey: string }
      const system = readConstraintSystem(readFileSync(join(folder, `${name}.r1cs`)))
      // Groth16 adds a row for the constant and one for each public signal.
      return [
        row(`${name}: constraints`, 'constraints', system.constraints.length, 2 ** power),
        row(`${name}: rows of the domain`, 'constraints', system.constraints.length + publicSignals.length + 1, 2 ** power),
        row(`${name}: wires`, 'wires', system.signals, null),
        row(`${name}: public signals`, 'signals', system.publicSignals, 4),
        row(`${name}: proving key`, 'bytes', statSync(join(folder, provingKey)).size, null),
      ]
    })
  },
}

export default bench
