// SPDX-License-Identifier: Apache-2.0
/** Processes of the bench: started, waited for, ended; and the memory of a process with all of its children. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createWriteStream, readFileSync } from 'node:fs'
import { root } from '../../../scripts/shell.ts'

export interface Running {
  readonly pid: number
  stop(): Promise<void>
}

/**
 * Starts a file of this repository under this Node and waits until `ready` answers true.
 * @param log  file for its output; its end is shown when the process fails
 */
export async function startProcess(args: readonly string[], log: string, ready: () => Promise<boolean>, seconds = 60): Promise<Running> {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, NODE_NO_WARNINGS: '1', FORCE_COLOR: '0', HARDHAT_DISABLE_TELEMETRY_PROMPT: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const file = createWriteStream(log)
  child.stdout.pipe(file, { end: false })
  child.stderr.pipe(file, { end: false })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  for (const limit = Date.now() + seconds * 1000; Date.now() < limit && child.exitCode === null;) {
    if (await ready().catch(() => false)) return { pid: child.pid!, stop: () => end(child, ended) }
    await new Promise((wake) => setTimeout(wake, 100))
  }
  await end(child, ended)
  throw new Error(`${args.join(' ')} did not become ready\n${readFileSync(log, 'utf8').slice(-2000)}`)
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
  await ended
  clearTimeout(timer)
}

/** Resident memory in MiB of each process with all that it started. Processes that are gone count nothing. POSIX `ps`. */
export function residentMiB(pids: readonly number[]): number[] {
  const processes = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,rss='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number) as [pid: number, parent: number, kib: number])
  const children = Map.groupBy(processes, ([, parent]) => parent)
  const own = new Map(processes.map(([pid, , kib]) => [pid, kib]))
  const tree = (pid: number): number => (own.get(pid) ?? 0) + (children.get(pid) ?? []).reduce((sum, [child]) => sum + tree(child), 0)
  return pids.map((pid) => tree(pid) / 1024)
}
