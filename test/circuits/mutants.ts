// SPDX-License-Identifier: Apache-2.0
/** Circuits with one constraint group removed, compiled and attacked. Used by mutation.test.ts and scripts/mutate-circuits.ts. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isTrellisError } from '../../agents/protocol/errors.ts'
import { compileCircuit } from '../../agents/prover/circom/compile.ts'
import type { WitnessInput } from '../../agents/prover/circom/input.ts'
import { brokenConstraint, type ConstraintSystem, readConstraintSystem, readWitness } from '../../agents/prover/circom/r1cs.ts'
import { WitnessCalculator } from '../../agents/prover/circom/witness.ts'
import { type Attack, attacks, type Harness, harnesses } from './attacks.ts'

const root = join(import.meta.dirname, '..', '..')
const library = join(root, 'circuits', 'lib')
const work = join(root, 'build', 'mutants')
const MARK = /^(?<code>.*?)\s*\/\/ group: (?<name>[a-z0-9-]+)(?: (?<offset>[+-]1))?$/

/** Sources of the library by path, as they are. */
export function librarySources(): Map<string, string> {
  const paths = readdirSync(library, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.circom'))
  return new Map(paths.sort().map((path) => [path, readFileSync(join(library, path), 'utf8')]))
}

/** Names of all groups that the sources mark, in their order. */
export function groupsOf(sources: ReadonlyMap<string, string>): string[] {
  const names = [...sources.values()].flatMap((text) => text.split('\n').flatMap((line) => MARK.exec(line)?.groups?.['name'] ?? []))
  return [...new Set(names)]
}

/** The sources without the constraints of one group: checks go, definitions keep their value (or, with an offset, a wrong one) but bind nothing. */
export function without(sources: ReadonlyMap<string, string>, group: string): Map<string, string> {
  const mutate = (line: string): string => {
    const mark = MARK.exec(line)?.groups
    if (mark === undefined || mark['name'] !== group) return line
    const code = mark['code']!
    if (!code.includes('<==')) return ''
    return code.replace(/<==\s*(.*);$/, (_, expression: string) => `<-- (${expression}) ${mark['offset'] ?? '+0'};`)
  }
  return new Map([...sources].map(([path, text]) => [path, text.split('\n').map(mutate).join('\n')]))
}

export interface Compiled {
  readonly system: ConstraintSystem
  readonly calculator: WitnessCalculator
}

/** Compiles a harness over the given library sources in a folder of its own. */
export async function compileHarness(harness: Harness, sources: ReadonlyMap<string, string>, label: string): Promise<Compiled> {
  const folder = join(work, label)
  rmSync(folder, { recursive: true, force: true })
  for (const [path, text] of sources) {
    mkdirSync(dirname(join(folder, 'lib', path)), { recursive: true })
    writeFileSync(join(folder, 'lib', path), text)
  }
  const { include, source } = harnesses[harness]
  const main = join(folder, `${harness}.circom`)
  writeFileSync(main, `pragma circom 2.2.0;\ninclude "lib/${include}";\n${source}\n`)
  await compileCircuit(main, folder, { level: 1 })
  return {
    system: readConstraintSystem(readFileSync(join(folder, `${harness}.r1cs`))),
    calculator: new WitnessCalculator(readFileSync(join(folder, `${harness}_js`, `${harness}.wasm`))),
  }
}

/** Whether a circuit accepts inputs: a witness exists by its own calculator and satisfies every constraint. */
export function accepts({ calculator, system }: Compiled, input: WitnessInput): boolean {
  try {
    return brokenConstraint(system, readWitness(calculator.calculate(input))) === undefined
  } catch (error) {
    if (isTrellisError(error, 'WITNESS_REFUSED')) return false
    throw error
  }
}

/** Whether an attack succeeds against a circuit. */
export function succeeds(circuit: Compiled, attack: Attack): boolean {
  if (attack.system !== undefined) return attack.system(circuit.system)
  if (attack.forge === undefined) return accepts(circuit, attack.input)
  const honest = readWitness(circuit.calculator.calculate(attack.input))
  return brokenConstraint(circuit.system, attack.forge(honest)) === undefined
}

export interface Verdict {
  readonly group: string
  /** Titles of the attacks that the missing group lets through; none means that the group survived its removal. */
  readonly killedBy: readonly string[]
}

/** Removes each of the groups once, two compilers at a time, and tries the attacks that are listed against it. */
export async function mutateAll(groups = groupsOf(librarySources()), list: readonly Attack[] = attacks): Promise<Verdict[]> {
  const sources = librarySources()
  const waiting = [...groups]
  const verdicts = new Map<string, Verdict>()
  const worker = async (): Promise<void> => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      const own = list.filter((attack) => attack.group === group)
      const killedBy: string[] = []
      const mutant = without(sources, group)
      for (const harness of new Set(own.map((attack) => attack.harness))) {
        const circuit = await compileHarness(harness, mutant, `${group}-${harness}`)
        killedBy.push(...own.filter((attack) => attack.harness === harness && succeeds(circuit, attack)).map(({ title }) => title))
      }
      verdicts.set(group, { group, killedBy })
    }
  }
  await Promise.all([worker(), worker()])
  return groups.map((group) => verdicts.get(group)!)
}
