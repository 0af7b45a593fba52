// SPDX-License-Identifier: Apache-2.0
/**
 * The main job over real processes, as `trellis demo` composes them, watched from outside: the moment each reading and window was stored by the gateway
 * (its own store), the moment its payment was on the chain (TaskSettled, looked for every 50 ms; pay is part of that transaction), memory of every agent.
 */
import { spawn } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createPublicClient, http, type PublicClient } from 'viem'
import { hardhat } from 'viem/chains'
import { LocalState } from '../../../agents/cli/local/state.ts'
import type { Summary } from '../../../agents/cli/local/summary.ts'
import { addressOf, readDeployment } from '../../../agents/kit/deployment.ts'
import { taskManagerAbi } from '../../../agents/protocol/generated/abi.ts'
import { taskIdOf } from '../../../agents/protocol/ids.ts'
import type { Address, Hex } from '../../../agents/protocol/ids.ts'
import type { Row } from '../../../scripts/bench.ts'
import { at, root } from '../../../scripts/shell.ts'
import { residentMiB } from './processes.ts'
import { rank, row, say } from './rows.ts'

const LOOK_MS = 50
const MEMORY_MS = 500

interface Watched {
  summary: Summary
  /** Milliseconds since the epoch at which a task was seen settled. */
  settledAt: ReadonlyMap<Hex, number>
  /** Largest memory of each child, MiB. */
  memory: ReadonlyMap<string, number>
  windows: { taskId: Hex; receivedAt: number; readingsAt: number[] }[]
}

export async function jobRows(folder: string, { deep }: { deep: boolean }): Promise<Row[]> {
  const rows = rowsOf('main job, 4 devices', await watch(join(folder, 'job-4'), []))
  if (!deep) return rows
  const file = join(folder, 'forty.csv')
  // One window of each device.
  const lines = Array.from(
    { length: 40 * 64 },
    (_, i) => `device-${i % 40},${1_700_000_000 + 10 * Math.floor(i / 40)},${20 + ((i * 37) % 100) / 10}`,
  )
  writeFileSync(file, `device,time,value\n${lines.join('\n')}\n`)
  const args = ['--data', file, '--device', 'device', '--time', 'time', '--value', 'value']
  return [...rows, ...rowsOf('main job, 40 devices', await watch(join(folder, 'job-40'), args))]
}

function rowsOf(name: string, { summary, settledAt, memory, windows }: Watched): Row[] {
  const { accepted, settled, pending, problems, verified } = summary
  if (accepted !== summary.readings || settled !== accepted || pending !== 0 || problems.length > 0)
    throw new Error(`the job is not settled: ${JSON.stringify({ accepted, settled, pending, problems })}`)
  if (windows.length !== verified || settledAt.size !== verified)
    throw new Error(`${verified} windows were verified, ${windows.length} are stored and ${settledAt.size} were seen settled`)
  const paid = (taskId: Hex): number => {
    const found = settledAt.get(taskId)
    if (found === undefined) throw new Error(`task ${taskId} was never seen settled`)
    return found
  }
  const ofReadings = windows.flatMap(({ taskId, readingsAt }) => readingsAt.map((stored) => (paid(taskId) - stored) / 1000))
  if (ofReadings.length !== accepted) throw new Error(`${ofReadings.length} of ${accepted} readings are in the store`)
  const ofWindows = windows.map(({ taskId, receivedAt }) => (paid(taskId) - receivedAt) / 1000)
  const span = (Math.max(...settledAt.values()) - Math.min(...windows.map(({ receivedAt }) => receivedAt))) / 1000
  const seconds = (what: string, values: readonly number[], part: number): Row =>
    row({ case: `${name}: ${what}, p${part * 100}`, unit: 's', ours: rank(values, part), better: 'less' })
  const largest = (kind: RegExp): number => Math.max(...[...memory].filter(([child]) => kind.test(child)).map(([, mebibytes]) => mebibytes))
  const mebibytes = (what: string, kind: RegExp): Row =>
    row({ case: `${name}: memory, ${what}, largest seen`, unit: 'MiB RSS', ours: largest(kind), better: 'less' })
  return [
    seconds('reading accepted to paid', ofReadings, 0.5),
    seconds('reading accepted to paid', ofReadings, 0.99),
    seconds('window accepted to paid', ofWindows, 0.5),
    seconds('window accepted to paid', ofWindows, 0.99),
    row({ case: `${name}: windows settled, two provers`, unit: 'windows/s', ours: verified / span, better: 'more' }),
    mebibytes('gateway', /^gateway$/),
    mebibytes('coordinator', /^coordinator$/),
    mebibytes('prover with its proving process', /^prover-/),
    mebibytes('device', /^device-/),
    mebibytes('chain (hardhat node)', /^chain$/),
  ]
}

/** Runs `demo --json` and looks at it until it ends. */
async function watch(folder: string, args: readonly string[]): Promise<Watched> {
  say(`job: demo ${args.length > 0 ? 'with 40 devices' : 'with the four motes'}`)
  const state = new LocalState(folder)
  const demo = spawn(
    process.execPath,
    [at('agents', 'cli', 'main.ts'), '--state', folder, 'demo', '--json', '--free-ports', '--no-build', ...args],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let [stdout, stderr] = ['', '']
  demo.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  demo.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  let ended: number | undefined
  demo.once('close', (code) => (ended = code ?? 1))

  const settledAt = new Map<Hex, number>()
  const memory = new Map<string, number>()
  let follow: (() => Promise<void>) | undefined
  let memoryAt = 0
  try {
    while (ended === undefined) {
      await new Promise((wake) => setTimeout(wake, LOOK_MS))
      const record = state.readRun()
      if (record?.job === undefined) continue
      // The last looks may meet a chain that was stopped.
      await (follow ??= follower(state, record.ports.chain, settledAt))().catch(() => undefined)
      if (Date.now() - memoryAt < MEMORY_MS) continue
      memoryAt = Date.now()
      const children = Object.entries(record.children)
      residentMiB(children.map(([, { pid }]) => pid)).forEach((found, i) => {
        const [child] = children[i]!
        memory.set(child, Math.max(memory.get(child) ?? 0, found))
      })
    }
  } finally {
    if (ended === undefined) demo.kill('SIGTERM')
  }
  if (ended !== 0) throw new Error(`the demo ended with ${ended}\n${stdout}\n${stderr}`)
  const summary = JSON.parse(stdout.trim().split('\n').at(-1)!) as Summary
  return { summary, settledAt, memory, windows: storedWindows(state) }
}

/** Notes when each settlement is first seen. */
function follower(state: LocalState, port: number, settledAt: Map<Hex, number>): () => Promise<void> {
  const client: PublicClient = createPublicClient({
    chain: hardhat,
    transport: http(`http://127.0.0.1:${port}`, { retryCount: 0 }),
    cacheTime: 0,
  })
  const address = addressOf(readDeployment(state.addressesFile), 'TaskManager')
  let from = 0n
  return async () => {
    const to = await client.getBlockNumber()
    if (to < from) return
    const events = await client.getContractEvents({ address, abi: taskManagerAbi, eventName: 'TaskSettled', fromBlock: from, toBlock: to })
    from = to + 1n
    const now = Date.now()
    for (const { args } of events) if (!settledAt.has(args.taskId!)) settledAt.set(args.taskId!, now)
  }
}

/** Windows of the gateway's store with the moments at which they and their readings were stored. */
function storedWindows(state: LocalState): Watched['windows'] {
  const { folder } = state.readRun()!.job!
  const taskManager = addressOf(readDeployment(state.addressesFile), 'TaskManager')
  const data = join(folder, 'gateway')
  const [ledger = ''] = readdirSync(data)
  const db = new DatabaseSync(join(data, ledger, 'gateway.sqlite'), { readOnly: true })
  const readings = db.prepare('select received_at from readings where device_id = ? and sequence >= ? and sequence < ?')
  const windows = db
    .prepare('select * from windows')
    .all()
    .map((found) => {
      const [first, count] = [Number(found['first_sequence']), Number(found['count'])]
      return {
        taskId: taskIdOf({
          chainId: hardhat.id,
          taskManager,
          project: BigInt(found['project'] as string),
          device: found['device'] as Address,
          window: Number(found['idx']),
          root: `0x${Buffer.from(found['root'] as Uint8Array).toString('hex')}`,
        }),
        receivedAt: Number(found['received_at']),
        readingsAt: readings.all(found['device_id'] as number, first, first + count).map((reading) => Number(reading['received_at'])),
      }
    })
  db.close()
  return windows
}
