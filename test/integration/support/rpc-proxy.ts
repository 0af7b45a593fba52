// SPDX-License-Identifier: Apache-2.0
/** A server between an agent and its chain that is dead, slow, silent or a liar when a test says so. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'

interface RpcCall {
  id: number
  method: string
  params?: unknown[]
}

interface RpcAnswer {
  id: number
  result?: unknown
  error?: { code: number; message: string }
}

export interface RpcProxy {
  readonly url: string
  /** Methods that came, in order. */
  readonly calls: string[]
  /** Milliseconds before a request is answered. */
  delayMs: number
  /** `hang` takes requests and never answers, `drip` sends headers and then a byte a second, `error` answers 503, `garbage` a page of HTML. */
  mode: 'pass' | 'hang' | 'drip' | 'error' | 'garbage'
  /** The chain behind it. */
  target: string
  /** Changes an answer on its way; undefined leaves it. May be asynchronous. */
  lie: ((call: RpcCall, answer: RpcAnswer) => RpcAnswer | undefined | Promise<RpcAnswer | undefined>) | null
  /** Closes the port: connections are refused. */
  die(): Promise<void>
  /** Opens the same port again. */
  revive(): Promise<void>
}

export async function startProxy(target: string): Promise<RpcProxy> {
  const sockets = new Set<Socket>()
  let port = 0
  let server: ReturnType<typeof createServer> | null = null

  const forward = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const text = Buffer.concat(chunks).toString()
    const body = JSON.parse(text) as RpcCall | RpcCall[]
    const calls = Array.isArray(body) ? body : [body]
    proxy.calls.push(...calls.map(({ method }) => method))
    if (proxy.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, proxy.delayMs))
    if (proxy.mode === 'hang') return
    if (proxy.mode === 'drip') {
      response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders()
      const timer = setInterval(() => response.write(' '), 1_000)
      response.on('close', () => clearInterval(timer))
      return
    }
    if (proxy.mode === 'error') return void response.writeHead(503).end('busy')
    if (proxy.mode === 'garbage') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>sign in</html>')
    const answer = await fetch(proxy.target, { method: 'POST', body: text, headers: { 'content-type': 'application/json' } })
    const told = (await answer.json()) as RpcAnswer | RpcAnswer[]
    const answers = await Promise.all(
      (Array.isArray(told) ? told : [told]).map(async (one) => {
        const call = calls.find(({ id }) => id === one.id)
        return (call === undefined ? undefined : await proxy.lie?.(call, one)) ?? one
      }),
    )
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(Array.isArray(body) ? answers : answers[0]))
  }
  const listen = async (): Promise<void> => {
    server = createServer((request, response) => void forward(request, response).catch(() => response.destroy()))
    server.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    })
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
  }
  const proxy: RpcProxy = {
    get url() {
      return `http://127.0.0.1:${port}`
    },
    calls: [],
    delayMs: 0,
    mode: 'pass',
    target,
    lie: null,
    async die() {
      if (server === null) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
      server = null
    },
    revive: listen,
  }
  await listen()
  return proxy
}
