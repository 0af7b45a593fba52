// SPDX-License-Identifier: Apache-2.0
/**
 * A double of the portal's server over a real run: it serves build/portal, forwards reads to the run's own gateway, coordinator and chain, and
 * tells what changes by asking once a second. Used where a run has no portal of its own. Roles are made up; everything else is the run's.
 */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { createPublicClient, getAbiItem, http, type PublicClient } from 'viem'
import type { RunRecord } from '../../../agents/cli/local/state.ts'
import type { DeviceRow, History, Network, Page, StoredWindow, TaskEvent, Totals } from '../../../agents/portal/api.ts'
import { readDeployment } from '../../../agents/kit/deployment.ts'
import { taskManagerAbi } from '../../../agents/protocol/generated/abi.ts'
import { formatFixed } from '../../../agents/protocol/fixed-point.ts'
import type { TermsJson } from '../../../agents/protocol/terms.ts'
import type { Hex } from '../../../agents/protocol/ids.ts'
import { lanesFromHex, openWindow } from '../../../agents/protocol/window.ts'
import { at } from '../../../scripts/shell.ts'

export const POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** A file of the page, or its first page for every address of its own. */
export function servePage(path: string, answer: ServerResponse): void {
  const file = extname(path) in types ? path : '/index.html'
  answer.writeHead(200, { 'content-type': types[extname(file)], 'content-security-policy': POLICY, 'x-content-type-options': 'nosniff' })
  answer.end(readFileSync(join(at('build', 'portal'), file)))
}

interface GatewayWindow extends StoredWindow {
  device: Hex
  lanes: Hex
}

interface Task {
  id: Hex
  project: string
  device: Hex
  window: number
  root: Hex
  state: string
  prover: Hex | null
  tx: Hex | null
  reason: string | null
}

interface ProjectAnswer {
  version: number
  termsId: Hex
  terms: TermsJson
}

export interface StandIn {
  url: string
  close: () => Promise<void>
}

/** @param record  read anew for each answer: a run whose chain began anew has another job */
export async function standIn(record: () => RunRecord | undefined, addressesFile: string): Promise<StandIn> {
  const streams = new Set<ServerResponse>()
  const stale: Totals['stale'] = {}
  const states = new Map<string, string>()
  let genesis: Hex | undefined
  let totals: Totals | undefined
  let id = 0

  const port = (name: 'gateway' | 'coordinator' | 'chain'): string => `http://127.0.0.1:${record()?.ports[name] ?? 0}`
  const ask = async <T>(name: 'gateway' | 'coordinator', path: string): Promise<T> => {
    const response = await fetch(port(name) + path, { signal: AbortSignal.timeout(1_500) })
    return (await response.json()) as T
  }
  const chain = (): PublicClient => createPublicClient({ transport: http(port('chain'), { retryCount: 0, timeout: 1_500 }), cacheTime: 0 })
  const project = (): string => record()?.job?.project ?? '1'
  const tell = (event: string, data: unknown): void => {
    id += 1
    for (const stream of streams) stream.write(`id: stand-in:${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
  }
  const windows = async (): Promise<GatewayWindow[]> =>
    (await ask<{ items: GatewayWindow[] }>('gateway', `/v1/projects/${project()}/windows?limit=500`)).items
  const readings = (items: readonly GatewayWindow[], { rangeMin, decimals }: TermsJson): History['points'] =>
    items.flatMap(({ lanes, firstSequence, firstTime }) => {
      const opened = openWindow({
        lanes: lanesFromHex(lanes)!,
        firstSequence: Number(firstSequence),
        firstTime: Number(firstTime),
        channel: 0n,
      })
      if (!opened.ok) throw new Error('a stored window does not open')
      return opened.readings.map(({ time, laneValue }) => {
        const value = Number(formatFixed(BigInt(rangeMin) + BigInt(laneValue), decimals))
        return { time, min: value, max: value, mean: value }
      })
    })

  async function network(): Promise<Network> {
    const { contracts, chainId, genesisHash } = readDeployment(addressesFile)
    const { version, termsId, terms } = await ask<ProjectAnswer>('gateway', `/v1/projects/${project()}`)
    const owner = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
    return {
      chainId,
      genesisHash,
      kind: 'local',
      projects: [project()],
      contracts: Object.entries(contracts).map(([name, { address }]) => ({
        name,
        address,
        abi: name,
        upgradeable: `${name}Implementation` in contracts,
        roles:
          name === 'TaskManager'
            ? [{ role: 'operator admin', members: [owner], functions: ['addOperator(address)', 'setRouter(address)'] }]
            : [],
      })),
      terms: { [project()]: { version, termsId, terms } },
      services: (['chain', 'gateway', 'coordinator'] as const).map((name) => ({ name, url: port(name), ready: true })),
      deployedAtBlock: 0,
    }
  }

  async function count(): Promise<Totals> {
    const before = totals
    const [gateway, coordinator] = await Promise.all([
      ask<{ acceptedReadings: number; windows: number; refused: Record<string, number> }>('gateway', `/v1/accounting?project=${project()}`),
      ask<{ states: Record<string, { tasks: number; readings: number }> }>('coordinator', '/v1/accounting'),
    ])
    const terms = (await ask<ProjectAnswer>('gateway', `/v1/projects/${project()}`)).terms
    const tasks = Object.fromEntries(Object.entries(coordinator.states).map(([state, { tasks: n }]) => [state, n]))
    const settled = coordinator.states['settled']?.readings ?? 0
    return {
      devices: record()?.job?.devices.length ?? 0,
      readings: gateway.acceptedReadings,
      readingsPerSecond: Math.max(0, gateway.acceptedReadings - (before?.readings ?? gateway.acceptedReadings)),
      windows: gateway.windows,
      tasks,
      proofs: tasks['settled'] ?? 0,
      settled,
      paid: { [terms.token]: (BigInt(terms.pricePerReading) * BigInt(settled)).toString() },
      gasUsed: before !== undefined && before.settled === settled ? before.gasUsed : await gasOfSettlements(),
      refusedByReason: gateway.refused,
      at: Date.now(),
      stale,
    }
  }

  /** Gas of the transactions that settled. */
  async function gasOfSettlements(): Promise<string> {
    const event = getAbiItem({ abi: taskManagerAbi, name: 'TaskSettled' })
    const { address } = readDeployment(addressesFile).contracts['TaskManager']!
    const hashes = new Set((await chain().getLogs({ address, event, fromBlock: 0n })).map(({ transactionHash }) => transactionHash))
    const receipts = await Promise.all([...hashes].map((hash) => chain().getTransactionReceipt({ hash })))
    return receipts.reduce((sum, { gasUsed }) => sum + gasUsed, 0n).toString()
  }

  async function tellTasks(): Promise<void> {
    const { tasks } = await ask<{ tasks: Task[] }>('coordinator', '/v1/tasks?limit=500')
    for (const { id: task, project: of, device, window: index, root, state, prover, tx: transaction, reason } of tasks) {
      if (states.get(task) === state) continue
      states.set(task, state)
      tell('task', { id: task, project: of, device, index, root, state, prover, transaction, reason, at: Date.now() } satisfies TaskEvent)
    }
  }

  async function pass(): Promise<void> {
    const block = await chain()
      .getBlock()
      .catch(() => undefined)
    const first = await chain()
      .getBlock({ blockNumber: 0n })
      .catch(() => undefined)
    if (first !== undefined) {
      if (genesis !== undefined && genesis !== first.hash) {
        totals = undefined
        states.clear()
        tell('reset', { genesisHash: first.hash })
      }
      genesis = first.hash
    }
    if (block !== undefined && genesis !== undefined) tell('chain', { block: Number(block.number), genesisHash: genesis })
    await ask('gateway', '/ready').then(
      () => delete stale.gateway,
      () => (stale.gateway = 'no answer'),
    )
    totals = await count().catch(() => totals && { ...totals, readingsPerSecond: 0, stale })
    if (totals !== undefined) tell('totals', totals)
    await tellTasks().catch(() => undefined)
  }

  async function answerApi(url: URL, request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const send = (body: unknown, status = 200): void => {
      answer.writeHead(status, { 'content-type': 'application/json' })
      answer.end(JSON.stringify(body))
    }
    const path = url.pathname.slice('/api/v1'.length)
    const device = /^\/gateway\/v1\/projects\/\d+\/devices\/(0x[0-9a-f]{40})\/(readings|windows)$/.exec(path)
    if (path === '/events') {
      answer.writeHead(200, { 'content-type': 'text/event-stream' })
      answer.write(': here\n\n')
      streams.add(answer)
      request.on('close', () => streams.delete(answer))
    } else if (path === '/network') send(await network())
    else if (path === '/totals') send(totals ?? (await count()))
    else if (path === '/rpc') {
      let body = ''
      for await (const chunk of request) body += String(chunk)
      const response = await fetch(port('chain'), { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      answer.writeHead(200, { 'content-type': 'application/json' }).end(await response.text())
    } else if (/^\/gateway\/v1\/projects\/\d+\/devices$/.test(path)) {
      const [all, { terms }] = await Promise.all([windows(), ask<ProjectAnswer>('gateway', `/v1/projects/${project()}`)])
      const items = (record()?.job?.devices ?? []).map(({ device: name }): DeviceRow => {
        const mine = all.filter((item) => item.device === name.toLowerCase())
        const last = readings(mine.slice(-1), terms).at(-1)
        const sent = mine.reduce((sum, item) => sum + item.count, 0)
        const { channel = '' } = mine.at(-1) ?? {}
        const newest =
          last === undefined ? null : { sequence: String(sent - 1), time: String(last.time), channel, value: String(last.mean) }
        return { device: name.toLowerCase() as Hex, readings: sent, windows: mine.length, last: newest }
      })
      send({ items, next: null } satisfies Page<DeviceRow>)
    } else if (device !== null) {
      const [all, { terms }] = await Promise.all([windows(), ask<ProjectAnswer>('gateway', `/v1/projects/${project()}`)])
      const mine = all.filter((item) => item.device === device[1])
      if (device[2] === 'readings') send({ channel: mine[0]?.channel ?? '', points: readings(mine, terms) } satisfies History)
      else {
        const lastTime = (item: GatewayWindow): string => String(readings([item], terms).at(-1)!.time)
        send({ items: mine.map((item) => ({ ...item, lanes: undefined, lastTime: lastTime(item) })).reverse(), next: null })
      }
    } else {
      const [, service, rest] = /^\/(gateway|coordinator)(\/.*)$/.exec(path) ?? []
      if (service === undefined) send({ error: { code: 'NOT_FOUND', message: 'There is nothing here.', next: null } }, 404)
      else send(await ask(service as 'gateway' | 'coordinator', rest! + url.search))
    }
  }

  const server = createServer((request, answer) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    if (!url.pathname.startsWith('/api/')) servePage(url.pathname, answer)
    else
      answerApi(url, request, answer).catch(() => {
        if (answer.headersSent) answer.end()
        else {
          answer.writeHead(503, { 'content-type': 'application/json' })
          answer.end(
            JSON.stringify({
              error: { code: 'UPSTREAM_DOWN', message: 'A service behind the page does not answer.', next: 'npm run trellis -- status' },
            }),
          )
        }
      })
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  let ended = false
  const passes = (async () => {
    while (!ended) {
      await pass().catch(() => undefined)
      await new Promise((wake) => setTimeout(wake, 1_000))
    }
  })()
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      ended = true
      for (const stream of streams) stream.end()
      server.closeAllConnections()
      server.close()
      await passes
    },
  }
}
