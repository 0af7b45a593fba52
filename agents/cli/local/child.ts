// SPDX-License-Identifier: Apache-2.0
/** A child process that runs to its end: offers, builds. */
import { spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { repository } from './state.ts'

/** Runs a file of this repository under this Node. stderr goes to `log` too; with `show`, everything also goes to this process's stderr. */
export function runOnce(
  args: readonly string[],
  log?: string,
  show = false,
  signal?: AbortSignal,
  cwd = repository,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const stop = (): void => void child.kill('SIGTERM')
    signal?.addEventListener('abort', stop, { once: true })
    let output = ''
    const take = (chunk: Buffer): void => {
      output += chunk.toString()
      if (log !== undefined) appendFileSync(log, chunk, { mode: 0o600 })
      if (show) process.stderr.write(chunk)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', reject)
    child.once('close', (code) => {
      signal?.removeEventListener('abort', stop)
      resolve({ code: code ?? 1, output })
    })
  })
}
