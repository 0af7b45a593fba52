// SPDX-License-Identifier: Apache-2.0
/** Processes and ports of a local run: found, ended, never confused with others. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { end, freePort, isFree, isRunning, listenerOf, refOf, requireFree } from '../../../agents/cli/local/process.ts'
import { LocalState, type RunRecord } from '../../../agents/cli/local/state.ts'
import { Supervisor } from '../../../agents/cli/local/supervisor.ts'
import { stopRun } from '../../../agents/cli/stop.ts'
import type { TrellisError } from '../../../agents/protocol/errors.ts'

const sleeper = 'setInterval(() => {}, 1000)'
const stubborn = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"

const listen = async (port: number): Promise<Server> => {
  const server = createServer()
  await new Promise<void>((ready) => server.listen(port, '127.0.0.1', ready))
  return server
}

const until = async (holds: () => boolean, ms = 5000): Promise<void> => {
  for (const limit = Date.now() + ms; !holds();) {
    if (Date.now() > limit) throw new Error('it did not happen in time')
    await new Promise((wake) => setTimeout(wake, 20))
  }
}

describe('cli/local/process', () => {
  it('knows a process by its id and start, so that a reused id is not ours', async () => {
    const child = spawn(process.execPath, ['-e', sleeper], { stdio: 'ignore', detached: true })
    const ref = refOf(child.pid!)
    expect(isRunning(ref)).to.equal(true)
    expect(isRunning({ ...ref, started: `${ref.started}0` })).to.equal(false)
    await end(ref)
    expect(isRunning(ref)).to.equal(false)
  })

  it('ends a process that ignores SIGTERM', async () => {
    const child = spawn(process.execPath, ['-e', stubborn], { stdio: 'ignore', detached: true })
    const ref = refOf(child.pid!)
    await new Promise((wake) => setTimeout(wake, 200))
    await end(ref, 200)
    expect(isRunning(ref)).to.equal(false)
  })

  it('names every busy port at once with its holder and what to do', async () => {
    const [first, second] = [await freePort(), await freePort()]
    const servers = [await listen(first), await listen(second)]
    try {
      expect(await isFree(first)).to.equal(false)
      if (process.platform === 'linux') expect(listenerOf(first)?.pid).to.equal(process.pid)
      await requireFree({ chain: first, gateway: second }).then(
        () => expect.fail('both were taken for free'),
        (error: unknown) => {
          expect((error as TrellisError).code).to.equal('PORT_BUSY')
          expect(Object.keys((error as TrellisError).details)).to.deep.equal(['chain', 'gateway'])
          expect((error as TrellisError).next).to.contain('--free-ports')
        },
      )
    } finally {
      for (const server of servers) server.close()
    }
    await requireFree({ chain: first })
  })
})

describe('cli/local/supervisor', () => {
  let folder: string
  let state: LocalState
  let record: RunRecord
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'trellis-cli-'))
    state = new LocalState(folder)
    record = {
      version: 1,
      command: 'test',
      startedAt: new Date().toISOString(),
      supervisor: refOf(process.pid),
      ports: { chain: 1, mqtt: 2, gateway: 3, coordinator: 4, prover1: 5, prover2: 6, indexer: 7, portal: 8 },
      children: {},
    }
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('restarts a child that was killed, and remembers it on disk', async () => {
    const restarts: string[] = []
    const supervisor = new Supervisor(state, record, { onRestart: (name, reason) => restarts.push(`${name}: ${reason}`) })
    await supervisor.start({ name: 'worker', args: ['-e', sleeper], onExitZero: 'crash' })
    const first = state.readRun()?.children['worker']
    process.kill(first!.pid, 'SIGKILL')
    await until(
      () =>
        restarts.length === 1 &&
        state.readRun()?.children['worker'] !== undefined &&
        state.readRun()?.children['worker']?.pid !== first!.pid,
    )
    expect(restarts[0]).to.contain('SIGKILL')
    const second = state.readRun()!.children['worker']!
    await supervisor.stopAll()
    expect(isRunning(second)).to.equal(false)
    expect(state.readRun()?.children).to.deep.equal({})
  })

  it('leaves a child alone that has done its work', async () => {
    const done: string[] = []
    const supervisor = new Supervisor(state, record, { onDone: (name) => done.push(name) })
    await supervisor.start({ name: 'once', args: ['-e', ''], onExitZero: 'done' })
    await until(() => done.length === 1)
    expect(supervisor.isDone('once')).to.equal(true)
    await supervisor.stopAll()
  })

  it('says why a child did not come up, with the end of its log', async () => {
    const supervisor = new Supervisor(state, record)
    const failing = supervisor.start({
      name: 'broken',
      args: ['-e', "console.error('no such luck'); process.exit(3)"],
      onExitZero: 'crash',
      ready: async () => false,
      readySeconds: 20,
    })
    await failing.then(
      () => expect.fail('it came up'),
      (error: unknown) => {
        expect((error as TrellisError).code).to.equal('CHILD_FAILED')
        expect((error as TrellisError).format()).to.contain('no such luck')
      },
    )
    await supervisor.stopAll()
  })

  it('stop finds what outlived a killed supervisor', async () => {
    const child = spawn(process.execPath, ['-e', sleeper], { stdio: 'ignore', detached: true })
    const orphan = refOf(child.pid!)
    state.writeRun({ ...record, supervisor: { pid: 2 ** 22 - 3, started: 'never' }, children: { gateway: orphan } })
    expect(await stopRun(state)).to.deep.equal(['gateway'])
    expect(isRunning(orphan)).to.equal(false)
    expect(await stopRun(state)).to.deep.equal([])
  })
})
