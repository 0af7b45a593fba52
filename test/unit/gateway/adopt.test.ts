// SPDX-License-Identifier: Apache-2.0
/** What a gateway takes over from a local chain that is gone, and what it leaves alone. */
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { adoptLedger } from '../../../agents/gateway/adopt.ts'
import { openLedger, storeFile } from '../../../agents/gateway/ledger.ts'
import type { Address, Hex } from '../../../agents/protocol/ids.ts'

const deployment: Address = `0x${'d1'.repeat(20)}`
const genesis = (n: number): Hex => `0x${String(n).repeat(64)}`
const kept = { refusalsKept: 10, documentsKept: 10 }
const document: Hex = `0x${'ab'.repeat(32)}`

describe('gateway/adopt', () => {
  let dataFolder: string
  beforeEach(() => (dataFolder = mkdtempSync(join(tmpdir(), 'trellis-adopt-'))))
  afterEach(() => rmSync(dataFolder, { recursive: true, force: true }))

  const open = (n: number, contracts = deployment) => openLedger({ dataFolder, genesisHash: genesis(n), deployment: contracts, ...kept })
  const adopt = (n: number, chainId = 31337, contracts = deployment) =>
    adoptLedger({ dataFolder, chainId, genesisHash: genesis(n), deployment: contracts })
  const hold = async (n: number, body: string, contracts = deployment): Promise<void> => {
    const ledger = open(n, contracts)
    await ledger.addDocument(document, body, 0)
    ledger.close()
  }
  const holds = (n: number): string | undefined => {
    const ledger = open(n)
    const body = ledger.document(document)
    ledger.close()
    return body
  }

  it('begins as a copy of the newest ledger of the same local chain id and deployment, and leaves that in place', async () => {
    adopt(1)
    await hold(1, 'older')
    adopt(2)
    await hold(2, 'other')
    // The second copied the first, so its document was there; the first is written last.
    utimesSync(storeFile(dataFolder, genesis(2), deployment), 1, 1)
    expect(adopt(3)).to.contain('1'.repeat(12))
    expect(holds(3)).to.equal('older')
    expect(holds(1)).to.equal('older')
  })

  it('reads what a killed gateway left in its write-ahead log', async () => {
    adopt(1)
    const killed = open(1)
    await killed.addDocument(document, 'in the log', 0)
    adopt(2)
    expect(holds(2)).to.equal('in the log')
    killed.close()
  })

  it('keeps a ledger that is there, and makes one anew over a copy that was cut short', async () => {
    adopt(1)
    await hold(1, 'first')
    const own = storeFile(dataFolder, genesis(2), deployment)
    adopt(2, 1)
    writeFileSync(`${own}.draft`, 'half of it')
    expect(adopt(2)).not.to.equal(undefined)
    expect(existsSync(`${own}.draft`)).to.equal(false)
    expect(holds(2)).to.equal('first')
    expect(adopt(2)).to.equal(undefined)
  })

  it('leaves alone ledgers of another chain id, of another deployment, and of networks that are not local', async () => {
    adopt(1, 5)
    await hold(1, 'another chain id')
    const others: Address = `0x${'d2'.repeat(20)}`
    adopt(2, 31337, others)
    await hold(2, 'another deployment', others)
    await hold(3, 'a public network')
    expect(adopt(4)).to.equal(undefined)
    expect(holds(4)).to.equal(undefined)
  })
})
