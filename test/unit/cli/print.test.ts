// SPDX-License-Identifier: Apache-2.0
/** What strangers name things never reaches a terminal as an order to it. */
import { mock } from 'node:test'
import { expect } from 'chai'
import { columns, jsonLine, plainText, printer, printError } from '../../../agents/cli/print.ts'
import { TrellisError } from '../../../agents/protocol/errors.ts'

const evil = 'Cal\u001b[8m\u009b2K\u007f\r\n\u202e\u2066\u2028\u061cx'
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u2028-\u202e\u2066-\u2069]/

/** What `act` writes to both streams. */
function written(act: () => void): string {
  let text = ''
  const take = (chunk: string): boolean => ((text += chunk), true)
  const taken = [mock.method(process.stdout, 'write', take), mock.method(process.stderr, 'write', take)]
  try {
    act()
  } finally {
    for (const { mock: stream } of taken) stream.restore()
  }
  return text
}

describe('cli/print', () => {
  it('writes out what a terminal obeys, and leaves other text alone', () => {
    expect(plainText(evil)).to.equal(String.raw`Cal\u001b[8m\u009b2K\u007f\u000d\n\u202e\u2066\u2028\u061cx`)
    expect(plainText('Žofie µ 空気 🌱')).to.equal('Žofie µ 空気 🌱')
  })

  it('in lines, steps, tables and errors, each on its own line', () => {
    for (const json of [false, true]) {
      const print = printer(json)
      for (const act of [() => print.line(evil), () => print.step(evil), () => print.table([[evil, 1]])])
        expect(written(act))
          .to.match(/^.+\n$/)
          .and.not.match(obeyed)
    }
    expect(columns([['a', evil]])).not.to.match(obeyed)
    const told = written(() =>
      printError(new TrellisError({ code: 'X', message: evil, details: { [evil]: evil, list: [evil] }, next: evil })),
    )
    expect(told.trim().split('\n')).to.have.length(4)
    expect(told).not.to.match(obeyed)
    expect(written(() => printError(new Error(evil)))).not.to.match(obeyed)
  })

  it('in JSON, which reads back as it was', () => {
    expect(jsonLine({ name: evil, wei: 1n })).not.to.match(obeyed)
    expect(JSON.parse(jsonLine({ name: evil, wei: 1n }))).to.deep.equal({ name: evil, wei: '1' })
  })
})
