// SPDX-License-Identifier: Apache-2.0
/** What a run replays: the data set's default rows and labels, and anybody's file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { csvSource, sensorDataset, spanOf, speedOf } from '../../../agents/cli/local/dataset.ts'
import { labelsOf } from '../../../agents/cli/local/summary.ts'
import type { TrellisError } from '../../../agents/protocol/errors.ts'

describe('cli/local/dataset', () => {
  it('the default run is 20 windows of four motes and holds the labelled events', () => {
    const source = sensorDataset(false)
    expect(spanOf(source)).to.include({ readings: 1280, windows: 20 })
    expect(source.series.map(({ readings }) => readings.length)).to.deep.equal([320, 320, 320, 320])
    expect(labelsOf(source)!.map((windows) => windows.map(Number).join(''))).to.deep.equal(['01110', '00000', '00000', '01100'])
  })

  it('its threshold has the best score that any threshold has', () => {
    const source = sensorDataset(false)
    const labels = labelsOf(source)!
    const highest = source.series.map(({ readings }) =>
      Array.from({ length: 5 }, (_, i) =>
        Math.max(...readings.slice(i * 64, i * 64 + 64).map(({ value }) => Math.round(Number(value) * 100))),
      ),
    )
    const f1 = (threshold: number): number => {
      let [right, wrong, lost] = [0, 0, 0]
      highest.forEach((windows, d) =>
        windows.forEach((value, w) => {
          const [alarm, event] = [value > threshold, labels[d]![w]!]
          if (alarm && event) right += 1
          else if (alarm) wrong += 1
          else if (event) lost += 1
        }),
      )
      return (2 * right) / (2 * right + wrong + lost)
    }
    const best = Math.max(...Array.from({ length: 10_001 }, (_, threshold) => f1(threshold)))
    expect(f1(source.threshold)).to.equal(best)
  })

  it('paces a run by its proofs unless it is told otherwise', () => {
    const source = sensorDataset(false)
    expect(speedOf(source, undefined)).to.equal(64)
    expect(speedOf(source, 7)).to.equal(7)
  })
})

describe('cli/local/dataset, a CSV file', () => {
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'trellis-csv-'))))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const read = (text: string, columns = { device: 'd', time: 't', value: 'v' }) => {
    const file = join(folder, 'file.csv')
    writeFileSync(file, text)
    return csvSource(file, columns)
  }

  it('fits decimals, range and threshold to the values, exactly', async () => {
    const source = await read('d,t,v\na,100,-1.25\na,110,3.5\nb,100,2\n')
    expect(source).to.include({ decimals: 2, rangeMin: -200, rangeMax: 600, channel: 'v', labelled: false })
    expect(source.csv).to.include({ deviceColumn: 'd', timeColumn: 't', valueColumn: 'v' })
    // 90 % of the way from -1.25 to 3.50, as a lane above -2.00.
    expect(source.threshold).to.equal(Math.floor(75 + 475 * 0.9))
    expect(source.series.map(({ name, readings }) => [name, readings.length])).to.deep.equal([
      ['a', 2],
      ['b', 1],
    ])
  })

  it('leaves out NA and rows out of order, counts gaps', async () => {
    const source = await read('d,t,v\na,100,1\na,110,NA\na,105,\na,100,2\na,200000,3\n')
    expect(source.series[0]).to.include({ missing: 2, disordered: 1, gaps: 1 })
    expect(source.series[0]!.readings.map(({ value }) => value)).to.deep.equal(['1', '3'])
  })

  for (const [what, text, code] of [
    ['a column that is not there', 'd,x,v\na,1,1\n', 'CSV_COLUMN_MISSING'],
    ['no rows', 'd,t,v\n', 'CSV_EMPTY'],
    ['nothing but NA', 'd,t,v\na,1,NA\n', 'CSV_NO_READINGS'],
    ['a row with too few columns', 'd,t,v\na,1,1\na,2\n', 'CSV_UNREADABLE'],
    ['a row with too many columns', 'd,t,v\na,1,1\na,2,2,2\n', 'CSV_UNREADABLE'],
    ['two columns of one name', 'd,t,v,v\na,1,1,2\n', 'CSV_COLUMN_AMBIGUOUS'],
    ['a value that is no number', 'd,t,v\na,1,1e5\n', 'CSV_VALUE'],
    ['a time that is none', 'd,t,v\na,soon,1\n', 'CSV_TIME'],
    ['values that do not fit 24 bits', 'd,t,v\na,1,0\na,2,99999999\n', 'CSV_RANGE'],
    ['more devices than a machine runs', `d,t,v\n${Array.from({ length: 41 }, (_, i) => `d${i},1,1`).join('\n')}\n`, 'CSV_DEVICES'],
    ['an unclosed quote', 'd,t,v\na,1,"1\n', 'CSV_UNREADABLE'],
  ] as const) {
    it(`refuses ${what}`, async () => {
      await read(text).then(
        () => expect.fail('it was taken'),
        (error: unknown) => {
          expect((error as TrellisError).code).to.equal(code)
          expect((error as TrellisError).next).to.be.a('string')
        },
      )
    })
  }

  it('tells a directory from a file, and counts why no row is a reading', async () => {
    const refusal = (work: Promise<unknown>) =>
      work.then(
        () => expect.fail('it was taken'),
        (error: unknown) => error as TrellisError,
      )
    expect((await refusal(csvSource(folder, { device: 'd', time: 't', value: 'v' }))).code).to.equal('CSV_DIRECTORY')
    const none = await refusal(read('d,t,v\n,1,5\n,2,6\na,3,NA\n'))
    expect(none).to.include({ code: 'CSV_NO_READINGS' })
    expect(none.details).to.include({ rows: 3, withoutDevice: 2, withoutValue: 1 })
  })

  it('says what it leaves out and how it reads times', async () => {
    expect((await read('d,t,v\na,1,5\n')).notes).to.deep.equal([])
    const { notes } = await read('d,t,v\na,1273363200000,5\n,1273363201000,6\n')
    expect(notes).to.have.length(2)
    expect(notes[0]).to.contain('1 of 2 rows')
    expect(notes[1]).to.contain('milliseconds')
  })

  it('gives decimals as devices scale them', async () => {
    const { series, decimals } = await read('d,t,v\na,1,20.0\na,2,+021.50\na,3,-0.5\n')
    expect(series[0]!.readings.map(({ value }) => value)).to.deep.equal(['20', '21.5', '-0.5'])
    expect(decimals).to.equal(1)
  })
})
