// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench -- <name> [--json] [--check]`: runs test/bench/<name>.bench.ts, prints a table, keeps the rows in
 * test/bench/results/<name>.json. `--check` compares what does not depend on the machine (gas, constraints, bytes) with the kept file instead.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { pathToFileURL } from 'node:url'
import { at, files, node, refuse } from './shell.ts'

/** One line of a bench. `ratio` is above 1 where ours is better; `target` is the figure to reach in `unit`. */
export interface Row {
  case: string
  unit: string
  ours: number
  peer: number | null
  peerName: string | null
  ratio: number | null
  target: number | null
  ok: boolean
}

export interface Bench {
  name: string
  /** Set when the figures are of contracts: they are then built first. */
  contracts?: boolean
  run: (options: { deep: boolean }) => Promise<Row[]>
}

/** Units whose figures are the same on every machine. */
const FIXED_UNITS = new Set(['gas', 'constraints', 'bytes', 'wires', 'signals'])

export const isFixed = (row: Row): boolean => FIXED_UNITS.has(row.unit)

/** What differs between kept and measured rows, among those that may not depend on the machine. */
export function differences(kept: readonly Row[], rows: readonly Row[]): string[] {
  const before = new Map(kept.filter(isFixed).map((row) => [row.case, row]))
  const now = new Map(rows.filter(isFixed).map((row) => [row.case, row]))
  const found: string[] = []
  for (const [name, row] of now) {
    const old = before.get(name)
    if (old === undefined) found.push(`${name}  is new: ${row.ours} ${row.unit}`)
    else if (old.ours !== row.ours)
      found.push(`${name}  was ${old.ours} ${row.unit}, is ${row.ours} (${row.ours > old.ours ? '+' : ''}${row.ours - old.ours})`)
  }
  for (const [name, row] of before) if (!now.has(name)) found.push(`${name}  is gone, was ${row.ours} ${row.unit}`)
  return found
}

const figure = (value: number | null): string =>
  value === null ? '–' : Number.isInteger(value) ? value.toLocaleString('en-US') : value >= 100 ? value.toFixed(0) : value.toPrecision(3)

function table(rows: readonly Row[]): string {
  const lines = [
    ['case', 'ours', 'unit', 'peer', 'ratio', 'target', ''],
    ...rows.map((row) => [
      row.case,
      figure(row.ours),
      row.unit,
      row.peer === null ? '–' : `${figure(row.peer)}${row.peerName === null ? '' : ` ${row.peerName}`}`,
      row.ratio === null ? '–' : `${row.ratio.toFixed(2)}×`,
      figure(row.target),
      row.ok ? 'ok' : 'MISSED',
    ]),
  ]
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => (column === 1 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

async function main(): Promise<void> {
  const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'))
  const [name] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
  const known = files(at('test', 'bench'), (path) => path.endsWith('.bench.ts')).map(
    (path) => /([^\\/]+)\.bench\.ts$/.exec(path)?.[1] ?? '',
  )
  if (name === undefined || !known.includes(name)) {
    refuse(
      'BENCH_UNKNOWN',
      name === undefined ? 'No bench was named.' : `There is no bench "${name}".`,
      [`known  ${known.join(', ')}`],
      'npm run bench -- gas',
    )
    return
  }
  const json = flags.includes('--json')
  // With --json, stdout carries the table to stderr and only the last line is data.
  const say = json ? console.error : console.log
  const bench = ((await import(pathToFileURL(at('test', 'bench', `${name}.bench.ts`)).href)) as { default: Bench }).default
  if (bench.contracts === true) {
    const built = await node(at('scripts', 'build.ts'), [])
    if (built.code !== 0) {
      refuse('BUILD_FAILED', 'The contracts do not build.', [built.output.trim()], 'npm run build')
      return
    }
  }
  const rows = await bench.run({ deep: flags.includes('--deep') })
  say(table(rows))
  const missed = rows.filter((row) => !row.ok)
  const file = at('test', 'bench', 'results', `${name}.json`)
  if (flags.includes('--check')) {
    const kept = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { rows: Row[] }).rows : []
    const found = differences(kept, rows)
    if (found.length > 0)
      refuse(
        'BENCH_DIFFERS',
        `${found.length} figures are not the kept ones.`,
        found,
        `npm run bench -- ${name}   (then commit test/bench/results/${name}.json)`,
      )
  } else {
    mkdirSync(at('test', 'bench', 'results'), { recursive: true })
    const machine = rows.every(isFixed)
      ? {}
      : { machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), node: process.versions.node } }
    writeFileSync(file, `${JSON.stringify({ bench: name, ...machine, rows }, undefined, 2)}\n`)
  }
  // A missed target is told once, by the run that keeps it; a check compares with what was kept.
  if (missed.length > 0 && !flags.includes('--check'))
    refuse(
      'BENCH_TARGET_MISSED',
      `${missed.length} rows miss their target.`,
      missed.map((row) => `${row.case}  ${row.ours} ${row.unit}, target ${row.target ?? ''}`),
      'make it cheaper, or argue the target in the issue',
    )
  if (json) console.log(JSON.stringify({ bench: name, rows }))
}

if (import.meta.main) {
  await main()
  // Provers and curves leave worker threads behind.
  process.exit()
}
