// SPDX-License-Identifier: Apache-2.0
/**
 * A backup that is taken while everything runs, then everything but the chain is gone: what was delivered since comes again from the devices, what was
 * settled since is found on chain. Nothing is lost, and nothing is paid twice.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { progressOf } from '../../agents/cli/local/summary.ts'
import { LocalRun, until } from './support/local-run.ts'

const COLUMNS = ['--device', 'sensor', '--time', 'at', '--value', 'celsius']
const READINGS = 150
const rows = (name: string): string[] =>
  Array.from({ length: READINGS }, (_, i) => `${name},${1_700_000_000 + i * 10},${(20 + (i % 7) / 10).toFixed(1)}`)

describe('a backup', function () {
  this.timeout(240_000)
  let run: LocalRun
  let elsewhere: string
  beforeEach(() => {
    run = new LocalRun()
    elsewhere = mkdtempSync(join(tmpdir(), 'trellis-backups-'))
  })
  afterEach(async function () {
    this.timeout(60_000)
    await run.end()
    rmSync(elsewhere, { recursive: true, force: true })
  })

  const settledTasks = async (): Promise<number> => {
    const ports = run.record()?.ports
    return (await progressOf({ coordinatorUrl: `http://127.0.0.1:${ports?.coordinator ?? 0}` }))?.settled ?? 0
  }

  it('of a running network brings it back after all of its state is gone: all is settled once, and paid once', async () => {
    const csv = join(elsewhere, 'readings.csv')
    writeFileSync(csv, ['sensor,at,celsius', ...rows('a'), ...rows('b')].join('\n'))
    const start = run.trellis('start', '--free-ports', '--no-build', '--speed', '100', '--data', csv, ...COLUMNS)
    await until('the first settlement', async () => (await settledTasks()) > 0 || undefined, start)

    const file = join(elsewhere, 'b', 'trellis.backup')
    const backup = run.trellis('backup', '--out', file, '--json')
    expect(await backup.ended, backup.stderr()).to.equal(0)
    const before = await settledTasks()
    // A second one does not overwrite the first, and nobody restores over what runs.
    const again = run.trellis('backup', '--out', file)
    expect(await again.ended).to.equal(1)
    expect(again.stderr()).to.contain('BACKUP_EXISTS')
    const over = run.trellis('restore', file)
    expect(await over.ended).to.equal(1)
    expect(over.stderr()).to.contain('STATE_NOT_EMPTY')

    // The network goes on, so that the backup is behind the chain when it is needed.
    await until('settlements after the backup', async () => (await settledTasks()) > before || undefined, start)
    const children = run.record()!.children
    start.child.kill('SIGKILL')
    await start.ended
    rmSync(run.folder, { recursive: true })
    const early = run.trellis('restore', file)
    expect(await early.ended).to.equal(1)
    expect(early.stderr()).to.contain('SERVICES_RUNNING')
    for (const [name, { pid }] of Object.entries(children))
      if (name !== 'chain')
        try {
          process.kill(pid, 'SIGKILL')
        } catch {
          // a device that had nothing left to say
        }
    rmSync(run.folder, { recursive: true, force: true })

    const drafts = (): string[] => readdirSync(join(run.folder, '..')).filter((name) => name.startsWith('.trellis-restore-'))
    const draftsBefore = drafts()
    const restored = run.trellis('restore', file)
    expect(await restored.ended, restored.stderr()).to.equal(0)
    expect(drafts()).to.deep.equal(draftsBefore)
    expect(existsSync(join(run.folder, 'run.json'))).to.equal(true)
    const resumed = run.trellis('start', '--free-ports', '--no-build', '--speed', '100', '--data', csv, ...COLUMNS)
    await until('the end of the job', () => resumed.stdout().includes('Ctrl-C stops it') || undefined, resumed)
    expect(resumed.stdout()).to.contain('still runs: going on with it')
    const books = await run.audit()
    expect(books).to.include({ accepted: 2 * READINGS, settled: 2 * READINGS, pending: 0, open: 0, refusedAfterAccept: 0 })
    expect(books.tasks).to.have.length(6)
    for (const { due, paid } of books.wallets) expect(paid).to.equal(due)
    expect(books.problems).to.deep.equal([])
  })
})
