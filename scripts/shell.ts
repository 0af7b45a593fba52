// SPDX-License-Identifier: Apache-2.0
/** What the scripts share: the repository root, the tools under node_modules, child processes with captured output, hashes of files. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[\\/]$/, '')
export const at = (...parts: string[]): string => join(root, ...parts)

/** JavaScript entry points of the tools, run by the Node that runs this script: no shell, no shims. */
export const TOOLS = {
  tsc: at('node_modules', 'typescript', 'bin', 'tsc'),
  eslint: at('node_modules', 'eslint', 'bin', 'eslint.js'),
  prettier: at('node_modules', 'prettier', 'bin', 'prettier.cjs'),
  solhint: at('node_modules', 'solhint', 'solhint.js'),
  mocha: at('node_modules', 'mocha', 'bin', 'mocha.js'),
  hardhat: at('node_modules', 'hardhat', 'dist', 'src', 'cli.js'),
  vite: at('node_modules', 'vite', 'bin', 'vite.js'),
} as const

export interface Finished {
  code: number
  /** stdout and stderr in the order they came. */
  output: string
  seconds: number
}

export interface RunOptions {
  env?: Record<string, string>
  /** Called with each piece of output as it comes. */
  onOutput?: (text: string) => void
  /** Give the child this terminal instead of capturing. */
  inherit?: boolean
  timeoutSeconds?: number
  cwd?: string
}

/** Runs one program to its end and returns its output. Never throws for a non-zero exit: read `code`. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const started = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: options.inherit === true ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    })
    const timer =
      options.timeoutSeconds === undefined
        ? undefined
        : setTimeout(() => {
            output += `\nended after ${options.timeoutSeconds ?? 0} s: it took too long\n`
            child.kill('SIGKILL')
          }, options.timeoutSeconds * 1000)
    let output = ''
    const take = (chunk: Buffer): void => {
      const text = chunk.toString()
      output += text
      options.onOutput?.(text)
    }
    child.stdout?.on('data', take)
    child.stderr?.on('data', take)
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code: code ?? 1, output, seconds: (performance.now() - started) / 1000 })
    })
  })
}

/** Runs a JavaScript or TypeScript file under this Node. */
export const node = (file: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Finished> =>
  run(process.execPath, [file, ...args], options)

/** Every file under `folder` (absolute paths, sorted) for which `want` holds. Missing folders are empty. */
export function files(folder: string, want: (path: string) => boolean): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => !path.includes('node_modules'))
    .map((path) => join(folder, path))
    .filter((path) => want(path) && statSync(path).isFile())
    .sort()
}

/** Path from the repository root, with forward slashes. */
export const short = (path: string): string => relative(root, path).replaceAll('\\', '/')

/** One hash over the names and bytes of files, in the order given. */
export function hashOf(paths: readonly string[], extra = ''): string {
  const hash = createHash('sha256').update(extra)
  for (const path of paths) hash.update(`\0${short(path)}\0`).update(readFileSync(path))
  return hash.digest('hex')
}

/** Prints a script's failure as what, why, next and sets the exit code. */
export function refuse(code: string, what: string, facts: readonly string[], next: string): void {
  console.error([`${code}  ${what}`, ...facts.map((fact) => `  ${fact}`), `  next  ${next}`].join('\n'))
  process.exitCode = 1
}
