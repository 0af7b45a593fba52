// SPDX-License-Identifier: Apache-2.0
/**
 * The writing side of a connection that sends what is written within one turn of the event loop at once. The broker writes each part of each packet
 * on its own, and a commit answers many messages in one turn: without this, every part would be a system call and a segment.
 */
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'

export function gatheredWrites(socket: Socket): Writable {
  let corked = false
  const release = (): void => {
    corked = false
    socket.uncork()
  }
  const gathered = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (!corked) {
        corked = true
        socket.cork()
        setImmediate(release)
      }
      if (socket.write(chunk)) done()
      else socket.once('drain', () => done())
    },
    final(done) {
      socket.end(() => done())
    },
    destroy(error, done) {
      socket.destroy()
      done(error)
    },
  })
  socket.once('close', () => gathered.destroy())
  return gathered
}
