// SPDX-License-Identifier: Apache-2.0
/** What commands say of a run that is on its way, and how they order several logs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { audit } from '../../../agents/cli/audit.ts'
import { freePort, refOf } from '../../../agents/cli/local/process.ts'
import { DEFAULT_PORTS, LocalState } from '../../../agents/cli/local/state.ts'
import { byTime } from '../../../agents/cli/logs.ts'
import { printStatus, readStatus } from '../../../agents/cli/status.ts'

describe('cli commands', () => {
  it('say that the chain is being started again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'trellis-status-'))
    try {
      const state = new LocalState(folder)
      const [supervisor, gateway, coordinator] = [refOf(process.pid), await freePort(), await freePort()]
      const phase = 'the chain ended and is being started again'
      const ports = { ...DEFAULT_PORTS, gateway, coordinator }
      state.writeRun({ version: 1, command: 'start', startedAt: '', supervisor, ports, children: {}, phase })
      expect(await readStatus(state)).to.include({ running: true, phase })
      const lines: string[] = []
      await printStatus(state, { step: () => undefined, table: () => undefined, line: (text = '') => lines.push(text) })
      expect(lines.join()).to.contain(phase)
      const error = await audit(folder, { json: false }).catch((thrown: unknown) => thrown)
      expect(error).to.include({ code: 'RUN_STARTING', retryable: true })
      expect((error as Error).message).to.contain(phase)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it('interleave logs by time; a line without one stays after the line before it', () => {
    const line = (second: number): string => `{"level":"info","time":"2026-01-01T00:00:0${second}.000Z","msg":"${second}"}`
    const ordered = byTime([
      { name: 'a', text: `${line(1)}\nCODE  what\n${line(4)}` },
      { name: 'b', text: `${line(2)}\n${line(3)}` },
      { name: 'chain', text: 'eth_call' },
      { name: 'empty', text: '' },
    ])
    expect(ordered.map(({ name }) => name)).to.deep.equal(['chain', 'a', 'a', 'b', 'b', 'a'])
    expect(ordered[2]!.line).to.equal('CODE  what')
  })
})
