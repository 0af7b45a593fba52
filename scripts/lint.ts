// SPDX-License-Identifier: Apache-2.0
/** ESLint (type-checked), solhint and prettier over the whole repository. `--fix` writes what they can mend. */
import { node, TOOLS } from './shell.ts'

const fix = process.argv.includes('--fix')
const solhint = ['--noPoster', '--max-warnings=0', ...(fix ? ['--fix', '--noPrompt'] : [])]
const passes = [
  ['prettier', TOOLS.prettier, [fix ? '--write' : '--check', '--log-level=warn', '--cache', '--cache-location=cache/prettier', '.']],
  ['solhint', TOOLS.solhint, [...solhint, 'contracts/**/*.sol']],
  ['solhint of tests', TOOLS.solhint, [...solhint, '--config', 'test/.solhint.json', 'test/**/*.sol']],
  ['eslint', TOOLS.eslint, ['--max-warnings=0', '--cache', '--cache-location=cache/eslint/', ...(fix ? ['--fix'] : []), '.']],
] as const

let failed = 0
for (const [name, tool, args] of passes) {
  const done = await node(tool, args)
  console.log(`${done.code === 0 ? 'ok  ' : 'FAIL'} ${name}  ${done.seconds.toFixed(1)} s`)
  if (done.code !== 0) {
    failed += 1
    console.log(done.output.trim())
  }
}
console.log(`${passes.length - failed} passed, ${failed} failed`)
if (failed > 0) console.error('  next  npm run lint -- --fix mends formatting; the rest is by hand')
process.exitCode = failed === 0 ? 0 : 1
