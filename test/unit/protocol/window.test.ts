// SPDX-License-Identifier: Apache-2.0
/** Windows against vectors made with circomlibjs, and as properties. */
import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import fc from 'fast-check'
import { signPoseidon } from '../../../agents/crypto/eddsa.ts'
import {
  decodeDataSignature,
  encodeDataSignature,
  keyCommitment,
  lanesFromHex,
  lanesToHex,
  openWindow,
  packLane,
  packStatistics,
  packWindow,
  readingsRoot,
  rootToHex,
  statisticsOf,
  unpackLane,
  unpackStatistics,
  windowElements,
  windowMessage,
} from '../../../agents/protocol/window.ts'
import type { Hex } from '../../../agents/protocol/ids.ts'

interface WindowVector {
  name: string
  chainId: string
  project: string
  device: Hex
  dataKeyRegistry: Hex
  channel: string
  windowIndex: number
  firstSequence: number
  firstTime: number
  threshold: number
  rangeMax: number
  values: number[]
  gaps: number[]
  lanes: string
  elements: string[]
  root: string
  rootHex: string
  statistics: string
  M: string
}
const fixtures = JSON.parse(readFileSync(`${import.meta.dirname}/../../fixtures/protocol/window.json`, 'utf8')) as {
  windows: WindowVector[]
  keyCommitments: { chainId: string; dataKeyRegistry: Hex; project: string; device: Hex; key: { x: string; y: string }; K: string }[]
}

describe('protocol/window', () => {
  for (const vector of fixtures.windows) {
    it(`agrees with the vector: ${vector.name}`, () => {
      let time = vector.firstTime
      const readings = vector.values.map((laneValue, i) => ({ laneValue, time: (time += vector.gaps[i]!) }))
      // The last vector stands at the bound of 40 bits, which packWindow allows for its one reading.
      const window = packWindow(BigInt(vector.channel), vector.firstSequence, readings)
      expect(lanesToHex(window.lanes)).to.equal(vector.lanes)
      expect(windowElements(window).map(String)).to.deep.equal(vector.elements)
      const root = readingsRoot(window)
      expect(root.toString()).to.equal(vector.root)
      expect(rootToHex(root)).to.equal(vector.rootHex)
      const statistics = statisticsOf(window, vector.windowIndex, vector.threshold, vector.rangeMax)
      expect(packStatistics(statistics).toString()).to.equal(vector.statistics)
      const { dataKeyRegistry, device, windowIndex, firstSequence } = vector
      const count = vector.values.length
      const subject = {
        chainId: BigInt(vector.chainId),
        dataKeyRegistry,
        project: BigInt(vector.project),
        device,
        windowIndex,
        firstSequence,
        count,
        root,
      }
      expect(windowMessage(subject).toString()).to.equal(vector.M)
    })
  }

  it('agrees with the vectors of key commitments', () => {
    for (const { chainId, dataKeyRegistry, project, device, key, K } of fixtures.keyCommitments) {
      const subject = {
        chainId: BigInt(chainId),
        dataKeyRegistry,
        project: BigInt(project),
        device,
        key: { x: BigInt(key.x), y: BigInt(key.y) },
      }
      expect(keyCommitment(subject).toString()).to.equal(K)
    }
  })

  const lane = fc.record({ laneValue: fc.integer({ min: 0, max: 2 ** 24 - 1 }), gap: fc.integer({ min: 1, max: 65_535 }) })
  const start = fc.record({ sequence: fc.integer({ min: 0, max: 2 ** 40 - 65 }), time: fc.integer({ min: 0, max: 2 ** 40 - 65_536 * 64 }) })

  it('opens every window that it packs, to the same readings', () => {
    fc.assert(
      fc.property(fc.array(lane, { minLength: 1, maxLength: 64 }), start, (lanes, { sequence, time }) => {
        let now = time
        const readings = lanes.map(({ laneValue, gap }, i) => ({ laneValue, time: i === 0 ? now : (now += gap) }))
        const window = packWindow(1n, sequence, readings)
        expect(lanesFromHex(lanesToHex(window.lanes))).to.deep.equal(window.lanes)
        expect(openWindow(window)).to.deep.equal({ ok: true, readings })
      }),
    )
  })

  it('packs a lane exactly as the formula says', () => {
    fc.assert(
      fc.property(lane, fc.integer({ min: 0, max: 2 ** 40 - 1 }), ({ laneValue, gap }, sequence) => {
        const packed = packLane(laneValue, gap, sequence)
        expect(packed).to.equal(BigInt(laneValue) | (BigInt(gap) << 24n) | (BigInt(sequence % 2 ** 24) << 40n))
        expect(unpackLane(packed)).to.deep.equal({ laneValue, gap, sequence24: sequence % 2 ** 24 })
      }),
    )
  })

  it('unpacks the statistics that it packs', () => {
    const bits = (n: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 2 ** n - 1 })
    const statistics = fc.record({
      ...{ sum: bits(30), min: bits(24), max: bits(24), count: bits(7), above: bits(7) },
      ...{ windowIndex: bits(32), firstSequence: bits(40), firstTime: bits(40), threshold: bits(24), rangeMax: bits(24) },
    })
    fc.assert(fc.property(statistics, (value) => void expect(unpackStatistics(packStatistics(value))).to.deep.equal(value)))
    expect(() => packStatistics({ ...fc.sample(statistics, 1)[0]!, count: 128 })).to.throw('leaves its bits')
    expect(() => unpackStatistics(1n << 252n)).to.throw('252')
  })

  it('refuses to pack what the circuit could not hold', () => {
    const reading = { time: 100, laneValue: 1 }
    expect(() => packWindow(1n, 0, [])).to.throw('no readings')
    expect(() =>
      packWindow(
        1n,
        0,
        Array.from({ length: 65 }, (_, i) => ({ time: i, laneValue: 1 })),
      ),
    ).to.throw('more than 64')
    expect(() => packWindow(1n, 0, [reading, reading])).to.throw('apart')
    expect(() => packWindow(1n, 0, [reading, { time: 100 + 65_536, laneValue: 1 }])).to.throw('apart')
    expect(() => packWindow(1n, 0, [{ time: 100, laneValue: 2 ** 24 }])).to.throw('24 bits')
    expect(() => packWindow(1n, 0, [{ time: 100, laneValue: -1 }])).to.throw('24 bits')
    expect(() => packWindow(1n, 2 ** 40, [reading])).to.throw('40 bits')
    expect(() => packWindow(1n, 0, [{ time: 2 ** 40, laneValue: 0 }])).to.throw('40 bits')
  })

  it('does not open a window whose lanes break the protocol', () => {
    const base = { firstSequence: 5, firstTime: 100, channel: 1n }
    const why = (lanes: bigint[]): unknown => {
      const opened = openWindow({ ...base, lanes })
      return opened.ok ? 'ok' : `${opened.why} ${opened.index}`
    }
    expect(why([packLane(1, 0, 5), packLane(1, 5, 6)])).to.equal('ok')
    expect(why([])).to.equal('count 0')
    expect(why([packLane(1, 3, 5)])).to.equal('gap 0')
    expect(why([packLane(1, 0, 5), packLane(1, 0, 6)])).to.equal('gap 1')
    expect(why([packLane(1, 0, 5), packLane(1, 5, 7)])).to.equal('sequence 1')
    expect(openWindow({ ...base, firstTime: 2 ** 40 - 1, lanes: [packLane(1, 0, 5), packLane(1, 5, 6)] })).to.deep.include({
      ok: false,
      why: 'time',
    })
  })

  it('reads a data signature back, and nothing of another length or case', () => {
    const signature = signPoseidon(new Uint8Array(32).fill(7), 5n)
    const hex = encodeDataSignature(signature)
    expect(hex).to.have.length(194)
    expect(decodeDataSignature(hex)).to.deep.equal(signature)
    expect(decodeDataSignature(hex.slice(0, -2))).to.equal(undefined)
    expect(decodeDataSignature(hex.toUpperCase())).to.equal(undefined)
    expect(decodeDataSignature(`0x${'01'.repeat(96)}`)).to.equal(undefined)
  })
})
