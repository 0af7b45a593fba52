// SPDX-License-Identifier: Apache-2.0
/** Where a local run keeps its state, and the file that says which processes belong to it. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { extname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ProcessRef } from './process.ts'

export const repository = fileURLToPath(new URL('../../..', import.meta.url)).replace(/[\\/]$/, '')

/** TypeScript in a checkout, JavaScript in the package. */
const extension = extname(import.meta.url)
/** The one binary and the build of circuits, from `repository`. */
export const PROGRAM = `agents/cli/main${extension}`
export const BUILD_CIRCUITS = `scripts/build-circuits${extension}`
/** Where state, circuits and contracts of one's own lie: the checkout, or the project that has the package installed. */
export const home = extension === '.ts' ? repository : process.cwd()

/** Ports of a local run, all on 127.0.0.1. */
export type Ports = {
  chain: number
  mqtt: number
  gateway: number
  coordinator: number
  prover1: number
  prover2: number
  indexer: number
  portal: number
}

export const DEFAULT_PORTS: Ports = {
  chain: 8545,
  mqtt: 18830,
  gateway: 8083,
  coordinator: 8084,
  prover1: 8085,
  prover2: 8086,
  indexer: 8087,
  portal: 8080,
}

/** What `run.json` holds: enough for another process to show, stop or resume this run. */
export interface RunRecord {
  version: 1
  command: string
  startedAt: string
  supervisor: ProcessRef
  ports: Ports
  children: Record<string, ProcessRef>
  /** What this run replays: on one chain, one source. */
  source?: SourceName
  /** What goes on while the job is not there yet or no more, such as `the chain is being started again`. */
  phase?: string
  /** Known once onboarding is done. */
  job?: JobRecord
}

/** What is replayed: the same id is the same readings, byte for byte. */
export interface SourceName {
  id: string
  title: string
}

/** Facts of the job that status and audit need after its start. */
export interface JobRecord {
  project: string
  devices: { name: string; device: string; wallet: string }[]
  provers: { name: string; prover: string; wallet: string }[]
  expectedReadings: number
  /** Directory of its keys, stores and configurations. */
  folder: string
}

export class LocalState {
  readonly root: string
  constructor(root: string) {
    this.root = root
  }

  path(...parts: string[]): string {
    return join(this.root, ...parts)
  }

  /** Creates a folder readable by its owner only and returns its path. */
  folder(...parts: string[]): string {
    const path = this.path(...parts)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return path
  }

  get addressesFile(): string {
    return this.path('addresses', '31337.json')
  }

  logFile(service: string): string {
    return join(this.folder('logs'), `${service}.log`)
  }

  readRun(): RunRecord | undefined {
    const file = this.path('run.json')
    if (!existsSync(file)) return undefined
    try {
      const record = JSON.parse(readFileSync(file, 'utf8')) as RunRecord
      return record.version === 1 ? record : undefined
    } catch {
      return undefined
    }
  }

  /** Replaces the record in one step, so that a reader never sees half of it. */
  writeRun(record: RunRecord): void {
    mkdirSync(this.root, { recursive: true })
    const file = this.path('run.json')
    writeFileSync(`${file}.${process.pid}`, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 })
    renameSync(`${file}.${process.pid}`, file)
  }
}

/** The folder of `--state`, of TRELLIS_STATE, or `.trellis` at home. */
export function stateAt(option: string | undefined): LocalState {
  const chosen = option ?? process.env['TRELLIS_STATE']
  return new LocalState(chosen === undefined ? join(home, '.trellis') : fromWhereCalled(chosen))
}

/** A path as the caller meant it: npm runs scripts in the package's root and keeps the caller's folder in INIT_CWD. */
export const fromWhereCalled = (path: string): string => (isAbsolute(path) ? path : resolve(process.env['INIT_CWD'] ?? process.cwd(), path))
