// SPDX-License-Identifier: Apache-2.0
/** Coordinators and provers as processes on a real chain, with a market and a store of windows of each test's own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { WindowItemJson } from '../../../agents/protocol/lease.ts'
import { freePort, kill, startChain, type LocalChain } from './chain.ts'
import { deployMarket, type Market } from './market.ts'
import { startStore } from './store.ts'

const runner = join(import.meta.dirname, 'run.ts')
/** Accounts by role. */
export const coordinatorA = 1
export const coordinatorB = 2
const settled = 2

export interface Running {
  child: ChildProcess
  url: string
  output: () => string
}

/** Hooks of the suite that calls it, and what its tests work with. */
export function coordinators() {
  let chain: LocalChain
  let market: Market
  let folder: string
  let store: Awaited<ReturnType<typeof startStore>>
  let children: ChildProcess[] = []

  before(async () => {
    chain = await startChain()
  })
  after(() => chain.stop())

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'trellis-coordinator-'))
    market = await deployMarket(chain.rpcUrl, folder)
    store = await startStore()
  })
  afterEach(async function () {
    await Promise.all(children.map((child) => kill(child)))
    children = []
    await store.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const start = async (
    name: string,
    config: { http?: { port: number }; [field: string]: unknown },
    ...mode: string[]
  ): Promise<Running> => {
    const port = config.http?.port ?? (await freePort())
    const file = join(folder, `${name}-${port}.json`)
    const common = { http: { port }, chain: { rpcUrl: chain.rpcUrl, addressesFile: market.addressesFile, pollMs: 50 }, logLevel: 'debug' }
    writeFileSync(file, JSON.stringify({ ...common, ...config }))
    const child = spawn(process.execPath, [runner, name, file, ...mode], { stdio: ['ignore', 'pipe', 'pipe'] })
    children.push(child)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    return { child, url: `http://127.0.0.1:${port}`, output: () => output }
  }
  const coordinator = (key: number, more: object = {}) =>
    start('coordinator', {
      dataFolder: join(folder, `coordinator-${key}`),
      key: { keyFile: market.keyFile(key) },
      gatewayUrls: [store.url],
      projects: ['7'],
      pullMs: 100,
      settleWaitMs: 100,
      reconcileSeconds: 1,
      ...more,
    })
  const prover = (key: number, urls: string | string[], mode = 'good') =>
    start('prover', { dataFolder: join(folder, 'prover'), key: { keyFile: market.keyFile(key) }, coordinatorUrls: [urls].flat() }, mode)

  /** Waits until `done`, with the services' output when it takes too long. */
  const until = async (what: string, done: () => Promise<boolean>, running: Running[], limitMs = 60_000): Promise<void> => {
    const limit = Date.now() + limitMs
    while (!(await done().catch(() => false))) {
      if (Date.now() > limit) throw new Error(`${what}: not in time\n${running.map((one) => one.output().slice(-4_000)).join('\n---\n')}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  const ready = (one: Running) => until('ready', async () => (await fetch(`${one.url}/ready`)).ok, [one])
  const allSettled = async (items: WindowItemJson[]): Promise<boolean> =>
    (await Promise.all(items.map((item) => market.stateOf(item)))).every((state) => state === settled)
  const windows = (count: number): WindowItemJson[] =>
    Array.from({ length: count }, (_, i) => market.window(i % 4, { count: 1 + ((i * 7) % 64) }))
  const expectEachOnce = async (items: WindowItemJson[]): Promise<void> => {
    const found = await market.settlements()
    expect(Object.fromEntries(found)).to.deep.equal(Object.fromEntries(items.map((item) => [market.taskId(item), 1])))
  }
  const accounting = async (one: Running) =>
    (await (await fetch(`${one.url}/v1/accounting`)).json()) as {
      pending: number
      states: Record<string, { tasks: number; readings: number }>
      refused: Record<string, number>
    }

  return {
    ...{ coordinator, prover, until, ready, allSettled, windows, expectEachOnce, accounting },
    get chain() {
      return chain
    },
    get market() {
      return market
    },
    get folder() {
      return folder
    },
    get store() {
      return store
    },
  }
}
