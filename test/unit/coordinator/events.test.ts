// SPDX-License-Identifier: Apache-2.0
import { expect } from 'chai'
import { createTaskEvents } from '../../../agents/coordinator/events.ts'
import type { Task } from '../../../agents/coordinator/schema.ts'
import type { EventHub } from '../../../agents/kit/events.ts'
import { createLog } from '../../../agents/kit/log.ts'
import type { Hex } from '../../../agents/protocol/ids.ts'

describe('coordinator: events', () => {
  it('tells what the ledger holds after a change, each state once, and goes on after a failed read', async () => {
    const told: { name: string; data: { id: Hex; state: string; project: string } }[] = []
    const hub = { publish: (name: string, data: unknown) => told.push({ name, data: data as never }) } as unknown as EventHub
    const rows = new Map<Hex, string>([['0x01', 'received']])
    let failing = false
    const read = (ids: readonly Hex[]): Promise<Task[]> => {
      if (failing) return Promise.reject(new Error('the ledger is away'))
      const found = ids.flatMap((id) =>
        rows.has(id) ? [{ id, state: rows.get(id), project: 7n, device: '0xdd', window: 3, root: '0xee' }] : [],
      )
      return Promise.resolve(found as unknown as Task[])
    }
    const events = createTaskEvents(hub, read, createLog('test', 'silent'))
    const wait = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300))
    events.changed('0x01')
    // Undone: the ledger does not hold it.
    events.changed('0x02')
    await wait()
    events.changed('0x01')
    await wait()
    expect(told.map(({ name, data }) => [name, data.id, data.state, data.project])).to.deep.equal([['task', '0x01', 'received', '7']])
    failing = true
    rows.set('0x01', 'settled')
    events.changed('0x01')
    await wait()
    failing = false
    await wait()
    expect(told.at(-1)!.data.state).to.equal('settled')
    events.close()
  })
})
