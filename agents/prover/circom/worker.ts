// SPDX-License-Identifier: GPL-3.0-or-later
/**
 * The process that proves. A process and not a worker thread, because ffjavascript's own workers (one per core) cannot be started from a thread, and
 * because a proof that nobody waits for any more is ended by ending the process. Speaks over IPC with backend.ts.
 */
import { readFileSync } from 'node:fs'
import * as snarkjs from 'snarkjs'
import { TrellisError, toTrellisError } from '../../protocol/errors.ts'
import type { Proof } from './backend.ts'
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

export type ProveResponse =
  | { readonly id: number; readonly ok: true; readonly value: Proof }
  | { readonly id: number; readonly ok: false; readonly code: string; readonly message: string; readonly details: Record<string, unknown> }

interface Loaded {
  calculator: WitnessCalculator
  provingKey: Uint8Array
  verificationKey: snarkjs.VerificationKey
}

/** By path of the proving key; read once. */
const loaded = new Map<string, Loaded>()

function load({ wasm, provingKey, verificationKey }: CircuitFiles): Loaded {
  let circuit = loaded.get(provingKey)
  if (circuit === undefined) {
    circuit = {
      calculator: new WitnessCalculator(readFileSync(wasm)),
      provingKey: readFileSync(provingKey),
      verificationKey: JSON.parse(readFileSync(verificationKey, 'utf8')) as snarkjs.VerificationKey,
    }
    loaded.set(provingKey, circuit)
  }
  return circuit
}

async function prove({ circuit, input }: ProveRequest): Promise<Proof> {
  const { calculator, provingKey, verificationKey } = load(circuit)
  const { proof, publicSignals } = await snarkjs.groth16.prove(provingKey, calculator.calculate(input))
  // A key that does not fit its verification key, or memory gone bad, shows here and not on chain.
  if (!(await snarkjs.groth16.verify(verificationKey, publicSignals, proof))) {
    throw new TrellisError({
      code: 'PROOF_INVALID',
      message: 'A proof did not verify where it was made.',
      next: 'build the circuits again: npm run build -- --force',
    })
  }
  const { pi_a: a, pi_b: b, pi_c: c } = proof
  // The precompile takes a G2 coordinate's imaginary limb first, snarkjs writes the real one first.
  return { proof: [a[0], a[1], b[0][1], b[0][0], b[1][1], b[1][0], c[0], c[1]], publicSignals }
}

/** One proof at a time: a second would only share the same cores. */
let last: Promise<void> = Promise.resolve()

process.on('message', (request: ProveRequest) => {
  last = last.then(async () => {
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
