// SPDX-License-Identifier: Apache-2.0
/** One seed: a fresh device delivers a few windows while its plan happens; then the books must close and everything it was told to forget be settled. */
import { type Audit, check } from '../../../agents/cli/local/books.ts'
import { readBooks } from '../../../agents/cli/local/books-chain.ts'
import { addressOf } from '../../../agents/kit/deployment.ts'
import { taskManagerAbi } from '../../../agents/protocol/generated/abi.ts'
import type { Agent } from './agent.ts'
import { aimAt, became, letMine, pause, strikeWith } from './faults.ts'
import type { FaultDevice, Network } from './network.ts'
import { describePlan, type Plan } from './plan.ts'

export interface SeedResult {
  happened: string[]
  /** Faults for which there was nothing to strike at. */
  missed: string[]
  seconds: number
}

/** Seconds between the first readings of two windows; the device closes a window at a gap above one second. */
const GAP = 2
const LIMIT_MS = 90_000
const START_MS = 60_000

/** Windows of two readings each; the first ones are due at once. */
export function rowsOf(windows: number, seed: number): { time: number; value: string }[] {
  const start = Math.floor(Date.now() / 1000) - 2 * (GAP + 1)
  return Array.from({ length: windows * 2 }, (_, i) => ({
    time: start + Math.floor(i / 2) * (GAP + 1) + (i % 2),
    value: (40 + ((seed * 31 + i * 7) % 4_000) / 100).toFixed(2),
  }))
}

/** @throws Error with the plan, what is wrong, and the end of every process's output */
export async function runSeed(network: Network, device: FaultDevice, plan: Plan, windows = 4, limitMs = LIMIT_MS): Promise<SeedResult> {
  const started = performance.now()
  const [happened, missed]: [string[], string[]] = [[], []]
  const note = (what: string, did: boolean): void => void (did ? happened : missed).push(what)
  let process: Agent | undefined
  const begin = (): Agent =>
    (process ??= network.device(`device-${plan.seed}-${device.id.slice(2, 8)}`, device, rowsOf(windows, plan.seed)))
  let stranger: Agent | undefined
  try {
    const early = plan.strikes.filter(({ kind }) => kind.startsWith('prover sends') || kind.startsWith('mqtt'))
    const late = plan.strikes.filter((strike) => !early.includes(strike))
    if (plan.strikes.some(({ kind }) => kind === 'coordinator assigns twice')) {
      stranger = await network.stranger()
      happened.push('coordinator assigns twice')
    }
    for (const strike of early) note(strike.kind, await strikeWith(network, device, begin(), strike))
    // Without an aim the strikes meet a device that delivers, however long it takes to start.
    if (plan.aim === null) await became(async () => begin().output.includes('"msg":"started"'), START_MS)
    else note(`window ${plan.aim.state}`, await aimAt(network, device, plan.aim, begin))
    for (const strike of late) {
      if (strike.kind === 'coordinator assigns twice') continue
      await pause(strike.afterMs)
      note(strike.kind, await strikeWith(network, device, begin(), strike))
    }
    await converged(network, device, begin(), windows, limitMs)
    return { happened, missed, seconds: (performance.now() - started) / 1000 }
  } catch (error) {
    const ends = network.agents.filter(({ pid, name }) => pid !== undefined || name === process?.name)
    const outputs = ends.map(({ name, output }) => `--- ${name}\n${output.slice(-2_500)}`)
    const text = error instanceof Error ? error.message : String(error)
    throw new Error(`${describePlan(plan)}\n${text}\n${outputs.join('\n')}`, { cause: error })
  } finally {
    network.chainProxy.weather = network.broker.weather = 'fair'
    for (const agent of network.agents) agent.signal('SIGCONT')
    await letMine(network).catch(() => undefined)
    await process?.end()
    await stranger?.end()
  }
}

/** Waits for the device's end, for its windows on chain, and for books that close. */
async function converged(network: Network, device: FaultDevice, process: Agent, windows: number, limitMs: number): Promise<void> {
  const { client, deployment, project, gatewayUrl, coordinatorUrls } = network
  const until = Date.now() + limitMs
  const left = (): number => Math.max(1, until - Date.now())
  const failed = (): string | undefined => network.agents.find(({ failure }) => failure !== undefined)?.failure
  const call = { address: addressOf(deployment, 'TaskManager'), abi: taskManagerAbi, functionName: 'settledBitmap' } as const
  const settled = async (): Promise<number> =>
    (await client.readContract({ ...call, args: [project, device.id, 0] })).toString(2).replaceAll('0', '').length
  await became(async () => failed() !== undefined || (process.done && (await settled()) === windows), left(), 100)
  const wrong = failed()
  if (wrong !== undefined) throw new Error(wrong)
  if (!process.done) throw new Error('the device is not rid of its messages')
  const { windows: told } = JSON.parse(process.output.split('\n').findLast((line) => line.includes('"report":"device"'))!) as {
    windows: number
  }
  if (told !== windows) throw new Error(`the device delivered ${told} windows of ${windows}`)
  let audit: Audit | undefined
  const clean = async (): Promise<boolean> => {
    audit = check(await readBooks({ client, deployment, gatewayUrls: [gatewayUrl], coordinatorUrls, project }))
    const { problems, pending, open, refusedAfterAccept } = audit
    return problems.length === 0 && pending === 0 && open === 0 && refusedAfterAccept === 0
  }
  const closed = await became(clean, Math.max(5_000, left()), 250)
  // Books that never saw a window close as well.
  const paid = await settled()
  if (closed && paid === windows) return
  if (closed) throw new Error(`${paid} of the ${windows} windows that the device forgot are settled, and the books know of no others`)
  throw new Error(`the books do not close: ${audit === undefined ? 'they cannot be read' : JSON.stringify(audit, undefined, 1)}`)
}
