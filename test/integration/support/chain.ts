// SPDX-License-Identifier: Apache-2.0
/** A real local chain in a process of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createPublicClient, http } from 'viem'

const root = join(import.meta.dirname, '../../..')

export interface LocalChain {
  rpcUrl: string
  /** Moves the chain's clock. */
  travel(seconds: number): Promise<void>
  rpc<T>(method: string, params?: unknown[]): Promise<T>
  stop(): Promise<void>
}

/** A free port of loopback. */
export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

/** Starts `hardhat node` and waits until it answers. */
export async function startChain(port?: number): Promise<LocalChain> {
  const chosen = port ?? (await freePort())
  const rpcUrl = `http://127.0.0.1:${chosen}`
  const cli = join(root, 'node_modules/hardhat/dist/src/cli.js')
  const child = spawn(process.execPath, [cli, 'node', '--hostname', '127.0.0.1', '--port', String(chosen)], { cwd: root, stdio: 'ignore' })
  const client = createPublicClient({ transport: http(rpcUrl, { retryCount: 0, timeout: 5_000 }) })
  const rpc = <T>(method: string, params: unknown[] = []): Promise<T> =>
    client.request({ method: method as 'eth_chainId', params: params as never })
  const until = Date.now() + 60_000
  for (;;) {
    try {
      await client.getBlockNumber()
      break
    } catch (error) {
      if (Date.now() > until || child.exitCode !== null) throw new Error('the chain did not start', { cause: error })
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  return {
    rpcUrl,
    rpc,
    async travel(seconds) {
      await rpc('evm_increaseTime', [seconds])
      await rpc('evm_mine')
    },
    stop: () => kill(child),
  }
}

/** Ends a child of ours at once and waits for its end. */
export async function kill(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill(signal)
  await ended
}
