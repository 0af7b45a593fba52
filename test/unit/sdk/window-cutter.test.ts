// SPDX-License-Identifier: Apache-2.0
/** Where windows end. */
import { expect } from 'chai'
import fc from 'fast-check'
import { openWindow, type WindowReading } from '../../../agents/protocol/window.ts'
import { type ClosedWindow, createWindowCutter } from '../../../agents/sdk/window-cutter.ts'

const start = { channel: 1n, nextIndex: 0, nextSequence: 0 }
const reading = (time: number): WindowReading => ({ time, laneValue: time % 100 })

describe('sdk/window-cutter', () => {
  it('closes at 64 readings and on flush, and not before', () => {
    const cutter = createWindowCutter(start)
    for (let at = 0; at < 63; at++) expect(cutter.add(reading(at))).to.deep.equal([])
    expect(cutter.add(reading(63))[0]?.content.lanes).to.have.length(64)
    expect(cutter.flush()).to.equal(undefined)
    cutter.add(reading(64))
    expect(cutter.open).to.equal(1)
    expect(cutter.flush()).to.deep.include({ index: 1 })
    expect(cutter.open).to.equal(0)
  })

  it('closes before a pause that a lane cannot hold, and at shorter ones when asked', () => {
    const cutter = createWindowCutter(start)
    cutter.add(reading(0))
    expect(cutter.add(reading(65_535))).to.deep.equal([])
    expect(cutter.add(reading(65_535 + 65_536))[0]?.content.lanes).to.have.length(2)
    const short = createWindowCutter({ ...start, maxGap: 10, capacity: 1 })
    expect(short.add(reading(0))).to.have.length(1)
    const ten = createWindowCutter({ ...start, maxGap: 10 })
    ten.add(reading(0))
    expect(ten.add(reading(10))).to.have.length(0)
    expect(ten.add(reading(21))).to.have.length(1)
  })

  it('refuses a reading that does not lie after the one before, and sizes that no window has', () => {
    const cutter = createWindowCutter(start)
    cutter.add(reading(5))
    expect(() => cutter.add(reading(5))).to.throw('after the one before')
    expect(() => createWindowCutter({ ...start, capacity: 65 })).to.throw('1 to 64')
    expect(() => createWindowCutter({ ...start, maxGap: 65_536 })).to.throw('65535')
  })

  it('puts every reading into exactly one window, in order, whatever the pauses', () => {
    const steps = fc.array(
      fc.record({ step: fc.oneof(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 200_000 })), flush: fc.boolean() }),
      { maxLength: 300 },
    )
    fc.assert(
      fc.property(steps, fc.integer({ min: 0, max: 2 ** 30 }), (list, nextSequence) => {
        const cutter = createWindowCutter({ channel: 1n, nextIndex: 9, nextSequence })
        let time = 0
        const fed: WindowReading[] = []
        const closed: ClosedWindow[] = []
        for (const { step, flush } of list) {
          fed.push(reading((time += step)))
          closed.push(...cutter.add(fed.at(-1)!))
          const rest = flush ? cutter.flush() : undefined
          if (rest !== undefined) closed.push(rest)
        }
        const rest = cutter.flush()
        if (rest !== undefined) closed.push(rest)
        let sequence = nextSequence
        const out = closed.flatMap(({ index, content }, at) => {
          expect(index).to.equal(9 + at)
          expect(content.firstSequence).to.equal(sequence)
          sequence += content.lanes.length
          const opened = openWindow(content)
          return opened.ok ? opened.readings : []
        })
        expect(out).to.deep.equal(fed)
      }),
    )
  })
})
