// SPDX-License-Identifier: Apache-2.0
/** Keeps child processes running: starts them in their own groups, restarts what crashes with backoff, stops all in reverse order. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { TrellisError } from '../../protocol/errors.ts'
import { end, isRunning, type ProcessRef, refOf } from './process.ts'
import { type LocalState, repository, type RunRecord } from './state.ts'

export interface ChildSpec {
  name: string
  /** Arguments for this Node. */
  args: readonly string[]
  env?: Readonly<Record<string, string>>
  /** The repository by default. */
  cwd?: string
  /** Resolves true once the child does its work. Polled until then. */
  ready?: () => Promise<boolean>
  readySeconds?: number
  /** What an end with exit code 0 means: `done` for a child that has finished, `crash` for one that should run for ever. */
  onExitZero: 'done' | 'crash'
  /** False for a child whose loss cannot be mended by starting it again: its end is reported by `onGivenUp`. */
  restart?: boolean
  /** Phase of the run once this child is given up. */
  phaseAtEnd?: string
  /** Exit code by which the child says that starting it again does not help. Believed the second time in a row. */
  permanentCode?: number
}

export interface SupervisorEvents {
  /** A child ended without being asked to and is started again after `delayMs`. */
  onRestart?: (name: string, reason: string, delayMs: number) => void
  onDone?: (name: string) => void
  /** A child crashed so often in a row that it is given up, or cannot be started again. */
  onGivenUp?: (error: TrellisError, name: string) => void
}

interface Child {
  spec: ChildSpec
  process?: ChildProcess
  ref?: ProcessRef
  state: 'running' | 'waiting' | 'done' | 'stopped'
  /** Ends in a row, each within `STABLE_MS` of its start. */
  failures: number
  /** Ends in a row with the spec's `permanentCode`. */
  permanent: number
  restarts: number
  startedAt: number
  timer?: NodeJS.Timeout
}

const FIRST_DELAY_MS = 250
const LONGEST_DELAY_MS = 10_000
const STABLE_MS = 20_000
const MOST_FAILURES = 8
const MOST_PERMANENT = 2

/** Lines at the end of a file, for errors. */
export function tail(file: string, lines = 12): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  } catch {
    return ''
  }
}

export class Supervisor {
  readonly children = new Map<string, Child>()
  readonly #state: LocalState
  readonly #record: RunRecord
  readonly #events: SupervisorEvents
  #stopping = false

  constructor(state: LocalState, record: RunRecord, events: SupervisorEvents = {}) {
    this.#state = state
    this.#record = record
    this.#events = events
  }

  /** Starts a child and waits until it is ready. @throws TrellisError CHILD_FAILED with the end of its log. */
  async start(spec: ChildSpec): Promise<void> {
    const child: Child = { spec, state: 'waiting', failures: 0, permanent: 0, restarts: 0, startedAt: 0 }
    this.children.set(spec.name, child)
    this.#spawn(child)
    await this.ready(spec.name)
  }

  /** Waits until a child that was started is ready. */
  async ready(name: string): Promise<void> {
    const child = this.children.get(name)
    const ready = child?.spec.ready
    if (child === undefined || ready === undefined) return
    const limit = (child.spec.readySeconds ?? 60) * 1000
    for (const until = Date.now() + limit; Date.now() < until;) {
      if (await ready().catch(() => false)) return
      if (child.failures >= 3 || this.#stopping) break
      await new Promise((wake) => setTimeout(wake, 100))
    }
    throw this.#failure(child, `${name} did not become ready.`)
  }

  /** Takes over a living process of an earlier supervisor. */
  adopt(spec: ChildSpec, ref: ProcessRef): void {
    const child: Child = { spec, ref, state: 'running', failures: 0, permanent: 0, restarts: 0, startedAt: Date.now() }
    this.children.set(spec.name, child)
    this.#remember(child)
    const watch = setInterval(() => {
      if (isRunning(ref)) return
      clearInterval(watch)
      if (child.ref === ref) this.#ended(child, 'it ended')
    }, 500)
    watch.unref()
  }

  /** Restarts of a child so far. */
  restarts(name: string): number {
    return this.children.get(name)?.restarts ?? 0
  }

  isDone(name: string): boolean {
    return this.children.get(name)?.state === 'done'
  }

  /** Stops one child for good. */
  async stop(name: string): Promise<void> {
    const child = this.children.get(name)
    if (child === undefined) return
    child.state = 'stopped'
    clearTimeout(child.timer)
    if (child.ref !== undefined) await end(child.ref)
    this.#forget(name)
  }

  /** Stops everything, the last started first. */
  async stopAll(): Promise<void> {
    this.#stopping = true
    const order = [...this.children.keys()].reverse()
    // Devices and provers together, then what they talk to: each may finish what it holds.
    const groups = new Map<string, string[]>()
    for (const name of order) {
      const group = name.replace(/-\d+$/, '')
      groups.set(group, [...(groups.get(group) ?? []), name])
    }
    for (const names of groups.values()) await Promise.all(names.map((name) => this.stop(name)))
  }

  #spawn(child: Child): void {
    const { spec } = child
    const log = openSync(this.#state.logFile(spec.name), 'a', 0o600)
    const started = spawn(process.execPath, spec.args, {
      cwd: spec.cwd ?? repository,
      env: { ...process.env, NODE_NO_WARNINGS: '1', ...spec.env },
      stdio: ['ignore', log, log],
      // Its own group: Ctrl-C reaches the supervisor only, which stops the children in order.
      detached: true,
    })
    closeSync(log)
    child.process = started
    child.state = 'running'
    child.startedAt = Date.now()
    if (started.pid !== undefined) {
      child.ref = refOf(started.pid)
      this.#remember(child)
    }
    started.once('error', (error) => this.#ended(child, error.message))
    started.once('exit', (code, signal) => {
      if (child.process !== started) return
      if (code === 0 && spec.onExitZero === 'done' && !this.#stopping && child.state === 'running') {
        child.state = 'done'
        this.#forget(spec.name)
        this.#events.onDone?.(spec.name)
        return
      }
      child.permanent = code !== null && code === spec.permanentCode ? child.permanent + 1 : 0
      this.#ended(child, signal === null ? `it ended with code ${code ?? 0}` : `it was ended by ${signal}`)
    })
  }

  #ended(child: Child, reason: string): void {
    const { spec } = child
    this.#forget(spec.name)
    if (this.#stopping || child.state === 'stopped' || child.state === 'waiting') return
    child.failures = Date.now() - child.startedAt > STABLE_MS ? 1 : child.failures + 1
    child.state = 'waiting'
    const lasting = child.permanent >= MOST_PERMANENT
    if (spec.restart === false || lasting || child.failures > MOST_FAILURES) {
      const times =
        spec.restart === false
          ? `${spec.name} ended: ${reason}.`
          : lasting
            ? `${spec.name} ended with an error that starting it again does not mend.`
            : `${spec.name} ended ${child.failures} times in a row; the last time ${reason}.`
      if (spec.phaseAtEnd !== undefined) {
        this.#record.phase = spec.phaseAtEnd
        this.#state.writeRun(this.#record)
      }
      this.#events.onGivenUp?.(this.#failure(child, times), spec.name)
      return
    }
    const delayMs = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (child.failures - 1))
    child.restarts += 1
    this.#events.onRestart?.(spec.name, reason, delayMs)
    child.timer = setTimeout(() => {
      if (!this.#stopping && child.state === 'waiting') this.#spawn(child)
    }, delayMs)
  }

  #failure(child: Child, message: string): TrellisError {
    const file = this.#state.logFile(child.spec.name)
    return new TrellisError({
      code: 'CHILD_FAILED',
      message,
      details: { log: file, end: tail(file) },
      next: `read ${file}; npm run doctor checks this machine`,
    })
  }

  #remember(child: Child): void {
    if (child.ref === undefined) return
    this.#record.children[child.spec.name] = child.ref
    this.#state.writeRun(this.#record)
  }

  #forget(name: string): void {
    const { [name]: _gone, ...rest } = this.#record.children
    this.#record.children = rest
    this.#state.writeRun(this.#record)
  }
}
