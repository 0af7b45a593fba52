// SPDX-License-Identifier: Apache-2.0
/** The equation of audit: every way in which the books can be wrong is found, by ids. */
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Books, check, type SettledWindow } from '../../../agents/cli/local/books.ts'
import { isOver } from '../../../agents/cli/local/wait.ts'
import { reset } from '../../../agents/cli/reset.ts'
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
  intact: true,
  taskId: id(n),
  settled,
})

const settlement = (n: number, window: number, count = 64): SettledWindow => ({
  taskId: id(n),
  device: A,
  window,
  count,
  recorded: count,
  payments: [BigInt(count) * 10n],
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

  it('finds a row of the store that was altered', () => {
    const [first, second] = [stored(1, 0, true), stored(2, 1, false)]
    const problems = (change: Partial<Books>): string => check(books(change)).problems.join()
    expect(problems({ windows: [{ ...first, intact: false }, second] })).to.contain('not those of its root')
    expect(problems({ windows: [first, { ...second, firstSequence: '70' }] })).to.contain('readings 64 to 69')
    expect(problems({ windows: [second] })).to.contain('lie in no window')
    expect(problems({ settled: [{ ...settlement(1, 0), recorded: 63 }] })).to.contain('proven for 63 readings')
    expect(problems({ accounting: { acceptedReadings: 100, windowedReadings: 128, windows: 2, refused: {} } })).to.contain(
      'accounts for 100',
    )
  })

  it('finds a task that was paid twice, not at all, or another amount, also when its wallet adds up', () => {
    for (const payments of [[640n, 640n], [], [639n]])
      expect(check(books({ settled: [{ ...settlement(1, 0), payments }] })).problems.join(), String(payments)).to.contain('paid')
  })

  it('finds pay of a wallet whose settlements are hidden', () => {
    const hidden = books({
      windows: [stored(1, 0, false), stored(2, 1, false)],
      settled: [],
      wallets: [{ device: A, wallet: A, windows: 0, readings: 0, due: 0n, paid: 640n }],
    })
    expect(check(hidden).problems).to.deep.equal([`wallet ${A} is due 0 and was paid 640`])
  })

  it('finds an accounting that does not agree with the list of windows', () => {
    const short = books({ accounting: { acceptedReadings: 130, windowedReadings: 120, windows: 2, refused: {} } })
    expect(check(short).problems.length).to.be.greaterThan(0)
  })
})

describe('cli/local/wait', () => {
  it('is over when nothing is under way, also when a task was put aside', () => {
    const accounting = { acceptedReadings: 128, windowedReadings: 128, windows: 2 }
    expect(isOver({ pending: 0, settled: 2, dead: 0 }, accounting)).to.equal(true)
    expect(isOver({ pending: 0, settled: 1, dead: 1 }, accounting)).to.equal(true)
    expect(isOver({ pending: 0, settled: 1, dead: 0 }, accounting)).to.equal(false)
    expect(isOver({ pending: 1, settled: 2, dead: 0 }, accounting)).to.equal(false)
    expect(isOver({ pending: 0, settled: 2, dead: 0 }, { ...accounting, acceptedReadings: 130 })).to.equal(false)
  })
})

describe('cli/reset', () => {
  it('removes what a run made, and touches nothing of a folder without a run', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trellis-reset-'))
    for (const name of ['keys', 'logs', 'mine']) mkdirSync(join(folder, name))
    const { log } = console
    console.log = () => undefined
    try {
      await reset(folder)
      expect(readdirSync(folder)).to.deep.equal(['keys', 'logs', 'mine'])
      writeFileSync(join(folder, 'run.json'), '{}')
      await reset(folder)
    } finally {
      console.log = log
    }
    expect(readdirSync(folder)).to.deep.equal(['mine'])
  })
})

describe('cli/local/summary', () => {
  it('scores alarms against labels per window', () => {
    const labels = [[true, true, false], [false]]
    expect(score(labels, [new Set([0, 2]), new Set()])).to.deep.equal({ precision: 0.5, recall: 0.5 })
    expect(score([[false]], [new Set()])).to.deep.equal({ precision: null, recall: null })
  })
})
