// SPDX-License-Identifier: Apache-2.0
/** A process that proves with snarkjs as its readme says: groth16.fullProve over the files of the circuit. One request at a time. */
import * as snarkjs from 'snarkjs'

export interface PlainRequest {
  input: snarkjs.Input
  wasm: string
  provingKey: string
}

export type PlainAnswer = Awaited<ReturnType<typeof snarkjs.groth16.fullProve>> | { error: string }

process.on('message', ({ input, wasm, provingKey }: PlainRequest) => {
  snarkjs.groth16.fullProve(input, wasm, provingKey).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ error: String(error) } satisfies PlainAnswer),
  )
})
process.on('disconnect', () => process.exit(0))
