// SPDX-License-Identifier: Apache-2.0
/** Waiting for a lease: who is woken, and who gives way. */
import { expect } from 'chai'
import { createLeases } from '../../../agents/coordinator/leases.ts'
import type { Modules } from '../../../agents/coordinator/modules.ts'
import type { Hex } from '../../../agents/protocol/ids.ts'

const prover: Hex = `0x${'a1'.repeat(20)}`

describe('coordinator leases', () => {
  it('lets the later of two requests of a prover wait, and neither asks the ledger in a circle', async () => {
    let asked = 0
    const ledger = { lease: async () => ((asked += 1), []), lost: async () => undefined }
    const modules = {
      ledger,
      config: { longPollMs: 300 },
      seen: new Map(),
      now: Date.now,
      metrics: { leaseWaits: { inc: () => undefined, dec: () => undefined } },
    } as unknown as Modules
    const leases = createLeases()
    const { signal } = new AbortController()
    const started = Date.now()
    const first = leases.lease(modules, { prover, max: 1 }, signal).then(() => Date.now() - started)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const second = leases.lease(modules, { prover, max: 1 }, signal).then(() => Date.now() - started)
    expect(await first).to.be.lessThan(200)
    expect(await second).to.be.greaterThan(250)
    expect(asked).to.be.lessThan(5)
  })
})
