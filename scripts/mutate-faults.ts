// SPDX-License-Identifier: Apache-2.0
/**
 * `node scripts/mutate-faults.ts [NUMBER…]`: breaks agents and contracts in five ways, each in a copy, and runs the faults under which that must show.
 * Every plan first runs on the code as it is, where it must end well. Prints `N killed of 5`; fails when a mutant survives. About five minutes.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutant, MUTANTS } from '../test/faults/support/mutants.ts'
import { at, type Finished, node } from './shell.ts'

const CAUGHT = 3
const COPIED = [
  'agents',
  'circuits',
  'contracts',
  'deploy',
  'scripts',
  'test',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'hardhat.config.ts',
]

const runPlans = (cwd: string, numbers: readonly number[]): Promise<Finished> =>
  node(join(cwd, 'test', 'faults', 'support', 'mutant-run.ts'), numbers.map(String), { cwd, timeoutSeconds: 120 + 120 * numbers.length })

/** A copy of the project with the edits made, and its contracts built when they are among them. */
async function copyWith({ name, edits }: Mutant): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'trellis-mutant-'))
  for (const entry of COPIED) cpSync(at(entry), join(folder, entry), { recursive: true })
  const contracts = edits.some(({ file }) => file.endsWith('.sol'))
  for (const entry of ['node_modules', 'build']) symlinkSync(at(entry), join(folder, entry))
  for (const entry of ['artifacts', 'cache']) {
    if (contracts) cpSync(at(entry), join(folder, entry), { recursive: true })
    else symlinkSync(at(entry), join(folder, entry))
  }
  for (const { file, from, to } of edits) {
    const text = readFileSync(join(folder, file), 'utf8')
    if (text.split(from).length !== 2) throw new Error(`"${name}" does not apply: ${file} does not say once\n${from}`)
    writeFileSync(
      join(folder, file),
      text.replace(from, () => to),
    )
  }
  if (contracts) {
    const built = await node(join(folder, 'scripts', 'build.ts'), [], { cwd: folder, timeoutSeconds: 300 })
    if (built.code !== 0) throw new Error(`"${name}" does not build\n${built.output}`)
  }
  return folder
}

const chosen = process.argv.slice(2).map((number) => Number(number) - 1)
const numbers = chosen.length > 0 ? chosen : [...MUTANTS.keys()]
const control = await runPlans(at(), numbers)
if (control.code !== 0) {
  console.log(`the plans do not end well on the code as it is\n${control.output.trim()}`)
  process.exit(1)
}
let killed = 0
for (const number of numbers) {
  const mutant = MUTANTS[number]!
  let folder: string | undefined
  try {
    folder = await copyWith(mutant)
    const { code, output, seconds } = await runPlans(folder, [number])
    if (code === CAUGHT) killed += 1
    const how = output.trim().split('\n').slice(0, 2).join(' ').slice(0, 240)
    console.log(`${code === CAUGHT ? 'killed  ' : 'SURVIVED'} ${mutant.name} (${seconds.toFixed(0)} s)\n         ${how}`)
  } catch (error) {
    console.log(`FAILED   ${mutant.name}: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}
console.log(`${killed} killed of ${numbers.length}`)
process.exitCode = killed === numbers.length ? 0 : 1
