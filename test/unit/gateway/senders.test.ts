// SPDX-License-Identifier: Apache-2.0
/** Shares of senders: how much of one is judged at once, and how forgers are slowed down. */
import { expect } from 'chai'
import { Sender, shareOf } from '../../../agents/gateway/senders.ts'

describe('gateway/senders', () => {
  let at = 0
  const sender = (slowsForgers = true): Sender => new Sender({ share: 1_024, slowsForgers, now: () => at })
  beforeEach(() => (at = 5_000))

  it('gives each an eighth of the waiting room, and never all of it', () => {
    expect([1, 2, 100, 256, 512, 8_192].map(shareOf)).to.deep.equal([1, 1, 50, 64, 64, 1_024])
  })

  it('pauses a connection after 32 forged signatures at once, for a second each time that it goes on', () => {
    const forger = sender()
    for (let n = 0; n < 32; n++) forger.bad()
    expect(forger.pausedMs).to.equal(0)
    forger.bad()
    expect(forger.pausedMs).to.equal(1_000)
    at += 1_000
    expect(forger.pausedMs).to.equal(0)
    for (let n = 0; n < 9; n++) forger.bad()
    expect(forger.pausedMs).to.equal(1_000)
  })

  it('bears a few bad signatures a second for ever, and any number where one sender is many devices', () => {
    const bridge = sender()
    const address = sender(false)
    for (let n = 0; n < 1_000; n++) {
      at += 125
      bridge.bad()
      address.bad()
      address.bad()
      expect([bridge.pausedMs, address.pausedMs]).to.deep.equal([0, 0])
    }
  })

  it('reads half a share ahead of a connection that signs well, and 64 messages of another', () => {
    const device = sender()
    device.waiting = 64
    expect(device.crowded).to.equal(true)
    device.good()
    expect(device.crowded).to.equal(false)
    device.waiting = 512
    expect(device.crowded).to.equal(true)
    device.waiting = 64
    device.bad()
    expect(device.crowded).to.equal(true)
  })
})
