// SPDX-License-Identifier: Apache-2.0
/** A local run in a folder of its own, as its user sees it: the commands of `trellis`, run.json, and the gateway's accounting. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RunRecord } from '../../../agents/cli/local/state.ts'
import { at } from '../../../scripts/shell.ts'

const MAIN = at('agents', 'cli', 'main.ts')

export interface Running {
  child: ChildProcess
  stdout: () => string
  stderr: () => string
  ended: Promise<number>
}

/** Answer of `audit --json`. */
export interface Books {
  accepted: number
  settled: number
  pending: number
  open: number
  refusedAfterAccept: number
  problems: string[]
  tasks: { taskId: string; settled: boolean }[]
  wallets: { device: string; wallet: string; due: string; paid: string }[]
}

export class LocalRun {
  readonly folder = mkdtempSync(join(tmpdir(), 'trellis-e2e-'))
  readonly #living: Running[] = []

  /** Starts a command; what still runs at the end of the test is stopped then. */
  trellis(...args: string[]): Running {
    const child = spawn(process.execPath, [MAIN, '--state', this.folder, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? 1)))
    const running = { child, stdout: () => stdout, stderr: () => stderr, ended }
    this.#living.push(running)
    return running
  }

  record(): RunRecord | undefined {
    try {
      return JSON.parse(readFileSync(join(this.folder, 'run.json'), 'utf8')) as RunRecord
    } catch {
      return undefined
    }
  }

  async accounting(): Promise<{ acceptedReadings: number; windows: number } | undefined> {
    const run = this.record()
    if (run?.job === undefined) return undefined
    return fetch(`http://127.0.0.1:${run.ports.gateway}/v1/accounting?project=${run.job.project}`).then(
      (response) => response.json() as Promise<{ acceptedReadings: number; windows: number }>,
      () => undefined,
    )
  }

  /** kill -9 of a child of the run. */
  kill(name: string): number {
    const { pid } = this.record()!.children[name]!
    process.kill(pid, 'SIGKILL')
    return pid
  }

  async audit(): Promise<Books> {
    const audit = this.trellis('audit', '--json')
    if ((await audit.ended) !== 0) throw new Error(`audit is not clean\n${audit.stdout()}\n${audit.stderr()}`)
    return JSON.parse(audit.stdout().trim()) as Books
  }

  async end(): Promise<void> {
    for (const { child, ended } of this.#living.splice(0)) {
      child.kill('SIGTERM')
      await ended
    }
    await this.trellis('stop').ended
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Waits while a command runs. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  running: Running,
  seconds = 240,
): Promise<T> {
  for (const limit = Date.now() + seconds * 1000; Date.now() < limit;) {
    const found = await look()
    if (found !== undefined) return found
    if (running.child.exitCode !== null) break
    await new Promise((wake) => setTimeout(wake, 150))
  }
  throw new Error(`${what} did not happen\n${running.stdout()}\n${running.stderr()}`)
}
