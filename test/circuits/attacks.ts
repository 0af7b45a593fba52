// SPDX-License-Identifier: Apache-2.0
/**
 * Attacks on the circuits, one or more per constraint group: inputs (or a forged witness) of a false statement. The whole circuits refuse each;
 * with its group removed the same attack must succeed, which is how mutants.ts knows that a constraint is needed and tested.
 */
import { add, BASE8, IDENTITY, mul, mulBase8, negate, type Point, SUBGROUP_ORDER } from '../../agents/crypto/babyjubjub.ts'
import { publicKeyOf, signPoseidon } from '../../agents/crypto/eddsa.ts'
import { FIELD, invert, mod, power } from '../../agents/crypto/field.ts'
import { poseidon } from '../../agents/crypto/poseidon.ts'
import { type ConstraintSystem } from '../../agents/prover/circom/r1cs.ts'
import { type WindowClaim, windowInput, type WitnessInput } from '../../agents/prover/circom/input.ts'
import { packWindow, readingsRoot, windowMessage } from '../../agents/protocol/window.ts'

/** A small circuit around the template under attack. `source` follows the pragma. */
export const harnesses = {
  bits: { include: 'bits.circom', source: 'component main = Bits(8);' },
  canonical: { include: 'bits.circom', source: 'component main = CanonicalBits();' },
  point: { include: 'babyjubjub.circom', source: 'component main {public [point]} = OnCurve();' },
  equation: { include: 'eddsa.circom', source: 'component main {public [key, R8, S, challenge]} = EdDSAEquation();' },
  content: {
    include: 'sensing/window.circom',
    source: `template Claimed(N) {
    signal input root; signal input statistics;
    signal input enabled[N]; signal input values[N]; signal input dts[N]; signal input wraps[N - 1];
    signal input sequenceHigh; signal input sequenceLow; signal input firstTime; signal input channel;
    signal input minimum; signal input maximum; signal input threshold; signal input rangeMax; signal input windowIndex;
    component content = WindowContent(N);
    content.enabled <== enabled; content.values <== values; content.dts <== dts; content.wraps <== wraps;
    content.sequenceHigh <== sequenceHigh; content.sequenceLow <== sequenceLow; content.firstTime <== firstTime;
    content.channel <== channel; content.minimum <== minimum; content.maximum <== maximum;
    content.threshold <== threshold; content.rangeMax <== rangeMax; content.windowIndex <== windowIndex;
    root === content.root; statistics === content.statistics;
}
component main {public [root, statistics]} = Claimed(6);`,
  },
  window: {
    include: 'sensing/window.circom',
    source: 'component main {public [context, readingsRoot, statistics, keyCommitment]} = SensingWindow(2);',
  },
} as const
export type Harness = keyof typeof harnesses

export interface Attack {
  readonly group: string
  readonly title: string
  readonly harness: Harness
  /** Inputs that must be refused; with `forge`, inputs of an honest witness that is then altered. */
  readonly input: WitnessInput
  readonly forge?: (witness: bigint[]) => bigint[]
  /** A property of the constraints themselves, where no witness shows the fault. */
  readonly system?: (system: ConstraintSystem) => boolean
}

type Numbers = Record<string, bigint | number | readonly (bigint | number)[]>

/** Field elements as decimals; negative numbers wrap, as they do in the circuit. */
function inputOf(numbers: Numbers): WitnessInput {
  const text = (value: bigint | number): string => mod(BigInt(value)).toString()
  return Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, typeof value === 'object' ? value.map(text) : text(value)]),
  )
}

// ---- the content of a window, in field arithmetic and without any rule: what a liar would compute

interface Content {
  enabled: (bigint | number)[]
  values: (bigint | number)[]
  dts: number[]
  wraps: (bigint | number)[]
  sequenceHigh: number
  sequenceLow: bigint | number
  firstTime: number
  channel: bigint
  minimum: bigint | number
  maximum: bigint | number
  threshold: number
  rangeMax: number
  windowIndex: number
  /** Added to the sequence that a lane carries, also in the padding. */
  sequenceShift: number
  /** Statistics that are claimed although they are not so. */
  count?: number
}

const honestContent: Content = {
  enabled: [1, 1, 1, 1, 0, 0],
  values: [7, 3, 9, 5, 0, 0],
  dts: [0, 5, 6, 7, 0, 0],
  wraps: [0, 0, 0, 0, 0],
  sequenceHigh: 2,
  sequenceLow: 100,
  firstTime: 1_273_363_200,
  channel: 77n,
  minimum: 3,
  maximum: 9,
  threshold: 6,
  rangeMax: 1000,
  windowIndex: 4,
  sequenceShift: 0,
}
const full: Partial<Content> = { enabled: [1, 1, 1, 1, 1, 1], values: [7, 3, 9, 5, 4, 4], dts: [0, 5, 6, 7, 1, 1] }

function contentInput(change: Partial<Content>): WitnessInput {
  const content = { ...honestContent, ...change }
  const big = (value: bigint | number): bigint => BigInt(value)
  const places = content.values.length
  let turned = 0n
  const lanes = Array.from({ length: places }, (_, i) => {
    if (i > 0) turned += big(content.wraps[i - 1]!)
    const sequence = mod(big(content.sequenceLow) + big(i) - turned * (1n << 24n))
    const placed = mod(big(content.enabled[i]!) * sequence) + big(content.sequenceShift)
    return mod(big(content.values[i]!) + (big(content.dts[i]!) << 24n) + placed * (1n << 40n))
  })
  lanes.push(big(content.firstTime), content.channel)
  while (lanes.length % 3 !== 0) lanes.push(0n)
  const elements = Array.from({ length: lanes.length / 3 }, (_, k) =>
    mod(lanes[3 * k]! + (lanes[3 * k + 1]! << 64n) + (lanes[3 * k + 2]! << 128n)),
  )
  const sum = content.values.reduce<bigint>((total, value) => total + big(value), 0n)
  const count = content.enabled.reduce<bigint>((total, value) => total + big(value), 0n)
  // As the circuit sees it: top bit of value − threshold − 1 + 2^24.
  const above = content.values.filter((value) => big(value) - big(content.threshold) - 1n >= 0n).length
  const firstSequence = (big(content.sequenceHigh) << 24n) + big(content.sequenceLow)
  const fields: [bigint, bigint][] = [
    [sum, 0n],
    [big(content.minimum), 30n],
    [big(content.maximum), 54n],
    [count, 78n],
    [big(above), 85n],
    [big(content.windowIndex), 92n],
    [firstSequence, 124n],
    [big(content.firstTime), 164n],
    [big(content.threshold), 204n],
    [big(content.rangeMax), 228n],
  ]
  const statistics = mod(fields.reduce((total, [value, shift]) => total + value * (1n << shift), 0n))
  const { sequenceShift: _, ...signals } = content
  return inputOf({ ...signals, root: poseidon(elements), statistics })
}

/** Accepted by the whole circuit: what the attacks differ from. */
export const honestContents: readonly WitnessInput[] = [
  contentInput({}),
  contentInput(full),
  contentInput({ sequenceLow: 2 ** 24 - 2, wraps: [0, 1, 0, 0, 0] }),
  contentInput({ enabled: [1, 0, 0, 0, 0, 0], values: [0, 0, 0, 0, 0, 0], dts: [0, 0, 0, 0, 0, 0], minimum: 0, maximum: 0, rangeMax: 0 }),
]

const onContent = (group: string, title: string, change: Partial<Content>): Attack => ({
  group,
  title,
  harness: 'content',
  input: contentInput(change),
})

// ---- signatures

const secret = new Uint8Array(32).fill(11)
const key = publicKeyOf(secret)
const ROOT_OF_MINUS_ONE = power(5n, (FIELD - 1n) / 4n)
const challenge = 123456789n
/** A point R8 with S·B8 = R8 + 8·challenge·key for the given S. */
const answering = (S: bigint, k: Point): Point => add(mulBase8(S), negate(mul(k, (8n * challenge) % SUBGROUP_ORDER)))
const equationInput = (k: Point, R8: Point, S: bigint): WitnessInput => inputOf({ key: [k.x, k.y], R8: [R8.x, R8.y], S, challenge })
export const honestEquation = equationInput(key, answering(5n, key), 5n)

/**
 * The other solution of circomlib's addition: R off the curve with R + q = t. With u = R.x·R.y both coordinates are affine in u, so u is a root of a
 * quadratic; one root is the true difference, the other one is this.
 */
function offCurveDifference(t: Point, q: Point): Point {
  const [a, d] = [168700n, 168696n]
  const k = mod(d * q.x * q.y)
  // x·q.y + y·q.x = t.x·(1 + k·u);  −a·q.x·x + q.y·y = t.y·(1 − k·u)
  const inverse = invert(mod(q.y * q.y + a * q.x * q.x))
  const x0 = mod((t.x * q.y - t.y * q.x) * inverse)
  const x1 = mod((t.x * k * q.y + t.y * k * q.x) * inverse)
  const y0 = mod((a * q.x * t.x + q.y * t.y) * inverse)
  const y1 = mod((a * q.x * t.x * k - q.y * t.y * k) * inverse)
  // (x0 + x1·u)(y0 + y1·u) = u
  const [square, linear, constant] = [mod(x1 * y1), mod(x0 * y1 + x1 * y0 - 1n), mod(x0 * y0)]
  const truth = add(t, negate(q))
  const known = mod(truth.x * truth.y)
  const other = mod(-linear * invert(square) - known)
  if (mod(square * other * other + linear * other + constant) !== 0n) throw new Error('the quadratic is wrong')
  return { x: mod(x0 + x1 * other), y: mod(y0 + y1 * other) }
}

const eightTimes = mul(key, (8n * challenge) % SUBGROUP_ORDER)
/** Decomposition of a number as the witness holds it. */
const bitsOf = (value: bigint, count: number): bigint[] => Array.from({ length: count }, (_, i) => (value >> BigInt(i)) & 1n)

// ---- the whole statement

function windowClaim(): WindowClaim {
  const window = packWindow(77n, 40, [
    { time: 1000, laneValue: 5 },
    { time: 1005, laneValue: 9 },
  ])
  const where = {
    chainId: 31337,
    dataKeyRegistry: '0x5fbdb2315678afecb367f032d93f642f64180aa3',
    project: 1n,
    device: '0x70997970c51812dc3a010c7d01b50e0d17dc79c8',
  } as const
  return {
    ...where,
    window,
    windowIndex: 3,
    dataKey: key,
    threshold: 6,
    rangeMax: 100,
    context: 12345n,
    signature: { R8: IDENTITY, S: 0n },
  }
}

/** The public root of the two-place circuit is not the protocol's, so it is computed and signed here. */
function windowOfTwo(): WitnessInput {
  const claim = windowClaim()
  const lanes = [...claim.window.lanes, BigInt(claim.window.firstTime), claim.window.channel, 0n, 0n]
  const root = poseidon([0, 3].map((k) => lanes[k]! + (lanes[k + 1]! << 64n) + (lanes[k + 2]! << 128n)))
  const message = windowMessage({ ...claim, firstSequence: claim.window.firstSequence, count: 2, root })
  if (readingsRoot(claim.window) === root) throw new Error('the two-place root should differ')
  return { ...windowInput({ ...claim, signature: signPoseidon(secret, message) }, 2), readingsRoot: root.toString() }
}
export const honestWindow = windowOfTwo()
const plusOne = (name: string): WitnessInput => ({ ...honestWindow, [name]: (BigInt(honestWindow[name] as string) + 1n).toString() })

export const attacks: readonly Attack[] = [
  { group: 'bits-top', title: 'a number of nine bits', harness: 'bits', input: inputOf({ in: 256 }) },
  {
    group: 'bits-low',
    title: 'a number of nine bits with a lower "bit" of 172',
    harness: 'bits',
    input: inputOf({ in: 172 }),
    forge: () => [1n, 172n, 0n, 0n, 0n, 0n, 0n, 0n, 1n, 300n],
  },
  {
    group: 'bits-canonical',
    title: 'the bits of 5 + modulus',
    harness: 'canonical',
    input: inputOf({ in: 5 }),
    forge: (witness) => [1n, ...bitsOf(5n + FIELD, 254), ...witness.slice(255)],
  },
  { group: 'on-curve', title: 'a point off the curve', harness: 'point', input: inputOf({ point: [BASE8.x, BASE8.y + 1n] }) },
  {
    group: 'key-on-curve',
    title: 'a key that is another times i',
    harness: 'equation',
    input: equationInput({ x: mod(key.x * ROOT_OF_MINUS_ONE), y: mod(key.y * ROOT_OF_MINUS_ONE) }, answering(5n, key), 5n),
  },
  {
    group: 'r8-on-curve',
    title: "the addition's second solution",
    harness: 'equation',
    input: equationInput(key, offCurveDifference(mulBase8(5n), eightTimes), 5n),
  },
  { group: 'low-order', title: 'the neutral key', harness: 'equation', input: equationInput(IDENTITY, mulBase8(5n), 5n) },
  {
    group: 'low-order',
    title: 'the key of order two',
    harness: 'equation',
    input: equationInput({ x: 0n, y: FIELD - 1n }, mulBase8(5n), 5n),
  },
  { group: 'scalar-below-order', title: 'S + l', harness: 'equation', input: equationInput(key, answering(5n, key), 5n + SUBGROUP_ORDER) },
  {
    group: 'equation-x',
    title: 'a sum with the same y',
    harness: 'equation',
    input: equationInput(key, add(negate(mulBase8(5n)), negate(eightTimes)), 5n),
  },
  {
    group: 'equation-y',
    title: 'a sum with the same x',
    harness: 'equation',
    input: equationInput(key, add({ x: mulBase8(5n).x, y: FIELD - mulBase8(5n).y }, negate(eightTimes)), 5n),
  },

  onContent('enabled-boolean', 'one reading that counts twice', {
    enabled: [2, 0, 0, 0, 0, 0],
    values: [7, 0, 0, 0, 0, 0],
    dts: [0, 0, 0, 0, 0, 0],
    minimum: 3,
    maximum: 4,
  }),
  onContent('enabled-prefix', 'a hole in the window', { enabled: [1, 0, 1, 1, 0, 0], values: [7, 0, 3, 9, 0, 0], dts: [0, 0, 6, 7, 0, 0] }),
  onContent('sequence-low', 'a first sequence below zero', { sequenceLow: -1 }),
  onContent('sequence-high', 'a first sequence of 41 bits', { sequenceHigh: 2 ** 16 }),
  onContent('wrap-boolean', 'a wrap by six', { sequenceLow: 5, wraps: [mod(6n * invert(1n << 24n)), 0, 0, 0, 0] }),
  onContent('wrap-at-zero', 'a wrap too early', { sequenceLow: 2 ** 24 - 2, wraps: [1, 0, 0, 0, 0] }),
  onContent('sequence-last', 'a wrap left out', { sequenceLow: 2 ** 24 - 2 }),
  onContent('sequence-padding', 'lanes that carry the next sequence', { sequenceShift: 1 }),
  onContent('dt-first', 'a first reading with a gap', { dts: [1, 5, 6, 7, 0, 0] }),
  onContent('dt-range', 'a gap that reaches into the sequence', { dts: [0, 2 ** 16, 6, 7, 0, 0] }),
  onContent('dt-padding', 'a gap in the padding', { dts: [0, 5, 6, 7, 1, 0] }),
  onContent('minimum-range', 'values below zero', { ...full, values: [-1, -1, -1, -1, -1, -1], minimum: -1, maximum: -1 }),
  onContent('maximum-in-range', 'a value above the range', { rangeMax: 8 }),
  onContent('minimum-padding', 'a minimum one too low', { ...full, minimum: 2 }),
  onContent('maximum-padding', 'a maximum one too high', { ...full, maximum: 10 }),
  onContent('minimum-bound', 'a minimum that is not the lowest', { minimum: 5 }),
  onContent('maximum-bound', 'a maximum that is not the highest', { maximum: 7 }),
  onContent('minimum-occurs', 'a minimum that nobody measured', { minimum: 1 }),
  onContent('maximum-occurs', 'a maximum that nobody measured', { maximum: 500 }),
  onContent('minimum-occurs', 'a window without readings', {
    enabled: [0, 0, 0, 0, 0, 0],
    values: [0, 0, 0, 0, 0, 0],
    dts: [0, 0, 0, 0, 0, 0],
  }),
  onContent('maximum-bound', 'a value in the padding', { values: [7, 3, 9, 5, 8, 0] }),
  onContent('threshold-range', 'a threshold below zero', { ...full, threshold: -1 }),
  onContent('first-time-range', 'a time of 41 bits', { firstTime: 2 ** 40 }),
  onContent('channel-range', 'a channel of 65 bits', { channel: 1n << 64n }),
  onContent('window-index-range', 'a window index of 33 bits', { windowIndex: 2 ** 32 }),
  onContent('range-max-range', 'a range of 25 bits', { rangeMax: 2 ** 24 + 1, ...full }),

  { group: 'root-public', title: 'another readings root', harness: 'window', input: plusOne('readingsRoot') },
  { group: 'statistics-public', title: 'another sum', harness: 'window', input: plusOne('statistics') },
  { group: 'key-commitment', title: 'another key commitment', harness: 'window', input: plusOne('keyCommitment') },
  { group: 'signature', title: 'another S', harness: 'window', input: plusOne('S') },
  {
    group: 'context-bound',
    title: 'a context that meets no constraint',
    harness: 'window',
    input: honestWindow,
    system: ({ constraints }) => !constraints.some((constraint) => constraint.some((part) => part.some(([signal]) => signal === 1))),
  },
]
