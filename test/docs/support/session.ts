// SPDX-License-Identifier: Apache-2.0
/**
 * One local network, and for each page a folder that looks like the checkout, with a shell that runs the page's blocks there. `npm` is a stand-in that calls the CLI as
 * the scripts of package.json do, without their look at node_modules; `npm start` shows what the one network prints. Ports are the network's own.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_PORTS, LocalState, type Ports } from '../../../agents/cli/local/state.ts'
import { at } from '../../../scripts/shell.ts'
import { type Block, missing } from './blocks.ts'

const MAIN = at('agents', 'cli', 'main.ts')

export interface Session {
  folder: string
  /** Runs the blocks of a page in one shell, in order. What went wrong, or undefined. */
  page(name: string, blocks: readonly Block[]): Promise<string | undefined>
  end(): Promise<void>
}

/** Two sensors, 70 readings each: two windows of each, and the second is closed by the end. */
export function sampleCsv(): string {
  const rows = ['kitchen', 'cellar'].flatMap((sensor) =>
    Array.from({ length: 70 }, (_, i) => `${sensor},${1_700_000_000 + i * 10},${(40.25 + (i % 11)).toFixed(2)}`),
  )
  return `sensor,at,humidity\n${rows.join('\n')}\n`
}

const isAlive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

/** @param replace  texts of the pages that stand for something else on this machine */
export async function openSession(replace: Readonly<Record<string, string>>): Promise<Session> {
  const folder = mkdtempSync(join(tmpdir(), 'trellis-docs-'))
  const hidden = join(folder, '.session')
  mkdirSync(join(hidden, 'bin'), { recursive: true })
  const log = join(hidden, 'start.log')
  const shim = join(hidden, 'bin', 'npm')
  writeFileSync(
    shim,
    `#!/usr/bin/env bash
set -eu
while [ "\${1:-}" = --silent ] || [ "\${1:-}" = -s ]; do shift; done
word=$1; shift
if [ "$word" = run ]; then
  while [ "\${1:-}" = --silent ] || [ "\${1:-}" = -s ]; do shift; done
  word=$1; shift
fi
if [ "\${1:-}" = -- ]; then shift; fi
case "$word" in
  start) cat ${log}; exec sleep 600 ;;
  trellis) exec ${process.execPath} ${MAIN} "$@" ;;
  demo) exec ${process.execPath} ${MAIN} demo --free-ports --no-build "$@" ;;
  doctor) exec ${process.execPath} ${MAIN} doctor "$@" ;;
  *) echo "npm $word is not run here: give its block a skip" >&2; exit 1 ;;
esac
`,
  )
  chmodSync(shim, 0o755)
  // Started by root, Mosquitto becomes another account, which cannot read the files of a page.
  const broker = join(hidden, 'bin', 'mosquitto')
  writeFileSync(
    broker,
    `#!/usr/bin/env bash
PATH=\${PATH#*:}:/usr/sbin
if [ "$(id -u)" = 0 ]; then for file; do [ -f "$file" ] && echo "user root" >> "$file"; done; fi
exec mosquitto "$@"
`,
  )
  chmodSync(broker, 0o755)
  const env = {
    ...process.env,
    ...{ PATH: `${join(hidden, 'bin')}:${process.env['PATH'] ?? ''}`, TRELLIS_STATE: join(folder, '.trellis') },
    ...{ NO_COLOR: '1', FORCE_COLOR: '0', NODE_COMPILE_CACHE: join(hidden, 'compiled') },
  }
  writeFileSync(join(folder, 'sample.csv'), sampleCsv())
  const started: ChildProcess[] = []
  const start = (command: string, args: readonly string[], output: string, cwd = folder): ChildProcess => {
    const file = openSync(output, 'w')
    // A group of its own: what a page leaves running ends with it.
    const child = spawn(command, args, { cwd, env: { ...env, INIT_CWD: cwd }, detached: true, stdio: ['ignore', file, file] })
    closeSync(file)
    started.push(child)
    return child
  }
  const columns = ['--data', 'sample.csv', '--device', 'sensor', '--time', 'at', '--value', 'humidity', '--speed', '400']
  const network = start(process.execPath, [MAIN, 'start', '--free-ports', '--no-build', ...columns], log)
  const read = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  const until = async (look: () => boolean, child: ChildProcess, seconds: number): Promise<boolean> => {
    for (const limit = Date.now() + seconds * 1000; Date.now() < limit && isAlive(child);) {
      if (look()) return true
      await new Promise((wake) => setTimeout(wake, 100))
    }
    return look()
  }
  if (!(await until(() => read(log).includes('Ctrl-C stops it'), network, 240))) throw new Error(`the network did not start\n${read(log)}`)

  const { ports } = new LocalState(join(folder, '.trellis')).readRun()!
  const place = (text: string): string => {
    let placed = text
    for (const name of Object.keys(DEFAULT_PORTS) as (keyof Ports)[])
      placed = placed.replaceAll(new RegExp(`\\b${DEFAULT_PORTS[name]}\\b`, 'g'), String(ports[name]))
    for (const [from, to] of Object.entries(replace))
      placed = placed.replaceAll(/^\d+$/.test(from) ? new RegExp(`\\b${from}\\b`, 'g') : from, to)
    return placed
  }

  async function page(name: string, blocks: readonly Block[]): Promise<string | undefined> {
    const own = join(hidden, name.replaceAll('/', '_'))
    const work = join(own, 'checkout')
    mkdirSync(work, { recursive: true })
    const entries = readdirSync(at()).filter((entry) => !['.git', '.trellis', 'cache'].includes(entry))
    for (const entry of entries) symlinkSync(at(entry), join(work, entry))
    symlinkSync(join(folder, '.trellis'), join(work, '.trellis'))
    const run = blocks.filter(({ skip }) => skip === undefined)
    const steps = run.flatMap(({ text, stays, exit }, i) => {
      const file = join(own, `${i}.sh`)
      writeFileSync(file, `${place(text)}\n`)
      const out = join(own, `${i}.out`)
      if (stays !== undefined)
        return [
          `( source ${file} ) > ${out} 2>&1 < /dev/null &`,
          `for _ in $(seq 600); do grep -qF '${stays}' ${out} && break; sleep 0.1; done; grep -qF '${stays}' ${out}`,
        ]
      if (exit !== 0) return [`code=0; ( source ${file} ) > ${out} 2>&1 < /dev/null || code=$?; [ $code = ${exit} ]`]
      return [`source ${file} > ${out} 2>&1 < /dev/null`]
    })
    const script = join(own, 'page.sh')
    const marked = steps.map((step, i) => `echo ${i} > ${own}/at\n${step}`)
    writeFileSync(script, `set -euo pipefail\n${marked.join('\n')}\necho done > ${own}/at\n`)
    const shell = start('bash', [script], join(own, 'shell.out'), work)
    const ended = await until(() => read(join(own, 'at')).trim() === 'done', shell, 120)
    for (const [i, { line, output }] of run.entries()) {
      const printed = read(join(own, `${i}.out`))
      const lost = existsSync(join(own, `${i}.out`)) ? missing(output, printed) : undefined
      if (lost !== undefined) return `${name}:${line} does not print "${lost}"\n${printed}`
    }
    if (ended) return undefined
    const last = run.filter((_, i) => existsSync(join(own, `${i}.out`))).length - 1
    return `${name}:${run[last]?.line ?? 0} failed\n${run[last]?.text ?? ''}\n${read(join(own, `${last}.out`))}${read(join(own, 'shell.out'))}`
  }

  async function end(): Promise<void> {
    for (const child of started.reverse()) {
      if (child === network) child.kill('SIGTERM')
      else {
        try {
          process.kill(-child.pid!, 'SIGTERM')
        } catch {
          // It ended by itself, with all that it started.
        }
      }
    }
    await until(() => !isAlive(network), network, 30)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
  return { folder, page, end }
}
