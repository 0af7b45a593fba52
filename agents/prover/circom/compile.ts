// SPDX-License-Identifier: GPL-3.0-or-later
/** Compiles circom sources with circom2 (the compiler as WebAssembly) in a process of its own. */
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { mkdirSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { TrellisError } from '../../protocol/errors.ts'

/** `node_modules` of this installation, and the folder that holds it. */
const compiler = createRequire(import.meta.url).resolve('circom2/cli.js')
const modules = dirname(dirname(compiler))
const home = dirname(modules)

export interface CompileOptions {
  /** Simplification; 2 for what is proved, 1 where compiling fast matters more. */
  readonly level: 1 | 2
  /** Also the symbol table. */
  readonly symbols?: boolean
  readonly signal?: AbortSignal
}

/**
 * Writes <name>.r1cs, <name>_js/<name>.wasm and, if asked, <name>.sym into `out`, where <name> is the source's.
 * The compiler sees only what lies under the installation's folder, and reads slowly elsewhere: `source` and `out` must lie there.
 * @throws TrellisError CIRCUIT_COMPILE_FAILED with the compiler's own words.
 */
export async function compileCircuit(source: string, out: string, options: CompileOptions): Promise<void> {
  mkdirSync(out, { recursive: true })
  const args = [relative(home, source), '-l', relative(home, modules), `--O${options.level}`, '--r1cs', '--wasm', '-o', relative(home, out)]
  if (options.symbols === true) args.push('--sym')
  const child = spawn(process.execPath, [compiler, ...args], { cwd: home, stdio: ['ignore', 'pipe', 'pipe'], signal: options.signal })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const code = await new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0 || !output.includes('Everything went okay')) {
    throw new TrellisError({
      code: 'CIRCUIT_COMPILE_FAILED',
      message: `circom refused ${relative(home, source)}.`,
      details: { exit: code, output: output.replaceAll(/\u001b\[[\d;]*m/g, '').trim() },
      next: 'mend the line that the compiler names',
    })
  }
}
