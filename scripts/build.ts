// SPDX-License-Identifier: Apache-2.0
/**
 * Builds what is built: contracts (Hardhat), circuits and the page (Vite). Each is skipped when the
 * hash of its sources is the one of the last build. `--contracts`, `--circuits` or `--page` builds one of them, `--force` builds anyway.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Listr, type ListrTask } from 'listr2'
import { locked } from './lock.ts'
import { at, files, hashOf, node, TOOLS } from './shell.ts'

const flags = new Set(process.argv.slice(2))
const unknown = [...flags].filter((flag) => !['--contracts', '--circuits', '--page', '--force', '--quiet'].includes(flag))
if (unknown.length > 0) {
  console.error(
    `UNKNOWN_FLAG  build does not know ${unknown.join(', ')}\n  next  npm run build -- [--contracts] [--circuits] [--page] [--force]`,
  )
  process.exit(1)
}
const all = !flags.has('--contracts') && !flags.has('--circuits') && !flags.has('--page')

interface Part {
  title: string
  stamp: string
  product: string
  hash: () => string
  work: (tell: (line: string) => void) => Promise<void>
}

async function tool(file: string, args: readonly string[], tell: (line: string) => void): Promise<void> {
  const done = await node(file, args, { onOutput: (text) => tell(text.trim().split('\n').at(-1) ?? '') })
  if (done.code !== 0) throw new Error(`${file.split(/[\\/]/).at(-1) ?? file} ended with ${done.code}\n${done.output.trim()}`)
}

const contractsHash = (): string =>
  hashOf([...files(at('contracts'), (path) => path.endsWith('.sol')), at('hardhat.config.ts'), at('package-lock.json')])

const parts: (Part | false)[] = [
  (all || flags.has('--contracts')) && {
    title: 'contracts',
    stamp: at('cache', 'build-contracts'),
    product: at('artifacts', 'contracts'),
    hash: contractsHash,
    work: (tell: (line: string) => void) => tool(TOOLS.hardhat, ['build', '--no-tests'], tell),
  },
  (all || flags.has('--circuits')) && {
    title: 'circuits',
    stamp: at('cache', 'build-circuits'),
    product: at('build', 'circuits'),
    hash: () =>
      hashOf([
        ...files(at('circuits'), () => true),
        ...files(at('agents', 'prover', 'circom'), () => true),
        at('scripts', 'build-circuits.ts'),
        at('package-lock.json'),
      ]),
    work: (tell: (line: string) => void) => tool(at('scripts', 'build-circuits.ts'), [], tell),
  },
  (all || flags.has('--page')) && {
    title: 'page',
    stamp: at('cache', 'build-page'),
    product: at('build', 'portal', 'index.html'),
    hash: () =>
      hashOf([
        ...['portal/web', 'protocol', 'crypto'].flatMap((room) => files(at('agents', room), (path) => !path.endsWith('.md'))),
        at('agents', 'portal', 'api.ts'),
        at('package-lock.json'),
      ]),
    work: (tell: (line: string) => void) =>
      tool(TOOLS.vite, ['build', '--config', at('agents', 'portal', 'web', 'vite.config.ts'), '--logLevel', 'error'], tell),
  },
]

async function build(part: Part, tell: (line: string) => void): Promise<'built' | 'fresh'> {
  const hash = part.hash()
  const last = existsSync(part.stamp) ? readFileSync(part.stamp, 'utf8').trim() : ''
  if (!flags.has('--force') && last === hash && existsSync(part.product)) return 'fresh'
  rmSync(part.stamp, { force: true })
  await part.work(tell)
  mkdirSync(dirname(part.stamp), { recursive: true })
  writeFileSync(part.stamp, `${hash}\n`)
  return 'built'
}

const wanted = parts.filter((part) => part !== false)
const quiet = flags.has('--quiet')
const fancy = process.stdout.isTTY && !quiet
const started = performance.now()
const since = (from: number): string => `${((performance.now() - from) / 1000).toFixed(1)} s`

/** One part with plain lines: for pipes, logs and CI. */
async function buildPlain(part: Part): Promise<void> {
  const from = performance.now()
  const tell = (line: string): void => {
    if (!quiet) console.log(`· ${part.title}  ${line}`)
  }
  const ticker = setInterval(() => tell(`building, ${since(from)}`), 15_000)
  const result = await build(part, () => {}).finally(() => clearInterval(ticker))
  tell(result === 'fresh' ? 'unchanged' : `built in ${since(from)}`)
}

function listrTask(part: Part): ListrTask {
  return {
    title: part.title,
    task: async (_context, task) => {
      const from = performance.now()
      const result = await build(part, (line) => {
        task.output = line
      })
      task.title = `${part.title}  ${result === 'fresh' ? 'unchanged' : `built in ${since(from)}`}`
    },
  }
}

try {
  await locked(
    at('.trellis', 'build.lock'),
    async () => {
      if (fancy) await new Listr(wanted.map(listrTask), { concurrent: true }).run()
      else await Promise.all(wanted.map(buildPlain))
    },
    (holder) => console.error(`· another build is running (process ${holder}); waiting for it`),
  )
  if (!quiet) console.log(`· build ready in ${since(started)}`)
} catch (error) {
  console.error(`\nBUILD_FAILED  ${(error as Error).message}\n  next  mend the source named above, then npm run build`)
  process.exitCode = 1
}
