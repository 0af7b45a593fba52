// SPDX-License-Identifier: Apache-2.0
/** Stores that version 0.1.0 wrote: this version opens them with every row, and gives them back as they were. */
import { copyFileSync, mkdirSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect } from 'chai'
import { openLedger, storeFile } from '../../../agents/gateway/ledger.ts'
import { backOutStore } from '../../../agents/kit/store.ts'
import type { Address, Hex } from '../../../agents/protocol/ids.ts'
import { openWork } from '../../../agents/prover/work.ts'
import { backOutDeviceStore, openDeviceStore } from '../../../agents/sdk/drivers/node/store.ts'

const stored = (name: string): string => join(import.meta.dirname, '../../fixtures/stores', `${name}-0.1.0.sqlite`)
const folder = (): string => mkdtempSync(join(tmpdir(), 'trellis-stores-'))

/** Every row of every table, by table. */
function rowsOf(file: string): Record<string, unknown[]> {
  const db = new DatabaseSync(file)
  try {
    const tables = db.prepare(`select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by name`).all()
    return Object.fromEntries(tables.map(({ name }) => [String(name), db.prepare(`select * from "${String(name)}"`).all()]))
  } finally {
    db.close()
  }
}

/** What 0.1.0 reads of a store that was taken back: its own tables. The way back itself is kept beside them. */
function readsAsBefore(file: string, original: string): void {
  const { schema_history: history, ...rows } = rowsOf(file)
  expect(rows).to.deep.equal(rowsOf(original))
  expect(history).to.have.length(1)
}

describe('stores of 0.1.0', () => {
  it('a gateway’s holds readings, windows, refusals and documents', () => {
    const [genesisHash, deployment] = [`0x${'aa'.repeat(32)}` as Hex, `0x${'bb'.repeat(20)}` as Address]
    const dataFolder = folder()
    const file = storeFile(dataFolder, genesisHash, deployment)
    mkdirSync(dirname(file), { recursive: true })
    copyFileSync(stored('gateway'), file)
    const ledger = openLedger({ dataFolder, genesisHash, deployment, refusalsKept: 100, documentsKept: 100 })
    expect(ledger.accounting('1')).to.deep.equal({
      acceptedReadings: 3,
      windowedReadings: 3,
      windows: 1,
      refused: { SEQUENCE_GAP: 1 },
    })
    const [window] = ledger.windows('1', 0, 10)
    expect(window).to.include({ index: 0, count: 3, channel: 'humidity', root: `0x${'07'.repeat(32)}` })
    expect(ledger.document(`0x${'cc'.repeat(32)}`)).to.equal('{"id":"did:io:x"}')
    ledger.close()
    expect(backOutStore({ file, to: 1 })).to.include({ to: 1 })
    readsAsBefore(file, stored('gateway'))
  })

  it('a prover’s holds leases and proofs', () => {
    const file = join(folder(), 'work.sqlite')
    copyFileSync(stored('prover'), file)
    const work = openWork(file)
    expect(work.counts()).to.deep.equal({ leased: 1, proven: 1, failed: 0 })
    expect(work.outcomes(5)).to.deep.equal([
      {
        taskId: `0x${'2'.repeat(64)}`,
        state: 'proven',
        proof: ['1', '2', '3', '4', '5', '6', '7', '8'],
        publicSignals: ['5', '6', '7', '8'],
        reason: '',
        coordinator: null,
        deadline: 100,
      },
    ])
    work.close()
    expect(backOutStore({ file, to: 1 })).to.include({ to: 1 })
    readsAsBefore(file, stored('prover'))
  })

  it('a device’s holds its sequence, its readings and what waits for an answer', () => {
    const file = join(folder(), 'device.sqlite')
    copyFileSync(stored('device'), file)
    const device = openDeviceStore(file, 'owner')
    expect([device.nextSequence, device.nextWindow]).to.deep.equal([3, 1])
    expect(device.delivery).to.deep.equal({ sent: 3, accepted: 1, duplicate: 0, refused: {} })
    expect(device.outbox(9)).to.deep.equal([
      { kind: 'reading', position: 2, payload: 'reading 2' },
      { kind: 'window', position: 0, payload: 'window 0' },
    ])
    device.close()
    expect(backOutDeviceStore(file, 1)).to.include({ to: 1 })
    readsAsBefore(file, stored('device'))
  })
})
