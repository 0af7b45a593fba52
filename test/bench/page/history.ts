// SPDX-License-Identifier: Apache-2.0
/** 10,000 devices and a million settled readings: what the page asks of the index, and what the index takes. */
import { spawn } from 'node:child_process'
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Context } from 'mocha'
import { type Abi, encodeAbiParameters, encodeEventTopics, encodeFunctionData, type Hex, keccak256, numberToHex, pad, toHex } from 'viem'
import { addressOf } from '../../../agents/kit/deployment.ts'
import {
  dataKeyRegistryAbi,
  ioIDAbi,
  ioIDRegistryAbi,
  ioIDStoreAbi,
  routerAbi,
  taskEscrowAbi,
  taskManagerAbi,
} from '../../../agents/protocol/generated/abi.ts'
import type { HistoryPage, IndexDevice, IndexStatus, IndexTask, IndexTotals } from '../../../agents/protocol/history.ts'
import { routeItemsType } from '../../../agents/protocol/task-record.ts'
import { packStatistics } from '../../../agents/protocol/window.ts'
import type { Row } from '../../../scripts/bench.ts'
import { at } from '../../../scripts/shell.ts'
import { type Anvil, startAnvil } from '../../integration/support/anvil.ts'
import { freePort, kill } from '../../integration/support/chain.ts'
import { startSettledNetwork, type SettledNetwork } from '../../integration/support/settled-network.ts'
import { residentMiB } from '../main/processes.ts'
import { rank, row, say } from '../main/rows.ts'
import { type Log, script, scriptCode } from './script.ts'

const DEVICES = 10_000
const READINGS = 1_000_000
const WINDOW = 64
const TASKS = READINGS / WINDOW
/** Registrations, and tasks, of one transaction. */
const BATCH = 20
/** Times that each query is asked. */
const ASKED = 200

type Emitted = Log & { address: Hex }

/** Logs of the contracts of `network` by name of the event. */
function emitterOf({ deployment }: SettledNetwork) {
  return (name: string, abi: Abi, eventName: string, args: Record<string, unknown>): Emitted => {
    const event = abi.find((item) => item.type === 'event' && item.name === eventName)
    if (event?.type !== 'event') throw new Error(`${name} has no event ${eventName}`)
    const plain = event.inputs.filter(({ indexed }) => indexed !== true)
    const data = encodeAbiParameters(
      plain,
      plain.map(({ name: of }) => args[of!]),
    )
    return { address: addressOf(deployment, name), topics: encodeEventTopics({ abi: [event], args }) as Hex[], data }
  }
}

const addressAt = (kind: number, i: number): Hex => pad(numberToHex(kind * 1_000_000 + i), { size: 20 })

/** Puts the history on the chain; the network's real project, terms and prover are its own. */
async function fill(anvil: Anvil, network: SettledNetwork): Promise<{ logs: number; blocks: number }> {
  const { deployment, project, prover, client } = network
  const emit = emitterOf(network)
  const code = scriptCode()
  const contracts = ['IoID', 'IoIDStore', 'IoIDRegistry', 'DataKeyRegistry', 'TaskManager', 'TaskEscrow', 'Router']
  for (const name of contracts) await anvil.rpc('anvil_setCode', [addressOf(deployment, name), code])
  const from = '0x70997970C51812dc3A010C7d01b50e0d17dc79C8'
  await anvil.rpc('anvil_impersonateAccount', [from])
  await anvil.automine(false)
  let [logs, pending, nonce] = [0, 0, await client.getTransactionCount({ address: from })]
  const send = async (name: string, call: Hex, emitted: readonly Emitted[]): Promise<void> => {
    const to = addressOf(deployment, name)
    const data = script(call, to, emitted)
    await anvil.rpc('eth_sendTransaction', [{ from, to, data, gas: toHex(15_000_000), nonce: toHex(nonce++) }])
    logs += emitted.length
    if (++pending % 2 === 0) await anvil.mine()
  }
  const owner = addressAt(3, 0)
  const first = network.devices.length + 2
  for (let at = 0; at < DEVICES; at += BATCH) {
    const emitted = Array.from({ length: BATCH }, (_, k) => {
      const [i, tokenId] = [at + k, BigInt(first + at + k)]
      const device = addressAt(1, i)
      return [
        emit('IoIDStore', ioIDStoreAbi, 'ActiveIoID', { projectId: project }),
        emit('IoID', ioIDAbi, 'Transfer', { from: `0x${'0'.repeat(40)}`, to: owner, tokenId }),
        emit('IoID', ioIDAbi, 'CreateIoID', { owner, id: tokenId, wallet: addressAt(2, i), did: `did:io:${device}` }),
        emit('IoIDRegistry', ioIDRegistryAbi, 'NewDevice', { device, owner, hash: keccak256(device), uri: 'bench' }),
        emit('DataKeyRegistry', dataKeyRegistryAbi, 'DataKeyBound', {
          ...{ projectId: project, device, tokenId, commitment: tokenId, ax: 1n, ay: 2n, fromWindow: 0 },
        }),
      ]
    }).flat()
    await send('IoIDRegistry', '0x', emitted)
  }
  for (let at = 0; at < TASKS; at += BATCH) {
    const tasks = Array.from({ length: Math.min(BATCH, TASKS - at) }, (_, k) => {
      const [i, window] = [(at + k) % DEVICES, Math.floor((at + k) / DEVICES)]
      const id = keccak256(numberToHex(at + k, { size: 32 }))
      return { id, device: addressAt(1, i), wallet: addressAt(2, i), window, root: numberToHex(at + k + 1, { size: 32 }) }
    })
    const assignments = tasks.map(({ id, device, window, root }) => ({
      // In the order of the ABI: by it viem tells the two forms of assign apart.
      ...{ projectId: project, taskId: id, hash: root },
      ...{ signature: `${device}${window.toString(16).padStart(8, '0')}` as const, prover },
    }))
    await send(
      'TaskManager',
      encodeFunctionData({ abi: taskManagerAbi, functionName: 'assign', args: [assignments, owner, 4_000_000_000n] }),
      tasks.map(({ id }) =>
        emit('TaskManager', taskManagerAbi, 'TaskAssigned', { projectId: project, taskId: id, prover, deadline: 4_000_000_000n }),
      ),
    )
    const items = tasks.map(({ device, window, root }) => {
      const counted = { sum: 64, min: 1, max: 1, count: WINDOW, above: 0, windowIndex: window, firstSequence: window * WINDOW }
      const statistics = packStatistics({ ...counted, firstTime: 1_700_000_000, threshold: 5_000, rangeMax: 10_000 })
      return { device, window, root, statistics, proof: [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n] as const }
    })
    const data = encodeAbiParameters(routeItemsType, [items])
    await send(
      'Router',
      encodeFunctionData({ abi: routerAbi, functionName: 'route', args: [prover, project, tasks.map(({ id }) => id), data] }),
      tasks.flatMap(({ id, wallet }) => [
        emit('TaskManager', taskManagerAbi, 'TaskSettled', { projectId: project, taskId: id, prover }),
        emit('TaskEscrow', taskEscrowAbi, 'TaskPaid', { taskId: id, wallet, devicePay: 192n }),
      ]),
    )
  }
  await anvil.mine(40)
  await anvil.automine(true)
  return { logs, blocks: await anvil.blockNumber() }
}

/** On a chain of its own. */
export async function withNetwork(work: (anvil: Anvil, network: SettledNetwork, folder: string) => Promise<Row[]>): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'trellis-bench-history-'))
  const skip = { skip: () => Promise.reject(new Error('anvil is not there')) } as unknown as Context
  const anvil = await startAnvil(skip, {
    timestamp: Math.floor(Date.now() / 1000) - 100_000,
    args: ['--gas-limit', '100000000', '--disable-code-size-limit'],
  })
  const stops = [() => anvil.stop(), async () => rmSync(folder, { recursive: true, force: true })]
  try {
    return await work(anvil, await startSettledNetwork(anvil.rpcUrl, folder, 1), folder)
  } finally {
    for (const stop of stops) await stop()
  }
}

/** What the page asks of the index. */
export async function indexRows(anvil: Anvil, network: SettledNetwork, folder: string): Promise<Row[]> {
  say(`history: ${DEVICES} devices and ${TASKS} settled windows onto the chain`)
  const { logs, blocks } = await fill(anvil, network)
  say(`history: ${logs} logs in ${blocks} blocks; the index begins`)
  const port = await freePort()
  const file = join(folder, 'indexer.json')
  const chain = { rpcUrl: anvil.rpcUrl, addressesFile: network.addressesFile }
  writeFileSync(file, JSON.stringify({ dataFolder: join(folder, 'indexer'), chain, http: { port }, logLevel: 'debug' }))
  const child = spawn(process.execPath, [at('agents/cli/main.ts'), 'run', 'indexer', '--config', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  child.stdout.pipe(createWriteStream(join(folder, 'indexer.log')))
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/${path}`)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
  try {
    const started = performance.now()
    for (;;) {
      const status = await get<IndexStatus>('status').catch(() => undefined)
      if (status?.ready === true) break
      if (child.exitCode !== null || performance.now() - started > 1_800_000)
        throw new Error(`the index is not there: ${JSON.stringify(status)}`)
      await new Promise((wake) => setTimeout(wake, 200))
    }
    const seconds = (performance.now() - started) / 1000
    const totals = await get<IndexTotals>('totals')
    if (totals.registered !== DEVICES + 2 || totals.readings !== READINGS) throw new Error(`the index counts ${JSON.stringify(totals)}`)

    const pick = (n: number): number => (n * 7_919) % DEVICES
    const queries: Record<string, (n: number) => string> = {
      totals: () => 'totals',
      'devices, a page of 50 anywhere': (n) => `devices?after=${pick(n)}&limit=50`,
      'devices of an owner of all': (n) => `devices?owner=${addressAt(3, 0)}&after=${pick(n)}&limit=50`,
      'one device with transfers, keys, pay': (n) => `devices/${addressAt(1, pick(n))}`,
      'newest tasks, 50': () => 'tasks?limit=50',
      'tasks of a device': (n) => `tasks?device=${addressAt(1, pick(n))}&limit=50`,
      'tasks by state, a page far back': (n) => `tasks?state=settled&after=${cursors[n % cursors.length]!}&limit=50`,
      'a proof with its signals': (n) => `proofs/${keccak256(numberToHex(pick(n), { size: 32 }))}`,
      'payments of a device': (n) => `payments?device=${addressAt(1, pick(n))}&limit=50`,
      provers: () => 'provers',
      refusals: () => 'refusals?limit=50',
    }
    const cursors: string[] = []
    for (let after: string | null = null, n = 0; n < 20; n++) {
      const page: HistoryPage<IndexTask> = await get(`tasks?state=settled&limit=200${after === null ? '' : `&after=${after}`}`)
      after = page.next
      if (after !== null) cursors.push(after)
    }
    const rows = [
      row({ case: `history: first reading of ${logs} logs`, unit: 'logs/s', ours: logs / seconds, better: 'more' }),
      row({ case: 'history: until the index is ready', unit: 's', ours: seconds, better: 'less' }),
    ]
    for (const [name, path] of Object.entries(queries)) {
      await get(path(0))
      const times: number[] = []
      for (let n = 0; n < ASKED; n++) {
        const from = performance.now()
        await get<HistoryPage<IndexDevice>>(path(n))
        times.push(performance.now() - from)
      }
      rows.push(
        row({ case: `history: ${name}, p50`, unit: 'ms', ours: rank(times, 0.5), better: 'less' }),
        row({ case: `history: ${name}, p99`, unit: 'ms', ours: rank(times, 0.99), target: 100, better: 'less' }),
      )
    }
    const [service = 0] = residentMiB([child.pid!])
    rows.push(row({ case: 'history: memory of the indexer with its Ponder', unit: 'MiB', ours: service, better: 'less' }))
    return rows
  } finally {
    await kill(child, 'SIGTERM')
  }
}
