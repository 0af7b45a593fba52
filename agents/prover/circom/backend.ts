// SPDX-License-Identifier: GPL-3.0-or-later
/** Groth16 over circom circuits, in a process of its own that keeps the keys loaded. */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import * as snarkjs from 'snarkjs'
import { keccak256, toBytes } from 'viem'
import { FIELD } from '../../crypto/field.ts'
import { TrellisError } from '../../protocol/errors.ts'
import type { WitnessInput } from './input.ts'
import type { CircuitFiles, LoadRequest, ProveRequest, ProveResponse } from './worker.ts'

type ProgramId = `0x${string}`

/** Eight words as `IVerifier.verify` takes them: A.x, A.y, B.x imaginary, B.x real, B.y imaginary, B.y real, C.x, C.y; all decimal. */
export type ProofWords = readonly [string, string, string, string, string, string, string, string]

export interface Proof {
  readonly proof: ProofWords
  /** Decimal, in the circuit's order. */
  readonly publicSignals: readonly string[]
}

/** Proves any circuit that is built; agents/prover/backends.ts puts windows into it. */
export interface CircomBackend {
  /** Ids (keccak256 of "name/version") of the programs that can be proved. */
  readonly programs: ReadonlySet<ProgramId>

  /**
   * Proves, and verifies the proof before it answers. Calls queue; the event loop stays free.
   * @throws TrellisError PROGRAM_UNKNOWN, WITNESS_REFUSED (the statement is false or malformed: never retry), PROOF_INVALID,
   *   PROVER_STOPPED (retryable), or the signal's reason.
   */
  prove(programId: ProgramId, input: WitnessInput, signal?: AbortSignal): Promise<Proof>

  /** Starts the process and loads the keys, so that the first proof does not wait for that. */
  warm(): void

  /** Whether a proof holds. Malformed words are false. @throws TrellisError PROGRAM_UNKNOWN */
  verify(programId: ProgramId, proof: Proof): Promise<boolean>

  /** Stops what runs and frees everything; pending calls reject with PROVER_STOPPED. */
  close(): Promise<void>
}

export interface CircomBackendOptions {
  /** Folder with a folder per circuit, as scripts/build-circuits.ts makes it. */
  readonly artifactsFolder: string
}

interface Pending {
  readonly request: ProveRequest
  readonly resolve: (proof: Proof) => void
  readonly reject: (error: unknown) => void
}

/**
 * Finds the built circuits: each folder names its program in program.json.
 * @throws TrellisError CIRCUITS_MISSING when there is none.
 */
export function findCircuits(artifactsFolder: string): Map<ProgramId, CircuitFiles> {
  const found = new Map<ProgramId, CircuitFiles>()
  const names = existsSync(artifactsFolder) ? readdirSync(artifactsFolder) : []
  for (const name of names) {
    const folder = join(artifactsFolder, name)
    const facts = join(folder, 'program.json')
    if (!existsSync(facts)) continue
    const { program, provingKey } = JSON.parse(readFileSync(facts, 'utf8')) as { program: string; provingKey: string }
    found.set(keccak256(toBytes(program)), {
      wasm: join(folder, `${name}.wasm`),
      provingKey: join(folder, provingKey),
      verificationKey: join(folder, 'verification_key.json'),
    })
  }
  if (found.size === 0) {
    throw new TrellisError({
      code: 'CIRCUITS_MISSING',
      message: 'There are no built circuits to prove with.',
      details: { folder: artifactsFolder },
      next: 'npm run build -- --circuits',
    })
  }
  return found
}

/** @throws TrellisError CIRCUITS_MISSING */
export function createCircomBackend({ artifactsFolder }: CircomBackendOptions): CircomBackend {
  return new ForkedBackend(findCircuits(artifactsFolder))
}

class ForkedBackend implements CircomBackend {
  readonly programs: ReadonlySet<ProgramId>
  readonly #circuits: Map<ProgramId, CircuitFiles>
  readonly #pending = new Map<number, Pending>()
  #child: ChildProcess | undefined
  #next = 1
  #closed = false

  constructor(circuits: Map<ProgramId, CircuitFiles>) {
    this.#circuits = circuits
    this.programs = new Set(circuits.keys())
  }

  async prove(programId: ProgramId, input: WitnessInput, signal?: AbortSignal): Promise<Proof> {
    signal?.throwIfAborted()
    const circuit = this.#circuit(programId)
    if (this.#closed) throw stopped('The prover is closed.')
    const id = this.#next++
    const onAbort = (): void => this.#abandon(id, signal?.reason)
    try {
      return await new Promise<Proof>((resolve, reject) => {
        const request: ProveRequest = { id, circuit, input }
        this.#pending.set(id, { request, resolve, reject })
        signal?.addEventListener('abort', onAbort, { once: true })
        this.#start().send(request)
      })
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  warm(): void {
    if (!this.#closed) this.#start()
  }

  async verify(programId: ProgramId, { proof, publicSignals }: Proof): Promise<boolean> {
    const { verificationKey } = this.#circuit(programId)
    const key = JSON.parse(readFileSync(verificationKey, 'utf8')) as snarkjs.VerificationKey
    const words = [...proof, ...publicSignals]
    if (proof.length !== 8 || publicSignals.length !== key.nPublic || !words.every((word) => /^\d{1,77}$/.test(word))) return false
    // snarkjs reduces; the contract refuses.
    if (!publicSignals.every((value) => BigInt(value) < FIELD)) return false
    const [ax, ay, bx1, bx0, by1, by0, cx, cy] = proof
    return snarkjs.groth16.verify(key, publicSignals, {
      pi_a: [ax, ay, '1'],
      pi_b: [
        [bx0, bx1],
        [by0, by1],
        ['1', '0'],
      ],
      pi_c: [cx, cy, '1'],
      protocol: 'groth16',
      curve: 'bn128',
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    const child = this.#child
    if (child !== undefined) {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    }
    // `verify` may have started snarkjs' workers here; without this the process never ends.
    await (globalThis as { curve_bn128?: snarkjs.Curve | null }).curve_bn128?.terminate()
  }

  #circuit(programId: ProgramId): CircuitFiles {
    const circuit = this.#circuits.get(programId)
    if (circuit === undefined) {
      throw new TrellisError({ code: 'PROGRAM_UNKNOWN', message: 'This prover has no circuit for the program.', details: { programId } })
    }
    return circuit
  }

  #start(): ChildProcess {
    if (this.#child !== undefined) return this.#child
    const child = fork(join(import.meta.dirname, `worker${extname(import.meta.filename)}`), {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    child.on('message', (response: ProveResponse) => {
      const pending = this.#pending.get(response.id)
      this.#pending.delete(response.id)
      if (response.ok) pending?.resolve(response.value)
      else pending?.reject(new TrellisError(response))
    })
    child.once('error', (error) => this.#ended(child, error))
    child.once('exit', (code, name) => this.#ended(child, new Error(`the proving process ended with ${name ?? code ?? 'nothing'}`)))
    this.#child = child
    const load: LoadRequest = { load: [...this.#circuits.values()] }
    child.send(load)
    return child
  }

  /** The process is gone: what it worked on is refused, and the next call starts another. */
  #ended(child: ChildProcess, cause: Error): void {
    if (this.#child !== child) return
    this.#child = undefined
    const lost = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of lost) reject(stopped('The proving process ended before it answered.', cause))
  }

  /** Ends the work on one proof. Only ending the process stops what computes; the others that wait are given to a new one. */
  #abandon(id: number, reason: unknown): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    pending.reject(reason)
    const old = this.#child
    this.#child = undefined
    old?.kill('SIGKILL')
    for (const { request } of this.#pending.values()) this.#start().send(request)
  }
}

function stopped(message: string, cause?: unknown): TrellisError {
  return new TrellisError({ code: 'PROVER_STOPPED', message, retryable: true, ...(cause === undefined ? {} : { cause }) })
}
