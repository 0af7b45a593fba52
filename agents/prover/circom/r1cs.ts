// SPDX-License-Identifier: GPL-3.0-or-later
/** Constraint systems as circom writes them: reading, and checking a witness against them without snarkjs. */
import { FIELD } from '../../crypto/field.ts'
import { readElement, readSections } from './binfile.ts'

/** Terms of a linear combination: signal index and coefficient in [0, FIELD). Signal 0 is the constant 1. */
export type Combination = readonly (readonly [signal: number, coefficient: bigint])[]

/** a·b = c. */
export type Constraint = readonly [a: Combination, b: Combination, c: Combination]

export interface ConstraintSystem {
  readonly signals: number
  /** Public signals, the constant not counted: indices 1..publicSignals. */
  readonly publicSignals: number
  readonly constraints: readonly Constraint[]
}

/** Throws a RangeError for another format or field. */
export function readConstraintSystem(file: Uint8Array): ConstraintSystem {
  const sections = readSections(file, 'r1cs')
  const header = sections.get(1)
  const body = sections.get(2)
  if (header === undefined || body === undefined) throw new RangeError('r1cs file without header or constraints')
  const head = new DataView(header.buffer, header.byteOffset, header.byteLength)
  if (head.getUint32(0, true) !== 32 || readElement(header, 4) !== FIELD) throw new RangeError('r1cs file over another field')
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  let at = 0
  const combination = (): Combination => {
    const length = view.getUint32(at, true)
    at += 4
    return Array.from({ length }, () => {
      const term = [view.getUint32(at, true), readElement(body, at + 4)] as const
      at += 36
      return term
    })
  }
  const constraints = Array.from({ length: head.getUint32(60, true) }, (): Constraint => [combination(), combination(), combination()])
  return { signals: head.getUint32(36, true), publicSignals: head.getUint32(40, true) + head.getUint32(44, true), constraints }
}

/** Witness values of a .wtns file, index 0 the constant. */
export function readWitness(file: Uint8Array): bigint[] {
  const values = readSections(file, 'wtns').get(2)
  if (values === undefined) throw new RangeError('wtns file without values')
  return Array.from({ length: values.length / 32 }, (_, i) => readElement(values, 32 * i))
}

/** Value of a combination under a witness, in [0, FIELD). */
export function evaluate(combination: Combination, witness: readonly bigint[]): bigint {
  let sum = 0n
  for (const [signal, coefficient] of combination) sum += coefficient * witness[signal]!
  return sum % FIELD
}

/** Index of the first constraint that the witness breaks, among all or those listed; undefined when it satisfies them. */
export function brokenConstraint(
  { constraints }: ConstraintSystem,
  witness: readonly bigint[],
  among?: Iterable<number>,
): number | undefined {
  for (const index of among ?? constraints.keys()) {
    const [a, b, c] = constraints[index]!
    if ((evaluate(a, witness) * evaluate(b, witness) - evaluate(c, witness)) % FIELD !== 0n) return index
  }
  return undefined
}
