// SPDX-License-Identifier: Apache-2.0
/** A process of the network under test: started again when it ends, killed, stopped, given a full disk or another clock. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { PERMANENT_EXIT } from '../../../agents/kit/service.ts'

const TAIL = 60_000
const AGAIN_MS = 200

/** libfaketime's library for programs with threads; undefined where it is not installed. */
export const clockLibrary = (): string | undefined => globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0]

export interface AgentOptions {
  name: string
  args: string[]
  cwd: string
  env?: Record<string, string>
  /** Asked until it answers true, after each start. */
  ready?: () => Promise<boolean>
  /** A process with an end of its own: leaving with 0 is its end, and `lines` of its output are kept. */
  ends?: boolean
}

export class Agent {
  readonly name: string
  readonly #options: AgentOptions
  #child: ChildProcess | undefined
  #wanted = false
  #skew: string | undefined
  /** An end that no start mends: code 78, or an end that nobody asked for too often. */
  failure: string | undefined
  starts = 0
  output = ''
  done = false

  constructor(options: AgentOptions) {
    this.name = options.name
    this.#options = options
  }

  get pid(): number | undefined {
    return this.#child?.exitCode === null && this.#child.signalCode === null ? this.#child.pid : undefined
  }

  /** Starts, and keeps starting again whatever ends it, until `end`. */
  start(): void {
    if (this.#wanted) return
    this.#wanted = true
    this.#spawn()
  }

  #spawn(): void {
    const { args, cwd, env, ends = false } = this.#options
    // The library itself: the command forks, and a kill would end the fork's parent only.
    const clock = this.#skew === undefined ? {} : { LD_PRELOAD: clockLibrary(), FAKETIME: this.#skew, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
    const child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, ...env, ...clock, NODE_NO_WARNINGS: '1', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.starts += 1
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.output = (this.output + chunk.toString()).slice(-TAIL)))
    child.once('close', (code) => {
      if (ends && code === 0) this.done = true
      if (code === PERMANENT_EXIT) this.failure ??= `${this.name} left with ${PERMANENT_EXIT}: no start mends it`
      if (this.#wanted && !this.done && this.failure === undefined && this.#child === child)
        setTimeout(() => this.#wanted && this.#child === child && this.#spawn(), AGAIN_MS)
    })
  }

  async ready(limitMs = 60_000): Promise<void> {
    const { ready } = this.#options
    for (const until = Date.now() + limitMs; ;) {
      if (ready === undefined || (await ready().catch(() => false))) return
      if (this.failure !== undefined || Date.now() > until) throw new Error(`${this.name} is not ready\n${this.output.slice(-3_000)}`)
      await new Promise((wake) => setTimeout(wake, 50))
    }
  }

  signal(name: NodeJS.Signals): void {
    if (this.pid !== undefined) this.#child!.kill(name)
  }

  /** SIGKILL; it is started again at once. */
  kill(): void {
    this.signal('SIGKILL')
  }

  /** SIGSTOP for a while. */
  async freeze(ms: number): Promise<void> {
    const child = this.#child
    child?.kill('SIGSTOP')
    await new Promise((wake) => setTimeout(wake, ms))
    child?.kill('SIGCONT')
  }

  /** Every write that makes a file longer fails for a while. */
  async fullDisk(ms: number): Promise<void> {
    const { pid } = this
    if (pid === undefined) return
    const limit = (size: string): void => {
      // Gone meanwhile: its successor has no limit.
      if (this.pid === pid) execFileSync('prlimit', [`--pid=${pid}`, `--fsize=${size}`], { stdio: 'ignore' })
    }
    limit('0:unlimited')
    await new Promise((wake) => setTimeout(wake, ms))
    limit('unlimited:unlimited')
  }

  /** Runs with another clock for a while; a start at each end. */
  async skew(by: string, ms: number): Promise<void> {
    this.#skew = by
    this.kill()
    await new Promise((wake) => setTimeout(wake, ms))
    this.#skew = undefined
    this.kill()
  }

  async end(): Promise<void> {
    this.#wanted = false
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    await ended
  }
}
