// SPDX-License-Identifier: Apache-2.0
/** `trellis trace`: the way of a reading to its pay. Stores say what they hold, the chain says what happened; each step has its time and its witness. */
import { isHash, parseEventLogs, type PublicClient } from 'viem'
import { z } from 'zod'
import { connectDeployment, addressOf, type Deployment } from '../kit/deployment.ts'
import { TrellisError } from '../protocol/errors.ts'
import { taskEscrowAbi, taskManagerAbi } from '../protocol/generated/abi.ts'
import { type Hex, taskIdOf } from '../protocol/ids.ts'
import { type AuditOptions, chainPolicy, type Target, targetFor } from './audit.ts'
import { inRanges } from './local/books-chain.ts'
import { printer } from './print.ts'

const hash = z.string().transform((text) => text.toLowerCase() as Hex)
const windowSchema = z.object({
  root: hash,
  project: z.string(),
  device: hash,
  index: z.number(),
  firstSequence: z.string(),
  count: z.number(),
  receivedAt: z.number(),
})
type Window = z.output<typeof windowSchema>
const pageSchema = z.object({ items: z.array(windowSchema), next: z.number().nullable() })
const taskSchema = z.object({
  id: hash,
  root: hash,
  device: hash,
  window: z.number(),
  state: z.string(),
  prover: z.string().nullable(),
  attempts: z.number(),
  reason: z.string().nullable(),
  receivedAt: z.number(),
  provenAt: z.number().nullable(),
})
type Task = z.output<typeof taskSchema>

export interface Step {
  /** ISO 8601; null where nobody noted the time. */
  at: string | null
  who: 'gateway' | 'coordinator' | 'chain'
  what: string
  facts: Record<string, string | number | null>
}

interface Way {
  root: Hex | null
  task: Hex | null
  steps: Step[]
}

export async function trace(stateOption: string | undefined, id: string, options: AuditOptions): Promise<void> {
  const target = targetFor(stateOption, options)
  const { rpcUrl, addressesFile } = target
  const { deployment, chain } = await connectDeployment({ rpcUrl, addressesFile, ...chainPolicy })
  const network: Network = { target, deployment, client: chain.public }
  const ways: Way[] = []
  for (const found of await find(network, id)) ways.push(await follow(network, found))
  if (options.json) process.stdout.write(`${JSON.stringify(ways)}\n`)
  else {
    const print = printer(false)
    for (const { root, task, steps } of ways) {
      print.line(`root  ${root ?? 'no gateway here has its window'}`)
      print.line(`task  ${task ?? 'no coordinator has taken it yet'}`)
      const facts = (step: Step): string =>
        Object.entries(step.facts)
          .flatMap(([name, value]) => (value === null ? [] : [`${name} ${value}`]))
          .join('  ')
      print.table(steps.map((step) => [step.at ?? '', step.who, step.what, facts(step)]))
    }
  }
}

interface Network {
  target: Target
  deployment: Deployment
  client: PublicClient
}

interface Found {
  window: Window | undefined
  task: Hex
  /** The reading that was asked for. */
  sequence?: number
}

/** What the id names; a transaction may name several tasks. @throws TrellisError TRACE_UNKNOWN | ID_MALFORMED */
async function find(network: Network, id: string): Promise<Found[]> {
  const { target, deployment } = network
  const reading = /^(0x[0-9a-fA-F]{40}):(\d{1,13})$/.exec(id)
  const taskIn = ({ project, device, index, root }: Window): Hex =>
    taskIdOf({
      chainId: deployment.chainId,
      taskManager: addressOf(deployment, 'TaskManager'),
      project: BigInt(project),
      device,
      window: index,
      root,
    })
  if (reading !== null) {
    const [device, sequence] = [reading[1]!.toLowerCase(), Number(reading[2])]
    const holds = (window: Window): boolean =>
      window.device === device && Number(window.firstSequence) <= sequence && sequence < Number(window.firstSequence) + window.count
    const window = await scan(target, holds)
    if (window === undefined)
      throw unknown(id, 'no window holds this reading: it was not accepted, or its window is still open on the device')
    return [{ window, task: taskIn(window), sequence }]
  }
  const word = id.toLowerCase()
  if (!isHash(word))
    throw new TrellisError({
      code: 'ID_MALFORMED',
      message: `${id.slice(0, 80)} names nothing that can be followed.`,
      next: 'give a reading (0xdevice:sequence), or the 0x and 64 hex digits of a root, a task or a transaction',
    })
  for (const url of target.gatewayUrls) {
    const windows = await windowsOf(url, word, target.project)
    if (windows.length > 0) return windows.map((window) => ({ window, task: taskIn(window) }))
  }
  const tasks = (await taskOf(target, word)) === undefined ? await tasksOnChain(network, word) : [word]
  if (tasks.length === 0) throw unknown(id, 'neither stores nor chain know it, as root, task or transaction')
  return Promise.all(
    tasks.map(async (task) => {
      const known = await taskOf(target, task)
      const window = known === undefined ? await scan(target, (one) => taskIn(one) === task) : await windowOf(target, known)
      return { window, task }
    }),
  )
}

/** A stuck sensor, or two at one place, may give several windows one root. */
async function windowsOf(url: string, root: Hex, project: bigint): Promise<Window[]> {
  const schema = windowSchema.extend({ others: z.array(z.object({ project: z.string(), device: hash })) })
  const first = await get(`${url}/v1/windows/${root}?project=${project}`, schema)
  if (first === undefined) return []
  const { others, ...window } = first
  const devices = [...new Set(others.map(({ device }) => device))].filter((device) => device !== window.device)
  const rest = await Promise.all(
    devices.map((device) => get(`${url}/v1/windows/${root}?project=${project}&device=${device}`, windowSchema)),
  )
  return [window, ...rest.filter((one) => one !== undefined)]
}

const unknown = (id: string, message: string): TrellisError =>
  new TrellisError({
    code: 'TRACE_UNKNOWN',
    message: `Nothing is known of ${id}.`,
    details: { because: message },
    next: 'npm run trellis -- status shows how far devices are; a refused reading is in GET /v1/refusals of the gateway',
  })

/** Tasks that a transaction is about; of a task that only the chain knows, itself. */
async function tasksOnChain({ client, deployment }: Network, word: Hex): Promise<Hex[]> {
  const receipt = await client.getTransactionReceipt({ hash: word }).catch(() => undefined)
  if (receipt !== undefined) {
    const events = parseEventLogs({ abi: taskManagerAbi, logs: receipt.logs, eventName: ['TaskAssigned', 'TaskSettled', 'TaskRecalled'] })
    return [...new Set(events.map(({ args }) => args.taskId))]
  }
  return (await eventsOf({ client, deployment }, word)).length > 0 ? [word] : []
}

const windowOf = async ({ gatewayUrls, project }: Target, { root, device }: Task): Promise<Window | undefined> => {
  for (const url of gatewayUrls) {
    const found = await get(`${url}/v1/windows/${root}?project=${project}&device=${device}`, windowSchema)
    if (found !== undefined) return found
  }
  return undefined
}

async function taskOf({ coordinatorUrls }: Target, task: Hex): Promise<Task | undefined> {
  for (const url of coordinatorUrls) {
    const found = await get(`${url}/v1/tasks/${task}`, taskSchema)
    if (found !== undefined) return found
  }
  return undefined
}

async function scan({ gatewayUrls, project }: Target, wanted: (window: Window) => boolean): Promise<Window | undefined> {
  for (const url of gatewayUrls) {
    for (let after = 0; ;) {
      const page = await get(`${url}/v1/projects/${project}/windows?after=${after}&limit=500`, pageSchema)
      const found = page?.items.find(wanted)
      if (found !== undefined) return found
      if (page === undefined || page.items.length === 0 || page.next === null || page.next <= after) break
      after = page.next
    }
  }
  return undefined
}

/** Undefined when it is not there, or nobody answers: what others say is worth telling. */
async function get<T>(url: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const response = await fetch(url, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined)
  return response?.ok === true ? schema.parse(await response.json()) : undefined
}

async function follow(network: Network, { window, task, sequence }: Found): Promise<Way> {
  const known = await taskOf(network.target, task)
  const steps: Step[] = []
  const iso = (ms: number): string => new Date(ms).toISOString()
  if (window !== undefined) {
    const { device, index, firstSequence, count, receivedAt } = window
    const facts = { device, window: index, readings: `${firstSequence} to ${Number(firstSequence) + count - 1}` }
    steps.push({ at: iso(receivedAt), who: 'gateway', what: 'window accepted', facts: { ...facts, reading: sequence ?? null } })
  }
  if (known !== undefined) {
    const { state, attempts, reason, prover, provenAt } = known
    if (provenAt !== null) steps.push({ at: iso(provenAt), who: 'coordinator', what: 'proof accepted', facts: { prover } })
    steps.push({ at: null, who: 'coordinator', what: state, facts: { failures: attempts === 0 ? null : attempts, reason } })
  }
  steps.push(...(await eventsOf(network, task)))
  // What has no time is how things stand now.
  steps.sort((a, b) => (a.at ?? '9').localeCompare(b.at ?? '9'))
  return {
    root: window?.root ?? known?.root ?? null,
    task: known === undefined && !steps.some(({ who }) => who === 'chain') ? null : task,
    steps,
  }
}

/** What the chain did with a task, and what it paid. */
async function eventsOf({ client, deployment }: Pick<Network, 'client' | 'deployment'>, taskId: Hex): Promise<Step[]> {
  const toBlock = await client.getBlockNumber()
  const found: { block: bigint; logIndex: number; what: string; facts: Step['facts'] }[] = []
  const args = { taskId }
  const words = { TaskAssigned: 'assigned', TaskSettled: 'settled', TaskRecalled: 'recalled', TaskSkipped: 'assignment refused' } as const
  await inRanges({ client, deployment, toBlock }, 'TaskManager', async (fromBlock, end) => {
    const at = { address: addressOf(deployment, 'TaskManager'), abi: taskManagerAbi, args, fromBlock, toBlock: end, strict: true } as const
    const pages = await Promise.all(
      (Object.keys(words) as (keyof typeof words)[]).map((eventName) => client.getContractEvents({ ...at, eventName })),
    )
    for (const { eventName, blockNumber, logIndex, transactionHash, args: told } of pages.flat()) {
      const prover = 'prover' in told ? told.prover : null
      found.push({
        block: blockNumber,
        logIndex,
        what: words[eventName],
        facts: { block: Number(blockNumber), transaction: transactionHash, prover },
      })
    }
    const paid = await client.getContractEvents({
      ...{ address: addressOf(deployment, 'TaskEscrow'), abi: taskEscrowAbi, args, fromBlock, toBlock: end, strict: true },
      eventName: 'TaskPaid',
    })
    for (const {
      blockNumber,
      logIndex,
      transactionHash,
      args: { wallet, devicePay },
    } of paid)
      found.push({
        block: blockNumber,
        logIndex,
        what: 'paid',
        facts: { block: Number(blockNumber), transaction: transactionHash, wallet, amount: devicePay.toString() },
      })
  })
  found.sort((a, b) => (a.block === b.block ? a.logIndex - b.logIndex : Number(a.block - b.block)))
  const times = new Map<bigint, string>()
  for (const { block } of found)
    if (!times.has(block))
      times.set(block, new Date(Number((await client.getBlock({ blockNumber: block })).timestamp) * 1000).toISOString())
  return found.map(({ block, what, facts }) => ({ at: times.get(block)!, who: 'chain', what, facts }))
}
