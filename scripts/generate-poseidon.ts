// SPDX-License-Identifier: Apache-2.0
/**
 * Writes contracts/libraries/PoseidonT7.sol from the parameters that agents/crypto generates.
 * `node scripts/generate-poseidon.ts` writes, `--check` fails when the file on disk differs.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FIELD } from '../agents/crypto/field.ts'
import { poseidonParameters } from '../agents/crypto/poseidon-parameters.ts'

export const POSEIDON_FILE = 'contracts/libraries/PoseidonT7.sol'
const WIDTH = 7

const hex = (value: bigint) => '0x' + value.toString(16).padStart(64, '0')

const mod = (value: bigint): bigint => ((value % FIELD) + FIELD) % FIELD
const dot = (a: readonly bigint[], b: readonly bigint[]): bigint => mod(a.reduce((sum, value, i) => sum + value * b[i]!, 0n))
const transpose = (m: bigint[][]): bigint[][] => m[0]!.map((_, j) => m.map((row) => row[j]!))
const times = (a: bigint[][], b: bigint[][]): bigint[][] => a.map((row) => transpose(b).map((column) => dot(row, column)))

function invert(value: bigint): bigint {
  let result = 1n
  for (let [base, e] = [mod(value), FIELD - 2n]; e > 0n; e >>= 1n, base = mod(base * base)) if (e & 1n) result = mod(result * base)
  return result
}

/** Gauss and Jordan. */
function inverse(matrix: bigint[][]): bigint[][] {
  const n = matrix.length
  const rows = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1n : 0n))])
  for (let column = 0; column < n; column++) {
    const pivot = rows.findIndex((row, i) => i >= column && row[column] !== 0n)
    ;[rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!]
    const scale = invert(rows[column]![column]!)
    rows[column] = rows[column]!.map((value) => mod(value * scale))
    for (let i = 0; i < n; i++) {
      const factor = rows[i]![column]!
      if (i !== column) rows[i] = rows[i]!.map((value, j) => mod(value - factor * rows[column]![j]!))
    }
  }
  return rows.map((row) => row.slice(n))
}

/**
 * The partial rounds as a recurrence. With w(t) the S-box's output and (u(t), r(t)) the state before round t, the linear layer
 * (m, v; c, N) says u(t+1) = m·w(t) + v·r(t) and r(t+1) = c·w(t) + N·r(t). By Cayley and Hamilton, v·r(t) follows from its last
 * six values and the last six w: u(t+1) = m·w(t) + Σ byU[i]·u(t-i) + Σ byW[i]·w(t-1-i), i = 0..5. At the end r is solved from the
 * last six of each: r = lastU·(u(n-5)..u(n)) + lastW·(w(n-6)..w(n-1)).
 */
export function partialRecurrence(mds: readonly (readonly bigint[])[]) {
  const size = mds.length - 1
  const m = mds[0]![0]!
  const v = mds[0]!.slice(1)
  const c = mds.slice(1).map((row) => row[0]!)
  const N = mds.slice(1).map((row) => row.slice(1))
  // Characteristic polynomial of N by Faddeev and LeVerrier: λ^6 + p[1]·λ^5 + … + p[6].
  const p = [1n]
  let work = N.map((row, i) => row.map((_, j): bigint => (i === j ? 1n : 0n)))
  for (let k = 1; k <= size; k++) {
    const product = times(N, work)
    p.push(mod(-product.reduce((sum, row, i) => sum + row[i]!, 0n) * invert(BigInt(k))))
    work = product.map((row, i) => row.map((value, j) => (i === j ? mod(value + p[k]!) : value)))
  }
  // powers[k] = v·N^k, columns[k] = N^k·c, response[k] = v·N^k·c.
  const powers = [v]
  const columns = [c]
  for (let k = 1; k < size; k++) {
    powers.push(times([powers[k - 1]!], N)[0]!)
    columns.push(N.map((row) => dot(row, columns[k - 1]!)))
  }
  const response = columns.map((column) => dot(v, column))
  const steps = [...Array(size).keys()]
  const byU = steps.map((i) => mod(-p[i + 1]!))
  const byW = steps.map((i) => mod(m * p[i + 1]! + steps.slice(0, i + 1).reduce((sum, j) => sum + p[j]! * response[i - j]!, 0n)))

  let sixth = N
  for (let k = 1; k < size; k++) sixth = times(sixth, N)
  const lastU = times(sixth, inverse(powers))
  const late = steps.map((i) => steps.map((j) => columns[size - 1 - j]![i]!))
  const early = steps.map((k) => steps.map((j) => (j < k ? response[k - 1 - j]! : k === j ? m : 0n)))
  const lastW = times(lastU, early).map((row, i) => row.map((value, j) => mod(late[i]![j]! - value)))
  return { m, byU, byW, lastU, lastW }
}

/** The Solidity source. Deterministic. */
export function poseidonSource(): string {
  const { fullConstants, partialConstants, mds } = poseidonParameters(WIDTH)
  const { m, byU, byW, lastU, lastW } = partialRecurrence(mds)
  const half = fullConstants.length / 2
  const depth = WIDTH - 1
  const constants = [...fullConstants.slice(0, half).flat(), ...partialConstants, ...fullConstants.slice(half).flat()]
  const words = [...Array(WIDTH).keys()]
  const at = (base: string, j: number) => (j === 0 ? base : `add(${base}, ${32 * j})`)
  const product = (term: string, by: bigint, field = 'f') => `mulmod(${term}, ${hex(by)}, ${field})`
  const add = (terms: string[]): string => terms.reduceRight((sum, term) => `add(\n${term},\n${sum}\n)`)
  // Five reduced words fit into 256 bits, and a reduced one with four more.
  const reduced = (terms: string[], field = 'f'): string => {
    if (terms.length <= 5) return `addmod(${add(terms.slice(0, -1))}, ${terms.at(-1)!}, ${field})`
    let sum = `addmod(${add(terms.slice(0, 5))}, ${add(terms.slice(5, 10))}, ${field})`
    for (let i = 10; i < terms.length; i += 4) sum = `addmod(${sum}, ${add(terms.slice(i, i + 4))}, ${field})`
    return sum
  }
  const row = (i: number) =>
    `mstore(${at('state', i)}, ${reduced(
      mds[i]!.map((value, j) => product(`s${j}`, value, 'field')),
      'field',
    )})`
  const full = words.map((j) => `mstore(${at('p', j)}, power(add(mload(${at('p', j)}), mload(${at('c', j)})), f))`).join('\n')
  const fullRounds = `for { let end := add(c, ${half * 32 * WIDTH}) } lt(c, end) { c := add(c, ${32 * WIDTH}) } {
${full}
mix(p, f)
}`
  // A round's u lies at 64·t of the trace and its w behind it; q is at round t - 6.
  const u = (t: number) => `mload(${at('q', 2 * t)})`
  const w = (t: number) => `mload(${at('q', 2 * t + 1)})`
  const next = [product('w', m), ...byU.map((by, i) => product(u(depth - i), by)), ...byW.map((by, i) => product(w(depth - 1 - i), by))]
  const recurrence = `add(addmod(${add(next.slice(0, 5))}, ${add(next.slice(5, 10))}, f), ${add(next.slice(10))})`
  const last = [...Array(depth).keys()].map((i) => {
    const terms = [...lastU[i]!.map((by, k) => product(u(k + 1), by)), ...lastW[i]!.map((by, k) => product(w(k), by))]
    return `mstore(${at('p', i + 1)}, ${reduced(terms)})`
  })
  const lines = `// SPDX-License-Identifier: Apache-2.0
// Generated by scripts/generate-poseidon.ts. Do not edit.
pragma solidity ^0.8.28;

/// @title Poseidon of six field elements (width 7, x^5, 8 full and ${partialConstants.length} partial rounds), circomlib's parameters.
/// @dev Source: ePrint 2019/458. Constants of words 1..6 in partial rounds are pushed through the linear layer into
/// the next full round, so that a partial round has one constant. Partial rounds after the sixth are a linear recurrence of the
/// S-box's inputs u and outputs w (13 products instead of 49, the same constants in each round; derived in the generator), from which
/// the other words are solved at the end. Unsafe arithmetic is safe: five reduced words and less are below 2^256, u is below four
/// times FIELD. FIELD is carried in a variable, because the compiler fetches a constant used as often from the code.
library PoseidonT7 {
uint256 internal constant FIELD = ${FIELD.toString()};

/// @notice Poseidon(inputs). Inputs must be below FIELD.
function hash(uint256[6] memory inputs) internal pure returns (uint256 out) {
assembly ("memory-safe") {
function power(x, field) -> y {
y := mulmod(x, x, field)
y := mulmod(mulmod(y, y, field), x, field)
}
function mix(state, field) {
${words.map((j) => `let s${j} := mload(${at('state', j)})`).join('\n')}
${words.map(row).join('\n')}
}
// Above the free pointer, not kept: 7 words of state, the constants in the order of use, u and w of each partial round.
let f := FIELD
let p := mload(0x40)
let c := add(p, ${32 * WIDTH})
let q := add(c, ${32 * constants.length})
${constants.map((value, i) => `mstore(${at('c', i)}, ${hex(value)})`).join('\n')}
mstore(p, 0)
mcopy(add(p, 32), inputs, 192)
${fullRounds}
for { let end := add(c, ${32 * depth}) } lt(c, end) { c := add(c, 32) } {
let u := mload(p)
mstore(q, u)
u := power(add(u, mload(c)), f)
mstore(p, u)
mstore(add(q, 32), u)
q := add(q, 64)
mix(p, f)
}
mstore(q, mload(p))
q := sub(q, ${64 * depth})
for { let end := add(c, ${32 * (partialConstants.length - depth)}) } lt(c, end) { c := add(c, 32) } {
let x := add(${u(depth)}, mload(c))
let w := mulmod(x, x, f)
w := mulmod(mulmod(w, w, f), x, f)
mstore(add(q, ${64 * depth + 32}), w)
mstore(add(q, ${64 * depth + 64}), ${recurrence})
q := add(q, 64)
}
mstore(p, ${u(depth)})
${last.join('\n')}
${fullRounds}
out := mload(p)
}
}
}
`
  return lines
}

/** The source as prettier lays it out, which is how it is committed. */
export async function formattedPoseidonSource(root: string): Promise<string> {
  const prettier = await import('prettier')
  const file = join(root, POSEIDON_FILE)
  const options = await prettier.resolveConfig(file)
  return prettier.format(poseidonSource(), { ...options, filepath: file })
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  const source = await formattedPoseidonSource(root)
  const file = join(root, POSEIDON_FILE)
  if (!process.argv.includes('--check')) writeFileSync(file, source)
  else if (readFileSync(file, 'utf8') !== source) {
    console.error(`${POSEIDON_FILE} is stale: node scripts/generate-poseidon.ts`)
    process.exitCode = 1
  }
}
