// SPDX-License-Identifier: Apache-2.0
/** The equation of audit: every way in which the books can be wrong is found, by ids. */
import { expect } from 'chai'
import { type Books, check, type SettledWindow } from '../../../agents/cli/local/books.ts'
import { score } from '../../../agents/cli/local/summary.ts'

const A = '0x00000000000000000000000000000000000000aa'
const id = (n: number): `0x${string}` => `0x${n.toString(16).padStart(64, '0')}`

const stored = (n: number, index: number, settled: boolean, count = 64): Books['windows'][number] => ({
  cursor: n,
  root: id(1000 + n),
  project: '1',
  device: A,
  index,
  firstSequence: String(index * 64),
  count,
  taskId: id(n),
  settled,
})

const settlement = (n: number, window: number, count = 64): SettledWindow => ({
  taskId: id(n),
  device: A,
  window,
  count,
  above: 0,
  max: 0,
  firstTime: 0n,
  price: 10n,
  transaction: id(1),
  block: 1n,
})

const books = (change: Partial<Books> = {}): Books => ({
  project: 1n,
  accounting: { acceptedReadings: 130, windowedReadings: 128, windows: 2, refused: {} },
  windows: [stored(1, 0, true), stored(2, 1, false)],
  settled: [settlement(1, 0)],
  alarms: [],
  wallets: [{ device: A, wallet: A, windows: 1, readings: 64, due: 640n, paid: 640n }],
  assignments: 2,
  recalls: 0,
  refusedItems: [],
  settlementGas: 0n,
  assignmentGas: 0n,
  ...change,
})

describe('cli/local/books', () => {
  it('closes: accepted = settled + pending + open', () => {
    expect(check(books())).to.deep.equal({ accepted: 130, settled: 64, pending: 64, open: 2, refusedAfterAccept: 0, problems: [] })
  })

  it('finds a task that settled twice', () => {
    expect(check(books({ settled: [settlement(1, 0), settlement(1, 0)] })).problems[0]).to.contain('settled 2 times')
  })

  it('finds a settlement of what was never accepted', () => {
    expect(check(books({ settled: [settlement(1, 0), settlement(9, 7)] })).problems[0]).to.contain('never accepted')
  })

  it('finds a window that settled under two roots, and counts one that lost its place', () => {
    const twice = books({ windows: [stored(1, 0, true), { ...stored(2, 0, true), firstSequence: '64' }] })
    expect(check(twice).problems.some((text) => text.includes('under 2 roots'))).to.equal(true)
    const beaten = check(books({ windows: [stored(1, 0, true), { ...stored(2, 0, false), firstSequence: '64' }] }))
    expect(beaten).to.include({ refusedAfterAccept: 64, pending: 0 })
  })

  it('finds readings that lie in two windows', () => {
    const overlap = books({ windows: [stored(1, 0, true), { ...stored(2, 1, false), firstSequence: '63' }] })
    expect(check(overlap).problems[0]).to.contain('lie in two windows')
  })

  it('finds a wallet that was paid too little or too much', () => {
    for (const paid of [639n, 641n]) {
      const wallets = [{ device: A, wallet: A, windows: 1, readings: 64, due: 640n, paid }] as const
      expect(check(books({ wallets: [...wallets] })).problems[0]).to.contain('is due 640')
    }
  })

  it('finds an accounting that does not agree with the list of windows', () => {
    const short = books({ accounting: { acceptedReadings: 130, windowedReadings: 120, windows: 2, refused: {} } })
    expect(check(short).problems.length).to.be.greaterThan(0)
  })
})

describe('cli/local/summary', () => {
  it('scores alarms against labels per window', () => {
    const labels = [[true, true, false], [false]]
    expect(score(labels, [new Set([0, 2]), new Set()])).to.deep.equal({ precision: 0.5, recall: 0.5 })
    expect(score([[false]], [new Set()])).to.deep.equal({ precision: null, recall: null })
  })
})
