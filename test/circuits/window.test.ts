// SPDX-License-Identifier: Apache-2.0
/** The window circuit in its full size, as built: random windows against the protocol's own model, foreign signatures, no free signal, whole proofs. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { buildEddsa } from 'circomlibjs'
import fc from 'fast-check'
import * as snarkjs from 'snarkjs'
import { keccak256, toBytes } from 'viem'
import { publicKeyOf, signPoseidon, type Signature } from '../../agents/crypto/eddsa.ts'
import { createCircomBackend, type CircomBackend, findCircuits } from '../../agents/prover/circom/backend.ts'
import { type WindowClaim, windowInput, windowSignals, type WitnessInput } from '../../agents/prover/circom/input.ts'
import { brokenConstraint, type ConstraintSystem, readConstraintSystem, readWitness } from '../../agents/prover/circom/r1cs.ts'
import { WitnessCalculator } from '../../agents/prover/circom/witness.ts'
import { TrellisError } from '../../agents/protocol/errors.ts'
import type { Address } from '../../agents/protocol/ids.ts'
import { packWindow, readingsRoot, windowMessage, type WindowReading } from '../../agents/protocol/window.ts'
import { settings } from '../fixtures/properties.ts'

const artifactsFolder = join(import.meta.dirname, '..', '..', 'build', 'circuits')
const folder = join(artifactsFolder, 'sensing_window')
const program = keccak256(toBytes('sensing/window/1'))
const secret = new Uint8Array(32).fill(21)
const address = (value: bigint): Address => `0x${value.toString(16).padStart(40, '0')}`

interface Draw {
  readings: WindowReading[]
  firstSequence: number
  windowIndex: number
  threshold: number
  rangeMax: number
  context: bigint
  project: bigint
  device: bigint
}

function claimOf(draw: Draw, sign: (message: bigint) => Signature = (message) => signPoseidon(secret, message)): WindowClaim {
  const window = packWindow(0xfedc_ba98_7654_3210n, draw.firstSequence, draw.readings)
  const subject = {
    chainId: 31337,
    dataKeyRegistry: address(0x5fbdb2315678afecb367f032d93f642f64180aa3n),
    project: draw.project,
    device: address(draw.device),
    windowIndex: draw.windowIndex,
  }
  const message = windowMessage({
    ...subject,
    firstSequence: window.firstSequence,
    count: window.lanes.length,
    root: readingsRoot(window),
  })
  const { threshold, rangeMax, context } = draw
  return { ...subject, window, dataKey: publicKeyOf(secret), signature: sign(message), threshold, rangeMax, context }
}

/** Windows at the edges of every field: wraps of the sequence, one reading, equal readings, the largest gap. */
const draws: fc.Arbitrary<Draw> = fc
  .record({
    count: fc.oneof(fc.constantFrom(1, 2, 63, 64), fc.integer({ min: 1, max: 64 })),
    firstTime: fc.integer({ min: 0, max: 2 ** 40 - 2 ** 23 }),
    firstSequence: fc.oneof(
      fc.integer({ min: 2 ** 24 - 64, max: 2 ** 24 }),
      fc.constantFrom(0, 2 ** 40 - 64),
      fc.integer({ min: 0, max: 2 ** 40 - 64 }),
    ),
    windowIndex: fc.constantFrom(0, 1, 2 ** 32 - 1),
    rangeMax: fc.constantFrom(0, 4000, 2 ** 24 - 1),
    threshold: fc.constantFrom(0, 2500, 2 ** 24 - 1),
    context: fc.bigInt({ min: 0n, max: 2n ** 248n - 1n }),
    project: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
    device: fc.bigInt({ min: 1n, max: 2n ** 160n - 1n }),
    random: fc.array(fc.record({ gap: fc.constantFrom(1, 5, 2 ** 16 - 1), value: fc.double({ min: 0, max: 1, noNaN: true }) }), {
      minLength: 64,
      maxLength: 64,
    }),
  })
  .map(({ count, firstTime, random, ...rest }) => {
    let time = firstTime
    const readings = random.slice(0, count).map(({ gap, value }, i) => {
      time += i === 0 ? 0 : gap
      return { time, laneValue: Math.round(value * rest.rangeMax) }
    })
    return { ...rest, readings }
  })

const example: Draw = {
  readings: Array.from({ length: 64 }, (_, i) => ({ time: 1_273_363_200 + 5 * i, laneValue: (i * 7919) % 4000 })),
  firstSequence: 2 ** 24 - 30,
  windowIndex: 3,
  threshold: 2500,
  rangeMax: 4000,
  context: 99n,
  project: 1n,
  device: 0x70997970c51812dc3a010c7d01b50e0d17dc79c8n,
}

describe('circuits: sensing window', function () {
  this.timeout(120_000)
  let calculator: WitnessCalculator
  let system: ConstraintSystem
  before(() => {
    calculator = new WitnessCalculator(readFileSync(join(folder, 'sensing_window.wasm')))
    system = readConstraintSystem(readFileSync(join(folder, 'sensing_window.r1cs')))
  })
  const publicOf = (input: WitnessInput): bigint[] => readWitness(calculator.calculate(input)).slice(1, 5)
  const refuses = (input: WitnessInput): void => void expect(() => calculator.calculate(input)).to.throw(TrellisError, 'statement is false')

  it('has the size that circuits.json says, and room in 2^14', () => {
    expect(system.constraints.length + system.publicSignals + 1).to.be.at.most(2 ** 14)
    expect(system.publicSignals).to.equal(4)
  })

  it('proves for random windows what the protocol computes', () => {
    fc.assert(
      fc.property(draws, (draw) => {
        const claim = claimOf(draw)
        const want = windowSignals(claim)
        expect(publicOf(windowInput(claim))).to.deep.equal([want.context, want.readingsRoot, want.statistics, want.keyCommitment])
      }),
      settings(5),
    )
  })

  it('refuses each claimed number when it is wrong', () => {
    const input = windowInput(claimOf(example))
    const names = ['readingsRoot', 'statistics', 'keyCommitment', 'sequenceLow', 'sequenceHigh', 'firstTime', 'channel', 'minimum', 'maximum']
    for (const name of [...names, 'threshold', 'rangeMax', 'windowIndex', 'chainId', 'registry', 'project', 'device', 'S']) {
      refuses({ ...input, [name]: (BigInt(input[name] as string) + 1n).toString() })
    }
    for (const name of ['enabled', 'values', 'dts', 'wraps', 'key', 'R8']) {
      const values = input[name] as string[]
      refuses({ ...input, [name]: values.with(-1, (BigInt(values.at(-1)!) ^ 1n).toString()) })
    }
  })

  it('refuses inputs that are missing, unknown, too many or outside the field', () => {
    const input = windowInput(claimOf(example))
    const { S: _, ...missing } = input
    expect(() => calculator.calculate(missing)).to.throw(TrellisError, 'inputs are given')
    expect(() => calculator.calculate({ ...input, other: '1' })).to.throw(TrellisError, 'input other')
    expect(() => calculator.calculate({ ...input, values: ['1'] })).to.throw(TrellisError, 'input values has 1 values')
    expect(() => calculator.calculate({ ...input, project: (2n ** 255n).toString() })).to.throw(TrellisError, 'not a field element')
    expect(() => calculator.calculate({ ...input, project: '-1' })).to.throw(TrellisError, 'not a field element')
    expect(publicOf(input)[0], 'and goes on working').to.equal(99n)
  })

  it('refuses to make inputs of a window that breaks the protocol', () => {
    const claim = claimOf(example)
    const lanes = claim.window.lanes.with(3, claim.window.lanes[2]!)
    expect(() => windowInput({ ...claim, window: { ...claim.window, lanes } })).to.throw(TrellisError, 'breaks a rule')
    expect(() => windowInput(claim, 63)).to.throw(TrellisError, 'breaks a rule')
  })

  it('takes a window that circomlibjs signed', async () => {
    const oracle = await buildEddsa()
    const claim = claimOf(example, (message) => {
      const { R8, S } = oracle.signPoseidon(secret, oracle.F.e(message))
      return { R8: { x: oracle.F.toObject(R8[0]), y: oracle.F.toObject(R8[1]) }, S }
    })
    expect(publicOf(windowInput(claim))[1]).to.equal(readingsRoot(claim.window))
  })

  it('has no free signal: each one altered alone breaks a constraint', () => {
    const witness = readWitness(calculator.calculate(windowInput(claimOf(example))))
    expect(brokenConstraint(system, witness)).to.equal(undefined)
    const where = Array.from({ length: system.signals }, (): number[] => [])
    system.constraints.forEach((parts, index) => {
      for (const signal of new Set(parts.flatMap((part) => part.map(([each]) => each)))) where[signal]!.push(index)
    })
    // The context's square is bound to the context and nothing else, so every signal, also a public one, is in some constraint.
    const free: number[] = []
    for (let signal = 1; signal < system.signals; signal++) {
      const honest = witness[signal]!
      witness[signal] = honest + 1n
      if (brokenConstraint(system, witness, where[signal]) === undefined) free.push(signal)
      witness[signal] = honest
    }
    expect(free).to.deep.equal([])
  })

  describe('proofs', () => {
    let backend: CircomBackend
    before(() => {
      backend = createCircomBackend({ artifactsFolder })
    })
    after(() => backend.close())

    it('prove in the verifier contract’s word order, and verify in snarkjs', async () => {
      const claim = claimOf(example)
      const made = await backend.prove(program, windowInput(claim))
      const want = windowSignals(claim)
      expect(made.publicSignals.map(BigInt)).to.deep.equal([want.context, want.readingsRoot, want.statistics, want.keyCommitment])
      expect(await backend.verify(program, made)).to.equal(true)
      const other = { ...made, publicSignals: made.publicSignals.with(0, '100') }
      expect(await backend.verify(program, other), 'a proof for another context').to.equal(false)
      const [ax, ay, bx1, bx0, by1, by0, cx, cy] = made.proof
      const key = JSON.parse(readFileSync(findCircuits(artifactsFolder).get(program)!.verificationKey, 'utf8')) as snarkjs.VerificationKey
      const pi_b: snarkjs.Groth16Proof['pi_b'] = [
        [bx0, bx1],
        [by0, by1],
        ['1', '0'],
      ]
      const foreign = { pi_a: [ax, ay, '1'], pi_b, pi_c: [cx, cy, '1'], protocol: 'groth16', curve: 'bn128' } satisfies snarkjs.Groth16Proof
      expect(await snarkjs.groth16.verify(key, made.publicSignals, foreign)).to.equal(true)
    })

    it('refuse false statements, unknown programs and aborted calls, and go on', async () => {
      const input = windowInput(claimOf(example))
      const codeOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => 'none', (error: unknown) => (error as { code?: string }).code)
      expect(await codeOf(backend.prove(program, { ...input, minimum: '1' }))).to.equal('WITNESS_REFUSED')
      expect(await codeOf(backend.prove(`0x${'00'.repeat(32)}`, input))).to.equal('PROGRAM_UNKNOWN')
      const abort = new AbortController()
      const reason = new TrellisError({ code: 'NOT_WANTED', message: 'nobody waits' })
      const ended = codeOf(backend.prove(program, input, abort.signal))
      const kept = backend.prove(program, input)
      setTimeout(() => abort.abort(reason), 200)
      expect(await ended).to.equal('NOT_WANTED')
      expect((await kept).publicSignals[0]).to.equal('99')
    })

    it('reject what waits when the backend closes', async () => {
      const own = createCircomBackend({ artifactsFolder })
      const lost = own.prove(program, windowInput(claimOf(example))).then(
        () => 'proved',
        (error: unknown) => (error as TrellisError).code,
      )
      await own.close()
      expect(await lost).to.equal('PROVER_STOPPED')
    })
  })

  it('names missing circuits and what to do', () => {
    expect(() => createCircomBackend({ artifactsFolder: join(artifactsFolder, 'nowhere') })).to.throw(TrellisError, 'no built circuits')
  })
})
