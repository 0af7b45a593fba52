// SPDX-License-Identifier: Apache-2.0
/** Datasets and files as sources: what becomes a reading, what is counted, what is an error. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { csvDevices, type CsvOptions, csvSource, readTime } from '../../../agents/sdk/drivers/node/csv.ts'
import {
  DATASET_DEFAULT_ROWS,
  DATASET_MOTES,
  datasetSource,
  datasetTime,
  labelledWindows,
  readMote,
  scoreAlarms,
} from '../../../agents/sdk/drivers/node/dataset.ts'
import { initialState, openRows, replayStep } from '../../../agents/sdk/drivers/node/replay.ts'
import type { SourceRow } from '../../../agents/sdk/drivers/node/source.ts'
import { temporaryFolder } from '../gateway/support.ts'

const collect = async (rows: AsyncIterable<SourceRow>): Promise<SourceRow[]> => {
  const all: SourceRow[] = []
  for await (const row of rows) all.push(row)
  return all
}
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error as { code: string }).code,
  )

describe('sdk/dataset', () => {
  it('has four motes of 18,914 readings, and labels where the authors put them', () => {
    const motes = DATASET_MOTES.map((mote) => readMote(mote))
    expect(motes.map((rows) => rows.length).reduce((a, b) => a + b)).to.equal(18_914)
    const labelled = motes.map((rows) => rows.filter(({ event }) => event).map(({ row }) => row))
    expect([labelled[0]![0], labelled[0]!.at(-1)]).to.deep.equal([2_344, 2_460])
    expect([labelled[3]![0], labelled[3]!.at(-1)]).to.deep.equal([2_362, 2_393])
    expect(labelled[1]!.length + labelled[2]!.length).to.equal(0)
    expect(() => readMote(5)).to.throw('motes 1 to 4')
  })

  it('replays chosen rows five seconds apart, from any row on', async () => {
    const source = datasetSource(1, 'humidity', { from: 2_241, to: 2_560, origin: 1_000 })
    const rows = await collect(source.rows(0))
    expect(rows).to.have.length(320)
    expect(rows[0]).to.deep.equal({ row: 2_241, time: datasetTime(2_241, 1_000), value: readMote(1)[2_240]!.humidity })
    expect(rows[1]!.time - rows[0]!.time).to.equal(5)
    expect((await collect(source.rows(2_558))).map(({ row }) => row)).to.deep.equal([2_559, 2_560])
  })

  it('labels the twenty windows of the default run, and scores alarms against them', () => {
    const windows = DATASET_MOTES.flatMap((mote) => labelledWindows(mote, DATASET_DEFAULT_ROWS))
    expect(windows).to.have.length(20)
    const labelled = windows.filter(({ events }) => events > 0).map(({ mote, index }) => `${mote}/${index}`)
    expect(labelled).to.deep.equal(['1/1', '1/2', '1/3', '4/1', '4/2'])
    expect(scoreAlarms(windows, ({ mote }) => mote === 1)).to.deep.equal({ precision: 3 / 5, recall: 3 / 5 })
    expect(scoreAlarms(windows, () => false)).to.deep.equal({ precision: null, recall: 0 })
  })
})

describe('sdk/csv', () => {
  const file = (text: string): CsvOptions => {
    const path = join(temporaryFolder(), 'data.csv')
    writeFileSync(path, text)
    return { file: path, timeColumn: 'at', valueColumn: 'rh' }
  }

  it('reads ISO and unix times, quotes, other columns and several devices', async () => {
    const options = {
      ...file('who,at,rh,note\na,2010-05-09T00:00:00Z,45.93,"x,y"\nb,1273363205,50,\na,1273363210,NA,\na,2010-05-09 00:00:15,46,\n'),
      deviceColumn: 'who',
    }
    expect(await collect(csvSource({ ...options, device: 'a' }).rows(0))).to.deep.equal([
      { row: 1, time: 1_273_363_200, value: '45.93' },
      { row: 3, time: 1_273_363_210, value: null },
      { row: 4, time: 1_273_363_215, value: '46' },
    ])
    expect((await collect(csvSource(options).rows(3))).map(({ row }) => row)).to.deep.equal([4])
    expect(await csvDevices(options)).to.deep.equal([
      { device: 'a', rows: 3, firstTime: 1_273_363_200, lastTime: 1_273_363_215 },
      { device: 'b', rows: 1, firstTime: 1_273_363_205, lastTime: 1_273_363_205 },
    ])
  })

  it('names a missing column and those that there are', async () => {
    const work = collect(csvSource({ ...file('at,rh\n1,2\n'), valueColumn: 'humidity' }).rows(0))
    expect(await codeOf(work)).to.equal('CSV_COLUMN_MISSING')
    const error = await work.catch((thrown: unknown) => thrown)
    expect(error).to.have.nested.property('details.columns').that.deep.equals(['at', 'rh'])
  })

  it('refuses an empty file, a header alone, a file that is not there, a torn line and a time that is none', async () => {
    const code = (text: string): Promise<string> => codeOf(collect(csvSource(file(text)).rows(0)))
    expect(await code('')).to.equal('CSV_EMPTY')
    expect(await code('at,rh\n')).to.equal('CSV_EMPTY')
    expect(await code('at,rh\n1\n')).to.equal('CSV_UNREADABLE')
    expect(await code('at,rh\nyesterday,2\n')).to.equal('CSV_TIME')
    expect(await codeOf(collect(csvSource({ ...file(''), file: '/nowhere/x.csv' }).rows(0)))).to.equal('CSV_UNREADABLE')
  })

  it('names the line of what cannot be read: ragged rows, times, other encodings', async () => {
    const failure = async (text: string | Buffer) => {
      const options = file('')
      writeFileSync(options.file, text)
      return (await collect(csvSource(options).rows(0)).catch((error: unknown) => error)) as { code: string; details: { line?: number } }
    }
    const tomorrow = Math.floor(Date.now() / 1000) + 2 * 86_400
    for (const [code, line, text] of [
      ['CSV_UNREADABLE', 3, 'at,rh\n1,2\n2\n3,4\n'],
      ['CSV_UNREADABLE', 3, 'at,rh\n1,2\n2,3,4\n'],
      ['CSV_TIME', 4, 'at,rh\n1,2\n\nsoon,3\n'],
      ['CSV_TIME', 3, `at,rh\n1,2\n${tomorrow},3\n`],
      ['CSV_TIME', 3, 'at,rh\n1273363200,2\n1273363201000,3\n'],
      ['CSV_ENCODING', 2, Buffer.from('at,rh\n1,2 °C\n', 'latin1')],
      ['CSV_ENCODING', 1, Buffer.from('\uFEFFat,rh\n1,2\n', 'utf16le')],
      ['CSV_ENCODING', 1, Buffer.from('at,rh\n1,2\n', 'utf16le')],
      ['CSV_ENCODING', 2, Buffer.from('at,rh\n1,é', 'utf8').subarray(0, -1)],
      ['CSV_COLUMN_AMBIGUOUS', undefined, 'at,rh,rh\n1,2,3\n'],
    ] as const) {
      const error = await failure(text)
      expect([error.code, error.details.line], String(text)).to.deep.equal([code, line])
    }
    const options = file('\uFEFFat,rh,x,x\n1,"2",é,ü\n')
    expect(await collect(csvSource(options).rows(0))).to.deep.equal([{ row: 1, time: 1, value: '2' }])
    expect(await codeOf(collect(csvSource({ ...options, file: temporaryFolder() }).rows(0)))).to.equal('CSV_DIRECTORY')
  })

  it('reads times of every form that it says it reads, and no other', () => {
    expect(readTime('1273363200')).to.equal(1_273_363_200)
    expect(readTime('1273363200.9')).to.equal(1_273_363_200)
    expect(readTime('1273363200999')).to.equal(1_273_363_200)
    expect(readTime('2010-05-09')).to.equal(1_273_363_200)
    expect(readTime('2010-05-09T02:00:00+02:00')).to.equal(1_273_363_200)
    expect(readTime('2010-05-09T00:00')).to.equal(1_273_363_200)
    for (const bad of ['', '-5', '09/05/2010', '2010-13-09', 'NaN', '1e9']) expect(readTime(bad), bad).to.equal(undefined)
  })
})

describe('sdk/replay', () => {
  const terms = { decimals: 2, rangeMin: -4_000n, rangeMax: 16_000 }
  const play = (rows: [number, string | null][]) => {
    let state = initialState()
    const readings: string[] = []
    rows.forEach(([time, value], at) => {
      const step = replayStep(state, { row: at + 1, time, value }, terms)
      state = step.state
      if (step.reading !== undefined) readings.push(`${step.reading.row}:${step.reading.laneValue}`)
    })
    return { state, readings }
  }

  it('counts what is missing, late, inexact or out of range, and keeps the rest', () => {
    const { state, readings } = play([
      [0, '45.93'],
      [5, null],
      [10, '46'],
      [30, '46.1'],
      [30, '46.2'],
      [35, '46.123'],
      [40, 'wet'],
      [45, '120.01'],
      [50, '-40'],
    ])
    expect(readings).to.deep.equal(['1:8593', '3:8600', '4:8610', '9:0'])
    expect(state.counts).to.deep.equal({ read: 9, missing: 1, gaps: 1, disorder: 1, inexact: 2, outOfRange: 1 })
    expect(state.row).to.equal(9)
  })

  it('looks at a row before it takes it', async () => {
    const rows = openRows(datasetSource(1, 'humidity', { from: 1, to: 2, origin: 0 }), 0)
    expect((await rows.peek())?.row).to.equal(1)
    expect((await rows.peek())?.row).to.equal(1)
    rows.take()
    expect((await rows.peek())?.row).to.equal(2)
    rows.take()
    expect(await rows.peek()).to.equal(undefined)
    rows.take()
    expect(await rows.peek()).to.equal(undefined)
    await rows.close()
  })
})
