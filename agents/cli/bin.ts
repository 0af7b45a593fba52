#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/**
 * `trellis` of the package, on Node 20 or newer. `init` runs as it is; everything else runs under the project's Node 24 with what the project
 * installed, and an install that npm left incomplete under an older Node is made good first.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { TrellisError } from '../protocol/errors.ts'
import { printError } from './print.ts'

const INSTALL_NODE = '24.21.0'
const [command, ...rest] = process.argv.slice(2)
const modules = join(process.cwd(), 'node_modules')
const node = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
const env = { ...process.env, PATH: `${join(modules, '.bin')}${delimiter}${process.env['PATH'] ?? ''}` }

/** Hardhat's native chain is an optional package that npm leaves out in silence when it runs on an old Node. */
const works = (): boolean =>
  existsSync(node) && spawnSync(node, ['-e', 'require("@nomicfoundation/edr")'], { cwd: join(modules, 'hardhat') }).status === 0

function foreground(program: string, args: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)))
  })
}

try {
  if (command === 'init') {
    const { init } = await import('./init.ts')
    init(rest)
  } else {
    if (!existsSync(join(process.cwd(), 'package.json')))
      throw new TrellisError({
        code: 'NO_PROJECT',
        message: 'There is no project in this folder.',
        next: 'trellis init NAME, then cd NAME',
      })
    if (!works()) {
      console.error(`· installing what this project needs (under Node ${INSTALL_NODE})`)
      const install = existsSync('package-lock.json') && existsSync(modules) ? 'ci' : 'install'
      const args = ['exec', '--yes', `--package=node@${INSTALL_NODE}`, '--', 'npm', install, '--no-audit', '--no-fund', '--loglevel=error']
      const code = await foreground('npm', args)
      if (code !== 0 || !works())
        throw new TrellisError({ code: 'INSTALL_INCOMPLETE', message: `npm ${install} ended with ${code}.`, next: 'check the network to the npm registry, then run the same command again' }) // prettier-ignore
    }
    process.exitCode = await foreground(node, [fileURLToPath(new URL('main.js', import.meta.url)), ...process.argv.slice(2)])
  }
} catch (error) {
  printError(error)
  process.exitCode = 1
}
