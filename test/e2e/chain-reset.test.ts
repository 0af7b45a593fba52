// SPDX-License-Identifier: Apache-2.0
/**
 * The local chain keeps its state in memory. When it dies, everything that devices had delivered is settled again on a fresh one, once; when only the
 * supervisor dies, the chain that outlived it is gone on with, and nothing is done twice.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { progressOf } from '../../agents/cli/local/summary.ts'
import { LocalRun, type Running, until } from './support/local-run.ts'

const COLUMNS = ['--device', 'sensor', '--time', 'at', '--value', 'celsius']
/** Two devices of three windows together: 64 and 36 readings, and 20. */
const rows = (name: string, count: number, first: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name},${1_700_000_000 + i * 10},${(first + (i % 7) / 10).toFixed(1)}`)

describe('a chain that ends', function () {
  this.timeout(240_000)
  let run: LocalRun
  beforeEach(() => (run = new LocalRun()))
  afterEach(function () {
    this.timeout(60_000)
    return run.end()
  })

  const source = (name: string, first: number): string => {
    const file = join(run.folder, name)
    writeFileSync(file, ['sensor,at,celsius', ...rows('a', 100, first), ...rows('b', 20, first)].join('\n'))
    return file
  }
  const genesis = (): string =>
    (JSON.parse(readFileSync(join(run.folder, 'addresses', '31337.json'), 'utf8')) as { genesisHash: string }).genesisHash
  const UP = 'Ctrl-C stops it'
  const allSettled = (start: Running): Promise<true> => until('the end of the job', () => start.stdout().includes(UP) || undefined, start)
  const settledTasks = async (): Promise<number> => {
    const ports = run.record()?.ports
    return (await progressOf({ coordinatorUrl: `http://127.0.0.1:${ports?.coordinator ?? 0}` }))?.settled ?? 0
  }

  it('is followed by a fresh one on which all is settled again once; a killed supervisor leaves one that is gone on with', async () => {
    const file = source('readings.csv', 20)
    const start = run.trellis('start', '--free-ports', '--speed', '40', '--data', file, ...COLUMNS)
    // One window is settled. On all but slow machines devices have more to say then: part is in the store alone, part in the devices' own.
    await until('the first settlement', async () => (await settledTasks()) > 0 || undefined, start)
    const delivered = (await run.accounting())!.acceptedReadings
    const [firstChain, firstGenesis] = [run.kill('chain'), genesis()]
    expect(delivered).to.be.greaterThan(0).and.at.most(120)
    await allSettled(start)
    expect(run.record()?.children['chain']?.pid).not.to.equal(firstChain)
    expect(genesis()).not.to.equal(firstGenesis)
    const before = await run.audit()
    expect(before).to.include({ accepted: 120, settled: 120, pending: 0, open: 0, refusedAfterAccept: 0 })
    expect(before.tasks).to.have.length(3)

    const chain = run.record()!.children['chain']!.pid
    start.child.kill('SIGKILL')
    await start.ended
    // Other readings would meet terms and devices that are not theirs.
    const other = run.trellis('start', '--free-ports', '--data', source('other.csv', 30), ...COLUMNS)
    expect(await other.ended).to.equal(1)
    expect(other.stderr()).to.contain('SOURCE_CHANGED').and.to.contain('trellis -- stop')

    const resumed = run.trellis('start', '--free-ports', '--speed', '60', '--data', file, ...COLUMNS)
    await allSettled(resumed)
    expect(resumed.stdout()).to.contain('still runs: going on with it').and.to.contain('contracts are there')
    expect(run.record()?.children['chain']?.pid).to.equal(chain)
    // The owner may have filled up the escrow; what was settled and paid stands.
    const { accepted, settled, tasks, wallets, problems } = await run.audit()
    expect({ accepted, settled, tasks, wallets, problems }).to.deep.equal({
      accepted: 120,
      settled: 120,
      tasks: before.tasks,
      wallets: before.wallets,
      problems: [],
    })
  })
})
