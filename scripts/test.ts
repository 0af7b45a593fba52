// SPDX-License-Identifier: Apache-2.0
/**
 * `npm test`: every stage, timed, two at once where there are two cores; prints the output of what failed, each skip with its reason, a
 * table, and closes with `N passed, N failed[, N skipped]`. `--deep` runs more seeds and runs, `--only a,b` some stages, `--list` names them.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { at, files, type Finished, node, short, TOOLS } from './shell.ts'

interface Skip {
  title: string
  reason: string
}

export interface Result {
  passed: number
  failed: number
  skipped: Skip[]
  /** Shown when something failed. */
  output: string
}

interface Stage {
  name: string
  needs?: readonly string[]
  /** What is around the network (package, documentation, page): run by `--around`, which runs nothing else, and by `--deep`. */
  around?: boolean
  /** Runs with nothing beside it: it measures time or fills the machine itself. */
  alone?: boolean
  run: () => Promise<Result>
}

const deep = process.argv.includes('--deep')
const env = { TRELLIS_DEEP: deep ? '1' : '', FORCE_COLOR: '0', NO_COLOR: '1', HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true' }
const LIMIT_SECONDS = deep ? 6 * 3600 : 600

/** A script that is one check: passes with exit code 0. Reads `N passed, N failed` off its last line when it prints that. */
export function parseCheck(done: Finished): Result {
  const match = /(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$/.exec(done.output.trimEnd())
  const passed = Number(match?.[1] ?? (done.code === 0 ? 1 : 0))
  const failed = Number(match?.[2] ?? 0)
  return { passed, failed: done.code !== 0 && failed === 0 ? 1 : failed, skipped: [], output: done.output }
}

/** Hardhat's Solidity test runner prints `N passing`, `N failing`, `N skipped`. */
export function parseSolidity(done: Finished): Result {
  const count = (word: string): number => Number(new RegExp(`(\\d+) ${word}`).exec(done.output)?.[1] ?? 0)
  const [passed, failed, skipped] = [count('passing'), count('failing'), count('skipped')]
  const reasons = Array.from({ length: skipped }, () => ({ title: 'a Solidity test', reason: 'skipped by vm.skip' }))
  return { passed, failed: done.code !== 0 && failed === 0 ? 1 : failed, skipped: reasons, output: done.output }
}

interface MochaReport {
  stats: { passes: number; failures: number; pending: number }
  pending: { fullTitle: string }[]
  failures: { fullTitle: string; err: { message?: string; stack?: string } }[]
}

/** Reads mocha's JSON report. A test says why it skips by printing `SKIP <reason>` before it calls `this.skip()`. */
export function parseMocha(done: Finished, report: MochaReport | undefined): Result {
  if (report === undefined) return { passed: 0, failed: 1, skipped: [], output: done.output }
  const reasons = [...done.output.matchAll(/^SKIP\s+(.+)$/gm)].map((match) => match[1] ?? '')
  const skipped = report.pending.map(({ fullTitle }, i) => ({
    title: fullTitle,
    reason: reasons[i] ?? reasons.at(-1) ?? 'no reason given',
  }))
  const failures = report.failures.map(({ fullTitle, err }) => `✗ ${fullTitle}\n${err.stack ?? err.message ?? ''}`)
  const { passes, failures: failed } = report.stats
  return {
    passed: passes,
    failed: done.code !== 0 && failed === 0 ? 1 : failed,
    skipped,
    output: failures.length > 0 ? failures.join('\n\n') : done.output,
  }
}

/** Files that end in `.deep.test.ts` are for `--deep`. @param jobs  test files at once; for tests that mostly wait for processes of their own */
async function mocha(name: string, folders: readonly string[], timeoutMs: number, jobs = 1): Promise<Result> {
  const specs = folders
    .flatMap((folder) => files(at(folder), (path) => path.endsWith('.test.ts') && (deep || !path.endsWith('.deep.test.ts'))))
    .map(short)
  if (specs.length === 0) return { passed: 0, failed: 1, skipped: [], output: `no test files in ${folders.join(', ')}` }
  const reportFile = at('cache', 'test', `${name.replaceAll(' ', '-')}.json`)
  mkdirSync(at('cache', 'test'), { recursive: true })
  rmSync(reportFile, { force: true })
  // A test over processes that share two cores with others may come too late once; one that fails twice is wrong.
  const parallel = jobs > 1 ? ['--parallel', '--jobs', String(jobs), '--retries', '1'] : []
  const args = [
    '--exit',
    ...parallel,
    '--timeout',
    String(timeoutMs),
    '--reporter',
    'json',
    '--reporter-option',
    `output=${reportFile}`,
    ...specs,
  ]
  const done = await node(TOOLS.mocha, args, { env, timeoutSeconds: LIMIT_SECONDS })
  const report = existsSync(reportFile) ? (JSON.parse(readFileSync(reportFile, 'utf8')) as MochaReport) : undefined
  return parseMocha(done, report)
}

const check = async (file: string, args: readonly string[] = [], extra: Record<string, string> = {}): Promise<Result> =>
  parseCheck(await node(file, args, { env: { ...env, ...extra }, timeoutSeconds: LIMIT_SECONDS }))

const stages: Stage[] = [
  { name: 'set-up', run: () => check(at('scripts', 'build.ts')) },
  // First: it waits more than it works, beside stages that only work.
  { name: 'faults', needs: ['set-up'], run: () => mocha('faults', ['test/faults'], 300_000) },
  { name: 'typecheck', needs: ['set-up'], run: () => check(TOOLS.tsc, ['-p', '.']) },
  // First: one long way through one network, beside all others.
  { name: 'browser', around: true, needs: ['set-up'], run: () => mocha('browser', ['test/browser'], 180_000) },
  { name: 'typecheck of the page', around: true, needs: ['set-up'], run: () => check(TOOLS.tsc, ['-p', 'agents/portal/web']) },
  { name: 'typecheck of its tests', around: true, needs: ['set-up'], run: () => check(TOOLS.tsc, ['-p', 'test/browser']) },
  { name: 'layers', run: () => check(at('scripts', 'layers.ts')) },
  { name: 'generated', needs: ['set-up'], run: () => check(at('scripts', 'generate.ts'), ['--check']) },
  { name: 'selectors', needs: ['set-up'], run: () => check(at('scripts', 'selectors.ts'), ['--check']) },
  { name: 'privileges', needs: ['set-up'], run: () => check(at('scripts', 'privileges.ts'), ['--check']) },
  { name: 'licences', run: () => check(at('scripts', 'licences.ts')) },
  { name: 'layouts', needs: ['set-up'], run: () => check(at('scripts', 'layouts.ts'), ['--check']) },
  {
    name: 'solidity',
    needs: ['set-up'],
    run: async () => parseSolidity(await node(TOOLS.hardhat, ['test', 'solidity'], { env, timeoutSeconds: LIMIT_SECONDS })),
  },
  { name: 'unit', needs: ['set-up'], run: () => mocha('unit', ['test/unit'], 60_000) },
  { name: 'package', around: true, needs: ['set-up', 'generated'], run: () => mocha('package', ['test/package'], 600_000) },
  { name: 'circuits', needs: ['set-up'], run: () => mocha('circuits', ['test/circuits'], 300_000) },
  { name: 'integration', needs: ['set-up', 'generated'], run: () => mocha('integration', ['test/integration'], 120_000, 2) },
  { name: 'docs', around: true, needs: ['set-up'], run: () => mocha('docs', ['test/docs'], 420_000) },
  ...(deep ? [{ name: 'fault mutants', needs: ['set-up'], alone: true, run: () => check(at('scripts', 'mutate-faults.ts')) }] : []),
  { name: 'end to end', needs: ['set-up'], alone: true, run: () => mocha('end to end', ['test/e2e'], 300_000, 2) },
]

interface Row extends Result {
  name: string
  seconds: number
}

/** Runs stages as their needs are met, `width` at once. A stage whose need failed to build is counted as failed, not run. */
export async function schedule(list: readonly Stage[], width: number, onDone: (row: Row) => void): Promise<Row[]> {
  const rows = new Map<string, Row>()
  const names = new Set(list.map(({ name }) => name))
  const waiting = [...list]
  const running = new Map<string, Promise<void>>()
  let alone = false
  const ready = (stage: Stage): boolean => (stage.needs ?? []).every((need) => !names.has(need) || rows.has(need))
  while (waiting.length > 0 || running.size > 0) {
    const index = alone ? -1 : waiting.findIndex((stage) => ready(stage) && (stage.alone !== true || running.size === 0))
    if (index >= 0 && running.size < width) {
      const [stage] = waiting.splice(index, 1) as [Stage]
      alone = stage.alone === true
      const started = performance.now()
      const blocked = rows.get('set-up')?.failed !== undefined && (rows.get('set-up')?.failed ?? 0) > 0 && stage.needs?.includes('set-up')
      const work = blocked === true ? Promise.resolve({ passed: 0, failed: 1, skipped: [], output: 'not run: set-up failed' }) : stage.run()
      const settle = work
        .catch((error: unknown): Result => ({
          passed: 0,
          failed: 1,
          skipped: [],
          output: error instanceof Error ? (error.stack ?? '') : String(error),
        }))
        .then((result) => {
          const row = { name: stage.name, seconds: (performance.now() - started) / 1000, ...result }
          rows.set(stage.name, row)
          running.delete(stage.name)
          if (stage.alone === true) alone = false
          onDone(row)
        })
      running.set(stage.name, settle)
      continue
    }
    await Promise.race(running.values())
  }
  return list.flatMap(({ name }) => rows.get(name) ?? [])
}

/** `npm test` leaves out what is around the network, `--around` runs that alone, `--deep` runs all. */
const chosenByFlag = ({ name, around = false }: Stage): boolean => deep || name === 'set-up' || around === process.argv.includes('--around')

async function main(): Promise<void> {
  const only = process.argv[process.argv.indexOf('--only') + 1]?.split(',')
  const chosen = process.argv.includes('--only') ? stages.filter(({ name }) => only?.includes(name)) : stages.filter(chosenByFlag)
  if (process.argv.includes('--list') || chosen.length === 0) {
    console.log(stages.map(({ name }) => name).join('\n'))
    process.exitCode = chosen.length === 0 ? 1 : 0
    return
  }
  const started = performance.now()
  const rows = await schedule(chosen, Math.min(2, availableParallelism()), ({ name, passed, failed, skipped, seconds, output }) => {
    const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`
    console.log(`${failed > 0 ? 'FAIL' : 'ok  '} ${name.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s  ${counts}`)
    if (failed > 0) console.log(`\n${output.trim()}\n`)
    for (const { title, reason } of skipped) console.log(`     skipped: ${title}\n       why    ${reason}`)
  })
  const sum = (pick: (row: Row) => number): number => rows.reduce((total, row) => total + pick(row), 0)
  const [passed, failed, skipped] = [sum((row) => row.passed), sum((row) => row.failed), sum((row) => row.skipped.length)]
  console.log(`\n${'stage'.padEnd(12)}  seconds  passed  failed  skipped`)
  for (const row of rows) {
    const numbers = [
      row.seconds.toFixed(1).padStart(7),
      String(row.passed).padStart(6),
      String(row.failed).padStart(6),
      String(row.skipped.length).padStart(7),
    ]
    console.log(`${row.name.padEnd(12)}  ${numbers.join('  ')}`)
  }
  const ci = process.env['CI'] === 'true' || process.env['CI'] === '1'
  if (ci && skipped > 0) console.log('CI is set: a skipped test fails the run')
  console.log(`in ${((performance.now() - started) / 1000).toFixed(0)} s`)
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exitCode = failed > 0 || (ci && skipped > 0) ? 1 : 0
}

if (import.meta.main) await main()
