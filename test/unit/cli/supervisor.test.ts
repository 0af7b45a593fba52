// SPDX-License-Identifier: Apache-2.0
/** Which ends of a child are worth another start, and what a service says about its own end. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { z } from 'zod'
import { refOf } from '../../../agents/cli/local/process.ts'
import { DEFAULT_PORTS, LocalState, type RunRecord } from '../../../agents/cli/local/state.ts'
import { type ChildSpec, Supervisor } from '../../../agents/cli/local/supervisor.ts'
import { PERMANENT_EXIT, runService } from '../../../agents/kit/service.ts'
import { TrellisError } from '../../../agents/protocol/errors.ts'

describe('cli/local/supervisor', function () {
  this.timeout(20_000)
  let folder: string
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'trellis-supervisor-'))))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const record = (): RunRecord => ({
    version: 1,
    command: 'demo',
    startedAt: '',
    supervisor: refOf(process.pid),
    ports: DEFAULT_PORTS,
    children: {},
  })
  const child = (script: string): ChildSpec => ({
    name: 'device-1',
    args: ['-e', script],
    onExitZero: 'done',
    permanentCode: PERMANENT_EXIT,
  })

  it('gives up a child that says twice that no start mends it, with what it printed', async () => {
    const state = new LocalState(folder)
    let restarts = 0
    const error = await new Promise<TrellisError>((resolve, reject) => {
      const supervisor = new Supervisor(state, record(), {
        onRestart: () => (restarts += 1),
        onGivenUp: resolve,
      })
      supervisor.start(child(`console.error('CSV_UNREADABLE  Line 3'); process.exitCode = ${PERMANENT_EXIT}`)).catch(reject)
    })
    expect(restarts).to.equal(1)
    expect(error.message).to.contain('does not mend')
    expect(error.details['end']).to.contain('CSV_UNREADABLE  Line 3')
  })

  it('starts again what ended by another code', async () => {
    let restarts = 0
    let givenUp = false
    const supervisor = new Supervisor(new LocalState(folder), record(), {
      onRestart: () => (restarts += 1),
      onGivenUp: () => (givenUp = true),
    })
    await supervisor.start(child('process.exitCode = 1'))
    for (const until = Date.now() + 15_000; restarts < 3 && Date.now() < until;) await new Promise((wake) => setTimeout(wake, 20))
    await supervisor.stopAll()
    expect(restarts).to.equal(3)
    expect(givenUp).to.equal(false)
  })
})

describe('kit/service, exit codes', () => {
  const ends = async (error: Error): Promise<number> => {
    const write = process.stderr.write.bind(process.stderr)
    process.stderr.write = () => true
    try {
      const config = z.object({ logLevel: z.literal('silent').default('silent') })
      return await runService({ name: 'device', config, start: () => Promise.reject(error) }, { env: {}, flags: {} })
    } finally {
      process.stderr.write = write
    }
  }

  it('tells an error that needs a person from one that time or another start may mend', async () => {
    expect(await ends(new TrellisError({ code: 'CSV_UNREADABLE', message: 'No.' }))).to.equal(PERMANENT_EXIT)
    expect(await ends(new TrellisError({ code: 'RPC_FAILED', message: 'No.', retryable: true }))).to.equal(1)
    expect(await ends(new TypeError('no'))).to.equal(1)
  })
})
