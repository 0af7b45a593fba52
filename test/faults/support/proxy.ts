// SPDX-License-Identifier: Apache-2.0
/** What lies between processes: a TCP proxy that dies, slows down or cuts, and that can double and reorder MQTT messages packet by packet. */
import { once } from 'node:events'
import { createServer, connect, type Socket } from 'node:net'

export type Weather = 'fair' | 'dead' | 'slow' | 'doubled' | 'reordered'

export interface Proxy {
  port: number
  weather: Weather
  /** Ends every connection now; new ones are taken as the weather allows. */
  cut(): void
  close(): Promise<void>
}

const SLOW_MS = 400
/** A message that waits for another one to overtake it does not wait longer. */
const OVERTAKE_MS = 30

/** @param mqtt  what flows is MQTT, and can be doubled and reordered */
export async function startProxy(target: () => number, { mqtt = false } = {}): Promise<Proxy> {
  const sockets = new Set<Socket>()
  const proxy: Proxy = {
    port: 0,
    weather: 'fair',
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      proxy.cut()
      server.close()
      await once(server, 'close')
    },
  }
  const flow = (from: Socket, to: Socket): void => {
    let tail = Promise.resolve()
    const write = (chunk: Buffer): void => {
      if (!to.destroyed) to.write(chunk)
    }
    const pass = (chunk: Buffer): void => {
      if (proxy.weather !== 'slow') return void (tail = tail.then(() => write(chunk)))
      tail = tail.then(() => new Promise((done) => setTimeout(done, SLOW_MS))).then(() => write(chunk))
    }
    from.on('data', mqtt ? packets(proxy, pass) : pass)
    // What is under way arrives before the end.
    from.on('end', () => void tail.then(() => to.end()))
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      void tail.then(() => to.destroy())
    })
  }
  const server = createServer((device) => {
    if (proxy.weather === 'dead') return void device.destroy()
    const upstream = connect(target(), '127.0.0.1')
    for (const socket of [device, upstream]) sockets.add(socket.setNoDelay(true))
    flow(device, upstream)
    flow(upstream, device)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  proxy.port = (server.address() as { port: number }).port
  return proxy
}

/** Cuts a stream into MQTT packets; PUBLISH ones are doubled or overtaken by the next, as the weather is. */
function packets(proxy: Proxy, pass: (packet: Buffer) => void): (chunk: Buffer) => void {
  let buffer = Buffer.alloc(0)
  let waiting: Buffer | undefined
  const release = (): void => {
    if (waiting !== undefined) pass(waiting)
    waiting = undefined
  }
  return (chunk) => {
    buffer = Buffer.concat([buffer, chunk])
    for (let length = lengthOf(buffer); length !== undefined && length <= buffer.length; length = lengthOf(buffer)) {
      const packet = buffer.subarray(0, length)
      buffer = buffer.subarray(length)
      const publishes = packet[0]! >> 4 === PUBLISH
      if (!publishes || proxy.weather === 'fair') {
        release()
        pass(packet)
      } else if (proxy.weather === 'doubled') {
        pass(packet)
        pass(packet)
      } else if (proxy.weather === 'reordered' && waiting === undefined) {
        waiting = packet
        setTimeout(release, OVERTAKE_MS)
      } else {
        pass(packet)
        release()
      }
    }
  }
}
const PUBLISH = 3

/** Length of the packet at the start of a buffer; undefined while its header is not whole. */
function lengthOf(buffer: Buffer): number | undefined {
  let value = 0
  for (let i = 1; i < Math.min(5, buffer.length); i += 1) {
    value += (buffer[i]! & 0x7f) * 128 ** (i - 1)
    if (buffer[i]! < 128) return value + i + 1
  }
  return undefined
}
