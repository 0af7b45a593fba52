// SPDX-License-Identifier: Apache-2.0
/** A gateway on a disk that is full: nothing is acknowledged that is not on it, and all goes on when there is room again. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Ack, ackFromJson } from '../../agents/protocol/ack.ts'
import { encodeEnvelope } from '../../agents/protocol/envelope.ts'
import { deviceOf, FakeChain, openGateway, windowAt } from '../unit/gateway/support.ts'
import { needs } from './support/engines.ts'

describe('a full disk', function () {
  this.timeout(60_000)
  let disk: string

  before(function () {
    needs(this, 'mount')
    disk = mkdtempSync(join(tmpdir(), 'trellis-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', disk])
  })
  after(() => {
    if ((disk as string | undefined) === undefined) return
    execFileSync('umount', [disk])
    rmSync(disk, { recursive: true })
  })

  it('of a gateway: every window that was accepted is there, after a restart too, and the others are taken when there is room', async () => {
    const device = deviceOf('one')
    const chain = new FakeChain()
    chain.register(device)
    const dataFolder = join(disk, 'gateway')
    let gateway = await openGateway(chain, dataFolder)
    const send = async (index: number): Promise<Ack> => {
      const body = encodeEnvelope(windowAt(device, index, index * 64, 64))
      return ackFromJson(await (await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body })).json())!
    }
    let accepted = 0
    for (; accepted < 3; accepted += 1) expect((await send(accepted)).status).to.equal('accepted')

    // Takes what is left, and fails at the end of it.
    const filler = join(disk, 'filler')
    expect(() => writeFileSync(filler, Buffer.alloc(8 << 20))).to.throw('ENOSPC')
    let refused: Ack | undefined
    for (let tries = 0; tries < 2_000 && refused === undefined; tries += 1) {
      const ack = await send(accepted)
      if (ack.status === 'accepted') accepted += 1
      else refused = ack
    }
    expect(refused).to.deep.include({ status: 'refused' })
    expect(refused!.reason).to.equal('OVERLOADED')

    rmSync(filler)
    expect((await send(accepted)).status).to.be.oneOf(['accepted', 'duplicate'])
    accepted += 1
    await gateway.stop()
    gateway = await openGateway(chain, dataFolder)
    const page = (await (await fetch(`${gateway.url}/v1/projects/7/windows?after=0&limit=500`)).json()) as { items: { index: number }[] }
    expect(page.items.map(({ index }) => index)).to.deep.equal(Array.from({ length: accepted }, (_, i) => i))
    expect((await send(accepted)).status).to.equal('accepted')
    await gateway.stop()
  })
})
