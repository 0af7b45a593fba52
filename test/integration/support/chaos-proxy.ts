// SPDX-License-Identifier: Apache-2.0
/** Between a device and its broker: duplicates, reorders and drops PUBLISH packets of both directions, by a seed. All other packets pass. */
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { generate, parser, type Packet } from 'mqtt-packet'

export interface ChaosProxy {
  url: string
  counts: { dropped: number; doubled: number; reordered: number; passed: number }
  close(): Promise<void>
}

export async function startChaosProxy(target: number, protocolVersion: 4 | 5, seed = 1): Promise<ChaosProxy> {
  const counts = { dropped: 0, doubled: 0, reordered: 0, passed: 0 }
  let state = seed
  // mulberry32
  const random = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const sockets = new Set<Socket>()
  const pipe = (from: Socket, to: Socket): void => {
    const packets = parser({ protocolVersion })
    let held: Packet | undefined
    const write = (packet: Packet): void => {
      if (!to.destroyed) to.write(generate(packet, { protocolVersion }))
    }
    packets.on('packet', (packet: Packet) => {
      if (packet.cmd !== 'publish') return write(packet)
      const chance = random()
      if (chance < 0.1) {
        counts.dropped += 1
        return
      }
      if (chance < 0.2 && held === undefined) {
        counts.reordered += 1
        held = packet
        return
      }
      counts.passed += 1
      write(packet)
      if (chance > 0.85) {
        counts.doubled += 1
        write(packet)
      }
      if (held !== undefined) write(held)
      held = undefined
    })
    // What is no packet to this parser ends the connection, as any fault on the way may: the device comes again.
    packets.on('error', () => from.destroy())
    from.on('data', (chunk: Buffer) => packets.parse(chunk))
    from.on('close', () => to.destroy())
    from.on('error', () => to.destroy())
  }
  const server = createServer((device) => {
    const broker = connect(target, '127.0.0.1')
    for (const socket of [device, broker]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    pipe(device, broker)
    pipe(broker, device)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
