// SPDX-License-Identifier: Apache-2.0
/**
 * A backup that is taken while everything runs, then everything but the chain is gone: what was delivered since comes again from the devices, what was
 * settled since is found on chain. Nothing is lost, and nothing is paid twice.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { progressOf } from '../../agents/cli/local/summary.ts'
import { metricList } from '../../scripts/observability.ts'
import { engine } from '../integration/support/engines.ts'
import { type Books, LocalRun, until } from './support/local-run.ts'

const COLUMNS = ['--device', 'sensor', '--time', 'at', '--value', 'celsius']
const READINGS = 150
const rows = (name: string): string[] =>
  Array.from({ length: READINGS }, (_, i) => `${name},${1_700_000_000 + i * 10},${(20 + (i % 7) / 10).toFixed(1)}`)

/** What a running service tells is what the list of metrics says, and is read by Prometheus. */
async function isScraped(service: string, port: number): Promise<void> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const told = [...text.matchAll(/^# TYPE (trellis_\S+) (\w+)$/gm)].map(([, name = '', type = '']) => `${name} ${type}`)
  expect(told.sort()).to.deep.equal(metricList()[service]!.map(({ name, type }) => `${name} ${type}`))
  expect(text).to.match(new RegExp(`^trellis_${service}_chain_silent_seconds\\{service="${service}"\\} 0`, 'm'))
  const promtool = engine('promtool')
  if (promtool === undefined) return
  const { status, stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], { input: text, encoding: 'utf8' })
  // It would have gauges of things that are counted called otherwise; that is a matter of taste, and code 3.
  const complaints = `${stdout}${stderr}`
    .split('\n')
    .filter((line) => line.includes('trellis_') && !line.includes('should not have "_count" suffix'))
  expect(complaints).to.deep.equal([])
  expect(status).to.be.oneOf([0, 3])
}

describe('a backup', function () {
  this.timeout(400_000)
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

  /** The same way from each of its names. */
  async function isTraced(books: Books): Promise<void> {
    interface Way {
      root: string
      task: string
      steps: { at: string | null; who: string; what: string; facts: Record<string, string | number | null> }[]
    }
    const traced = async (id: string): Promise<Way[]> => {
      const trace = run.trellis('trace', id, '--json')
      expect(await trace.ended, trace.stderr()).to.equal(0)
      return JSON.parse(trace.stdout()) as Way[]
    }
    const { device } = books.wallets[0]!
    const [way] = await traced(`${device}:70`)
    const { root, task, steps } = way!
    expect(steps.map(({ who, what }) => `${who} ${what}`)).to.include.members([
      'gateway window accepted',
      'chain assigned',
      'chain settled',
      'chain paid',
      'coordinator settled',
    ])
    expect(steps[0]!.facts).to.include({ window: 1, reading: 70, readings: '64 to 127' })
    const chain = steps.filter(({ who }) => who === 'chain')
    expect(chain.map(({ at }) => at)).to.deep.equal(chain.map(({ at }) => at).sort())
    // Both devices measured the same: their windows have one root, and are two tasks.
    const ofRoot = await traced(root)
    expect(ofRoot.map((one) => one.root)).to.deep.equal([root, root])
    expect(ofRoot.map((one) => one.task)).to.include(task)
    expect(await traced(task)).to.deep.equal([
      { ...way, steps: steps.map(({ facts, ...step }) => ({ ...step, facts: 'reading' in facts ? { ...facts, reading: null } : facts })) },
    ])
    const settling = chain.find(({ what }) => what === 'settled')!.facts['transaction'] as string
    expect((await traced(settling)).map((one) => one.task)).to.include(task)
    const nothing = run.trellis('trace', `0x${'ab'.repeat(32)}`)
    expect(await nothing.ended).to.equal(1)
    expect(nothing.stderr()).to.contain('TRACE_UNKNOWN')
  }

  it('of a running network brings it back after all of its state is gone: all is settled once, and paid once', async () => {
    const csv = join(elsewhere, 'readings.csv')
    writeFileSync(csv, ['sensor,at,celsius', ...rows('a'), ...rows('b')].join('\n'))
    const start = run.trellis('start', '--free-ports', '--no-build', '--speed', '60', '--data', csv, ...COLUMNS)
    await until('the first window', async () => ((await run.accounting())?.windows ?? 0) > 0 || undefined, start)

    for (const [service, port] of Object.entries({ gateway: 'gateway', coordinator: 'coordinator', prover: 'prover1' } as const))
      await isScraped(service, run.record()!.ports[port])

    const file = join(elsewhere, 'b', 'trellis.backup')
    const backup = run.trellis('backup', '--out', file, '--json')
    expect(await backup.ended, backup.stderr()).to.equal(0)
    const before = await settledTasks()
    // The network goes on, so that the backup is behind the chain when it is needed.
    // On a machine that is slow beyond measure all was settled when the backup was done: then it is not behind, and the rest holds all the same.
    await until('settlements after the backup', async () => before === 6 || (await settledTasks()) > before || undefined, start)
    // A second one does not overwrite the first, and nobody restores over what runs.
    const again = run.trellis('backup', '--out', file)
    expect(await again.ended).to.equal(1)
    expect(again.stderr()).to.contain('BACKUP_EXISTS')
    const over = run.trellis('restore', file)
    expect(await over.ended).to.equal(1)
    expect(over.stderr()).to.contain('STATE_NOT_EMPTY')
    // One value is in the logs of all who had a hand in what is settled.
    const logOf = (kind: string): string =>
      readdirSync(join(run.folder, 'logs'))
        .filter((name) => name.startsWith(kind))
        .map((name) => readFileSync(join(run.folder, 'logs', name), 'utf8'))
        .join('')
    const [, root = 'no line of a settlement names a root'] =
      /"root":"(0x[0-9a-f]{64})"[^\n]*"msg":"settled"/.exec(logOf('coordinator')) ?? []
    for (const kind of ['device', 'gateway', 'coordinator', 'prover']) expect(logOf(kind), kind).to.contain(`"root":"${root}"`)

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
    const resumed = run.trellis('start', '--free-ports', '--no-build', '--speed', '60', '--data', csv, ...COLUMNS)
    await until('the end of the job', () => resumed.stdout().includes('Ctrl-C stops it') || undefined, resumed)
    expect(resumed.stdout()).to.contain('still runs: going on with it')
    const books = await run.audit()
    expect(books).to.include({ accepted: 2 * READINGS, settled: 2 * READINGS, pending: 0, open: 0, refusedAfterAccept: 0 })
    expect(books.tasks).to.have.length(6)
    for (const { due, paid } of books.wallets) expect(paid).to.equal(due)
    expect(books.problems).to.deep.equal([])
    await isTraced(books)
  })
})
