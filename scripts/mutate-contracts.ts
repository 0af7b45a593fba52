// SPDX-License-Identifier: Apache-2.0
/**
 * `node scripts/mutate-contracts.ts [NUMBER…]`: breaks one line that guards value or permission at a time, in a copy, and runs the Solidity tests of its
 * contract, one of which must fail. The tests first pass on the code as it is. Prints `N killed of M`; fails when a mutant survives.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MUTANTS } from '../test/mutants/contracts.ts'
import { at, type Finished, node, TOOLS } from './shell.ts'
import { parseSolidity } from './test.ts'

const folder = mkdtempSync(join(tmpdir(), 'trellis-contract-mutants-'))
for (const entry of ['contracts', 'test', 'package.json', 'hardhat.config.ts', 'deploy', 'artifacts', 'cache'])
  cpSync(at(entry), join(folder, entry), { recursive: true })
symlinkSync(at('node_modules'), join(folder, 'node_modules'))

const run = (tests: readonly string[]): Promise<Finished> =>
  node(TOOLS.hardhat, ['test', 'solidity', ...tests], { cwd: folder, timeoutSeconds: 600, env: { NO_COLOR: '1', FORCE_COLOR: '0' } })

const numbers = process.argv.slice(2).map((number) => Number(number) - 1)
const chosen = numbers.length > 0 ? numbers.map((number) => MUTANTS[number]!) : MUTANTS
let killed = 0
try {
  const control = await run([...new Set(chosen.flatMap(({ tests }) => tests))])
  if (control.code !== 0) throw new Error(`the tests do not pass on the code as it is\n${control.output}`)
  for (const { name, file, from, to, tests } of chosen) {
    const path = join(folder, file)
    const text = readFileSync(path, 'utf8')
    if (text.split(from).length !== 2) throw new Error(`"${name}" does not apply: ${file} does not say once\n${from}`)
    writeFileSync(
      path,
      text.replace(from, () => to),
    )
    const done = await run(tests)
    writeFileSync(path, text)
    const { failed } = parseSolidity(done)
    // A mutant that does not compile says nothing about the tests.
    const compiled = /\d+ (passing|failing)/.test(done.output)
    if (!compiled) throw new Error(`"${name}" does not compile\n${done.output}`)
    if (failed > 0) killed += 1
    console.log(`${failed > 0 ? 'killed  ' : 'SURVIVED'} ${name} (${file}, ${done.seconds.toFixed(0)} s)`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(`${killed} killed of ${chosen.length}`)
process.exitCode = killed === chosen.length ? 0 : 1
