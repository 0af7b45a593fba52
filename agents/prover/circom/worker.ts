// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * The process that proves, in one thread. A process and not a worker thread, because a proof that nobody waits for any more is ended by ending it, and
 * because its memory goes with it. Keys and curve are loaded once, when it starts. Speaks over IPC with backend.ts.
 */
import { readFileSync } from 'node:fs'
import * as snarkjs from 'snarkjs'
import { TrellisError, toTrellisError } from '../../protocol/errors.ts'
import type { Proof } from './backend.ts'
import { readElement, readSections } from './binfile.ts'
import { Groth16Prover } from './groth16.ts'
import type { WitnessInput } from './input.ts'
import { WitnessCalculator } from './witness.ts'

/** Files of one circuit. */
export interface CircuitFiles {
  readonly wasm: string
  readonly provingKey: string
  readonly verificationKey: string
}

export interface ProveRequest {
  readonly id: number
  readonly circuit: CircuitFiles
  readonly input: WitnessInput
}

/** Loads circuits before the first proof needs them. */
export interface LoadRequest {
  readonly load: readonly CircuitFiles[]
}

export type ProveResponse =
  | { readonly id: number; readonly ok: true; readonly value: Proof }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly message: string; readonly details: Record<string, unknown> }

interface Loaded {
  calculator: WitnessCalculator
  prover: Groth16Prover
  verificationKey: snarkjs.VerificationKey
}

/** By path of the proving key; read once. */
const loaded = new Map<string, Loaded>()

/** One thread, for snarkjs too, which would start a worker per core for each process and take them from the other provers of this machine. */
const curve = await snarkjs.curves.getCurveFromName('bn128', { singleThread: true })
;(globalThis as { curve_bn128?: snarkjs.Curve }).curve_bn128 = curve

function load({ wasm, provingKey, verificationKey }: CircuitFiles): Loaded {
  let circuit = loaded.get(provingKey)
  if (circuit === undefined) {
    circuit = {
      calculator: new WitnessCalculator(readFileSync(wasm)),
      prover: new Groth16Prover(curve.tm.code, readFileSync(provingKey)),
      verificationKey: JSON.parse(readFileSync(verificationKey, 'utf8')) as snarkjs.VerificationKey,
    }
    loaded.set(provingKey, circuit)
  }
  return circuit
}

async function prove({ circuit, input }: ProveRequest): Promise<Proof> {
  const { calculator, prover, verificationKey } = load(circuit)
  const witness = readSections(calculator.calculate(input), 'wtns').get(2)!
  const { a, b, c } = prover.prove(witness)
  const publicSignals = Array.from({ length: verificationKey.nPublic }, (_, i) => readElement(witness, 32 * (i + 1)).toString())
  const [ax, ay, bx0, bx1, by0, by1, cx, cy] = [...a, ...b.flat(), ...c].map(String) as [
    ...[string, string, string, string],
    ...[string, string, string, string],
  ]
  const pi_b: snarkjs.Groth16Proof['pi_b'] = [
    [bx0, bx1],
    [by0, by1],
    ['1', '0'],
  ]
  const proof: snarkjs.Groth16Proof = { pi_a: [ax, ay, '1'], pi_b, pi_c: [cx, cy, '1'], protocol: 'groth16', curve: 'bn128' }
  // By snarkjs, which had no part in the proof: a key that does not fit its verification key, or memory gone bad, shows here and not on chain.
  if (!(await snarkjs.groth16.verify(verificationKey, publicSignals, proof))) {
    throw new TrellisError({
      code: 'PROOF_INVALID',
      message: 'A proof did not verify where it was made.',
      next: 'build the circuits again: npm run build -- --force',
    })
  }
  // The precompile takes a G2 coordinate's imaginary limb first.
  return { proof: [ax, ay, bx1, bx0, by1, by0, cx, cy], publicSignals }
}

/** One proof at a time: a second would only share the same cores. */
let last: Promise<void> = Promise.resolve()

process.on('message', (request: ProveRequest | LoadRequest) => {
  last = last.then(async () => {
    if ('load' in request) {
      try {
        request.load.forEach(load)
      } catch {
        // The first proof says what is wrong.
      }
      return
    }
    let response: ProveResponse
    try {
      response = { id: request.id, ok: true, value: await prove(request) }
    } catch (error) {
      const { code, message, details } = toTrellisError(error, 'PROVING_FAILED').toJSON()
      response = { id: request.id, ok: false, code, message, details }
    }
    process.send?.(response)
  })
})
process.on('disconnect', () => process.exit(0))
// Ctrl-C reaches the whole process group; the parent decides when this process ends.
process.on('SIGINT', () => {})
