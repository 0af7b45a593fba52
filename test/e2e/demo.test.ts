// SPDX-License-Identifier: Apache-2.0
/**
 * The main job over real processes: chain, gateway, coordinator, provers, devices. The coordinator and a prover are killed in mid-run; in the end
 * every accepted reading is settled once and paid, which `audit` shows by ids.
 */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Summary } from '../../agents/cli/local/summary.ts'
import type { Network, Totals } from '../../agents/portal/api.ts'
import { LocalRun, until } from './support/local-run.ts'

const hasIndexer = existsSync(join(import.meta.dirname, '../../node_modules/ponder'))

describe('the main job', function () {
  this.timeout(420_000)
  let run: LocalRun
  beforeEach(() => (run = new LocalRun()))
  afterEach(function () {
    this.timeout(60_000)
    return run.end()
  })

  it('settles every accepted reading once and pays four wallets, through kill -9 of the coordinator and of a prover', async () => {
    const start = run.trellis('start', '--free-ports')
    await until('the first windows', async () => ((await run.accounting())?.windows ?? 0) >= 4 || undefined, start)
    const coordinator = run.kill('coordinator')
    await until('a new coordinator', () => (run.record()?.children['coordinator']?.pid ?? coordinator) !== coordinator || undefined, start)
    await until('more windows', async () => ((await run.accounting())?.windows ?? 0) >= 8 || undefined, start)
    const prover = run.kill('prover-1')
    await until('a new prover', () => (run.record()?.children['prover-1']?.pid ?? prover) !== prover || undefined, start)
    await until('the end of the job', () => start.stdout().includes('Ctrl-C stops it') || undefined, start, 400)

    const books = await run.audit()
    expect(books).to.include({ accepted: 1280, settled: 1280, pending: 0, open: 0, refusedAfterAccept: 0 })
    expect(books.problems).to.deep.equal([])
    expect(books.tasks).to.have.length(20)
    expect(books.wallets).to.have.length(4)
    for (const { due, paid } of books.wallets) {
      expect(due).to.equal(String(320n * 10n ** 15n))
      expect(paid).to.equal(due)
    }

    // A second start says what runs and leaves it alone; status knows every service; stop ends all of it.
    const second = run.trellis('start', '--free-ports')
    expect(await second.ended).to.equal(0)
    expect(second.stdout()).to.contain('runs already')
    const status = run.trellis('status', '--json')
    await status.ended
    const { services } = JSON.parse(status.stdout()) as { services: { name: string; running: boolean }[] }
    expect(services.filter(({ running }) => running).map(({ name }) => name)).to.have.members([
      'chain',
      'gateway',
      'coordinator',
      'prover-1',
      'prover-2',
      'portal',
      ...(hasIndexer ? ['indexer'] : []),
    ])

    // The page, and what it asks.
    const page = `http://127.0.0.1:${run.record()!.ports.portal}`
    expect(await (await fetch(page)).text()).to.include('<title>Trellis')
    const network = (await (await fetch(`${page}/api/v1/network`)).json()) as Network
    expect(network.contracts.find(({ name }) => name === 'TaskManager')?.roles.map(({ role }) => role)).to.include('administrator')
    expect(network.services.filter(({ name, ready }) => name !== 'indexer' && !ready)).to.deep.equal([])
    const totals = (await (await fetch(`${page}/api/v1/totals`)).json()) as Totals
    expect(totals).to.include({ devices: 4, readings: 1280, windows: 20, proofs: 20, settled: 1280 })
    const call = { method: 'POST', body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }) }
    expect(await (await fetch(`${page}/api/v1/rpc`, call)).json()).to.include({ result: '0x7a69' })
    expect(await run.trellis('stop').ended).to.equal(0)
    expect(await start.ended).to.equal(0)
    expect(run.record()?.children).to.deep.equal({})
  })

  it('demo --json replays a CSV file, counts what it leaves out, and ends with its summary', async () => {
    const file = join(run.folder, 'readings.csv')
    const rows = Array.from({ length: 70 }, (_, i) => `a,${1_700_000_000 + i * 10},${i === 5 ? 'NA' : (20 + (i % 7) / 10).toFixed(1)}`)
    // A gap of ten minutes, one reading alone, and a device of which nothing is left.
    const few = 'c,1700000000,1\nc,1700000600,2\nd,1700000000,3\ne,1700000010,\ne,1700000020,4\nf,1700000000,NA\n'
    writeFileSync(file, `sensor,at,celsius\n${rows.join('\n')}\nb,2023-11-14T22:13:20Z,-3.5\nb,2023-11-14T22:13:30Z,9\n${few}`)
    const demo = run.trellis(
      'demo',
      '--json',
      '--free-ports',
      '--speed',
      '400',
      '--data',
      file,
      '--device',
      'sensor',
      '--time',
      'at',
      '--value',
      'celsius',
    )
    expect(await demo.ended, demo.stderr()).to.equal(0)
    const summary = JSON.parse(demo.stdout().trim().split('\n').at(-1)!) as Summary
    expect(summary).to.include({ readings: 75, accepted: 75, settled: 75, pending: 0, windows: 6, verified: 6 })
    expect(summary.wallets.map(({ readings }) => readings).sort((x, y) => x - y)).to.deep.equal([1, 1, 2, 2, 69])
    expect(summary.problems).to.deep.equal([])
    expect(summary.secondsToFirstProof).to.be.greaterThan(0)
  })

  it('names what is wrong with a file before anything is started', async () => {
    const cases: [string, string[], string][] = [
      ['x,y\n1,2\n', ['--device', 'd', '--time', 't', '--value', 'y'], 'CSV_COLUMN_MISSING'],
      ['d,t,y\n', ['--device', 'd', '--time', 't', '--value', 'y'], 'CSV_EMPTY'],
      ['d,t,y\na,1,NA\n', ['--device', 'd', '--time', 't', '--value', 'y'], 'CSV_NO_READINGS'],
      ['d,t,y\na,1,1\na,2\n', ['--device', 'd', '--time', 't', '--value', 'y'], 'Line 3'],
      ['d,t,y\na,1,warm\n', ['--device', 'd', '--time', 't', '--value', 'y'], 'CSV_VALUE'],
      ['d,t,y\na,noon,1\n', ['--device', 'd', '--time', 't', '--value', 'y'], 'CSV_TIME'],
      ['d,t,y\na,1,1\n', ['--device', 'd'], 'CSV_COLUMNS_UNNAMED'],
    ]
    const file = join(run.folder, 'bad.csv')
    for (const [content, args, code] of cases) {
      writeFileSync(file, content)
      const demo = run.trellis('demo', '--free-ports', '--data', file, ...args)
      expect(await demo.ended).to.equal(1)
      expect(demo.stderr()).to.contain(code).and.to.contain('next')
    }
    const missing = run.trellis(
      'demo',
      '--free-ports',
      '--data',
      join(run.folder, 'none.csv'),
      '--device',
      'd',
      '--time',
      't',
      '--value',
      'y',
    )
    expect(await missing.ended).to.equal(1)
    expect(missing.stderr()).to.contain('CSV_MISSING')
    expect(run.record()).to.equal(undefined)
  })
})
