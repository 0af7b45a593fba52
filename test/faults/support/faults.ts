// SPDX-License-Identifier: Apache-2.0
/** Makes the faults of a plan happen on a running network, and undoes what does not end by itself. */
import { randomBytes } from 'node:crypto'
import { decodeAbiParameters, decodeFunctionData, type Hex } from 'viem'
import { readAccounting } from '../../../agents/cli/local/books-stores.ts'
import { addressOf } from '../../../agents/kit/deployment.ts'
import { routerAbi, taskManagerAbi } from '../../../agents/protocol/generated/abi.ts'
import type { LeasedTask } from '../../../agents/protocol/lease.ts'
import { routeItemsType } from '../../../agents/protocol/task-record.ts'
import { packStatistics, statisticsOf } from '../../../agents/protocol/window.ts'
import { createCoordinatorClient } from '../../../agents/prover/coordinator-client.ts'
import type { Agent } from './agent.ts'
import { account, type FaultDevice, type Network } from './network.ts'
import type { Aim, State, Strike } from './plan.ts'

export const pause = (ms: number): Promise<void> => new Promise((wake) => setTimeout(wake, ms))

/** Whether it became true in time. */
export async function became(what: () => Promise<boolean>, limitMs: number, everyMs = 25): Promise<boolean> {
  for (const until = Date.now() + limitMs; Date.now() < until;) {
    if (await what().catch(() => false)) return true
    await pause(everyMs)
  }
  return false
}

interface TaskView {
  id: Hex
  device: Hex
  state: string
  prover: Hex | null
}

/** Tasks of a device in one state, as the first coordinator tells them. */
async function tasksIn(network: Network, device: FaultDevice, state: string): Promise<TaskView[]> {
  const url = `${network.coordinatorUrls[0]!}/v1/tasks?state=${state}&limit=500`
  const { tasks } = (await (await fetch(url, { signal: AbortSignal.timeout(1_000) })).json()) as { tasks: TaskView[] }
  return tasks.filter((task) => task.device === device.id.toLowerCase())
}

const CATCH_MS = 20_000

const holdMining = (network: Network): Promise<unknown> => network.anvil.rpc('evm_setAutomine', [false])

/** Blocks come with each transaction again; what waited is in the next one. */
export async function letMine(network: Network): Promise<void> {
  await network.anvil.rpc('evm_setAutomine', [true])
  await network.anvil.rpc('evm_mine')
}

/** Strikes a process while a window of this device is in the state. False when no window was caught in it. Called before the device starts. */
export async function aimAt(network: Network, device: FaultDevice, aim: Aim, begin: () => void): Promise<boolean> {
  const coordinator = network.coordinators[0]!
  const seen = (state: string) => became(async () => (await tasksIn(network, device, state)).length > 0, CATCH_MS)
  const strike = async (target: Agent): Promise<void> => {
    if (aim.how === 'kill') target.kill()
    else await target.freeze(aim.lastsMs)
  }
  const target = (): Agent => (aim.who === 'coordinator' ? coordinator : network.provers[aim.lastsMs % network.provers.length]!)
  const caught: Record<State, () => Promise<boolean>> = {
    async stored() {
      const stored = async (): Promise<number> => (await readAccounting(network.gatewayUrl, network.project)).windows
      const before = await stored()
      begin()
      const found = await became(async () => (await stored()) > before, CATCH_MS)
      await pause(aim.lastsMs % 400)
      await strike(target())
      return found
    },
    async received() {
      await holdMining(network)
      begin()
      const found = await seen('received')
      await strike(target())
      await letMine(network)
      return found
    },
    async assigned() {
      // Nobody leases meanwhile.
      for (const prover of network.provers) prover.signal('SIGSTOP')
      begin()
      const found = await seen('assigned')
      for (const prover of network.provers) if (prover !== target()) prover.signal('SIGCONT')
      await strike(target())
      for (const prover of network.provers) prover.signal('SIGCONT')
      return found
    },
    async proving() {
      begin()
      let holder: Hex | null = null
      const found = await became(async () => {
        holder = (await tasksIn(network, device, 'leased'))[0]?.prover ?? null
        return holder !== null
      }, CATCH_MS)
      const who = network.provers.findIndex((_, i) => account(10 + i).address.toLowerCase() === holder)
      await strike(aim.who === 'prover' && who >= 0 ? network.provers[who]! : target())
      return found
    },
    async proven() {
      begin()
      const found = await seen('proven')
      await strike(target())
      return found
    },
    async submitted() {
      begin()
      const proven = await seen('proven')
      await holdMining(network)
      const found = proven && (await seen('submitted'))
      await strike(target())
      await letMine(network)
      return found
    },
    async 'mined-unseen'() {
      begin()
      const proven = await seen('proven')
      await holdMining(network)
      const router = addressOf(network.deployment, 'Router').toLowerCase()
      const waits = async (): Promise<boolean> => {
        const pool = await network.anvil.rpc<{ pending: Record<string, Record<string, { to: string | null }>> }>('txpool_content')
        return Object.values(pool.pending).some((own) => Object.values(own).some(({ to }) => to?.toLowerCase() === router))
      }
      const found = proven && (await became(waits, CATCH_MS))
      coordinator.signal('SIGSTOP')
      await letMine(network)
      coordinator.kill()
      return found
    },
  }
  try {
    return await caught[aim.state]()
  } finally {
    await letMine(network).catch(() => undefined)
  }
}

/** Makes one fault and waits for its end. False when there was nothing to strike at. */
export async function strikeWith(network: Network, device: FaultDevice, process: Agent, strike: Strike): Promise<boolean> {
  const { kind, lastsMs, choice } = strike
  const prover = network.provers[choice % network.provers.length]!
  const coordinator = network.coordinators[choice % network.coordinators.length]!
  const named: Record<string, Agent> = { gateway: network.gateway, coordinator, prover, device: process }
  const [verb, ...rest] = kind.split(' ')
  const target = named[rest.at(-1) ?? '']
  const weather = async (proxy: Network['broker'], next: Network['broker']['weather']): Promise<boolean> => {
    proxy.weather = next
    if (next === 'dead') proxy.cut()
    await pause(lastsMs)
    proxy.weather = 'fair'
    return true
  }
  if (verb === 'kill') target!.kill()
  else if (verb === 'stop') await target!.freeze(lastsMs)
  else if (verb === 'disk') await target!.fullDisk(lastsMs)
  else if (verb === 'clock') await target!.skew(`${choice % 2 === 0 ? '+' : '-'}${90 + (choice % 120)}s`, 2_500 + lastsMs)
  else if (kind === 'chain dead') return weather(network.chainProxy, 'dead')
  else if (kind === 'chain slow') return weather(network.chainProxy, 'slow')
  else if (kind === 'chain reorganised') await network.anvil.rpc('anvil_reorg', [1 + (choice % 8), []])
  else if (kind === 'broker cut') return weather(network.broker, 'dead')
  else if (kind === 'mqtt duplicated') return weather(network.broker, 'doubled')
  else if (kind === 'mqtt reordered') return weather(network.broker, 'reordered')
  else if (kind === 'database down') {
    await network.database!.stop('SIGKILL')
    await pause(lastsMs)
    await network.database!.start()
  } else if (kind === 'prover sends a proof twice') return proofTwice(network, device)
  else if (kind === 'prover sends garbage') return lie(network, device, () => Array.from({ length: 8 }, () => randomWord()))
  else if (kind === 'prover sends another’s proof') {
    const other = (await newestRoute(network))?.proof
    return other !== undefined && lie(network, device, () => other)
  } else throw new Error(`nobody makes ${kind} happen`)
  return true
}

/** Below the field's modulus. */
const randomWord = (): string => (BigInt(`0x${randomBytes(31).toString('hex')}`) >> 1n).toString()

/** A prover that answers a lease with this proof under the signals that are wanted. Its own process sleeps meanwhile. */
async function lie(network: Network, device: FaultDevice, proofOf: (task: LeasedTask) => readonly string[]): Promise<boolean> {
  for (const prover of network.provers) prover.signal('SIGSTOP')
  try {
    let told = false
    await became(async () => {
      const open = [...(await tasksIn(network, device, 'assigned')), ...(await tasksIn(network, device, 'leased'))]
      const liar = network.provers
        .map((_, i) => account(10 + i))
        .find(({ address }) => open.some(({ prover }) => prover === address.toLowerCase()))
      if (liar === undefined) return false
      const client = createCoordinatorClient(network.coordinatorUrls[0]!, liar)
      const [leased] = await client.lease(1, [], AbortSignal.timeout(2_000))
      if (leased === undefined) return false
      const { status } = await client.result(leased.task.taskId, proofOf(leased.task), signalsOf(leased.task))
      if (status === 'accepted') throw new Error(`the coordinator took a false proof of task ${leased.task.taskId}`)
      return (told = status === 'refused')
    }, CATCH_MS)
    return told
  } finally {
    for (const prover of network.provers) prover.signal('SIGCONT')
  }
}

function signalsOf(task: LeasedTask): string[] {
  const { lanes, firstSequence, firstTime, index, root } = task.window
  const content = { firstSequence, firstTime, channel: BigInt(task.terms.channel), lanes }
  const statistics = packStatistics(statisticsOf(content, index, task.terms.threshold, task.terms.rangeMax))
  return [task.context, BigInt(root).toString(), statistics.toString(), task.dataKey.commitment]
}

interface Routed {
  input: Hex
  proof: string[]
}

/** The proof that settled last, from its transaction: everybody can read it. */
async function newestRoute({ client, deployment }: Network): Promise<Routed | undefined> {
  const address = addressOf(deployment, 'TaskManager')
  const head = await client.getBlockNumber()
  const fromBlock = head > 500n ? head - 500n : 0n
  const last = (await client.getContractEvents({ address, abi: taskManagerAbi, eventName: 'TaskSettled', fromBlock })).at(-1)
  if (last === undefined) return undefined
  const { input } = await client.getTransaction({ hash: last.transactionHash })
  const call = decodeFunctionData({ abi: routerAbi, data: input })
  if (call.functionName !== 'route') return undefined
  const [items] = decodeAbiParameters(routeItemsType, call.args[3])
  return { input, proof: items[0]!.proof.map(String) }
}

/** Somebody sends the call that settled last once more, past every estimate. What it does, the audit sees. */
async function proofTwice(network: Network, _device: FaultDevice): Promise<boolean> {
  let routed: Routed | undefined
  await became(async () => (routed = await newestRoute(network)) !== undefined, CATCH_MS)
  if (routed === undefined) return false
  const from = account(20).address
  const to = addressOf(network.deployment, 'Router')
  await network.anvil.rpc('eth_sendTransaction', [{ from, to, data: routed.input, gas: '0x4c4b40' }])
  return true
}
