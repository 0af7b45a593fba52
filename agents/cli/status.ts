// SPDX-License-Identifier: Apache-2.0
/** `trellis status`: which processes of the local run live, where they answer, and how far the job is. */
import { isRunning } from './local/process.ts'
import { type LocalState, type Ports, stateAt } from './local/state.ts'
import { type Printer, printer } from './print.ts'

export interface ServiceStatus {
  name: string
  pid: number
  running: boolean
  url: string | null
  /** Answer of /ready; null for what has no HTTP door. */
  ready: boolean | null
}

const PORT_OF: Readonly<Record<string, keyof Ports>> = {
  gateway: 'gateway',
  coordinator: 'coordinator',
  'prover-1': 'prover1',
  'prover-2': 'prover2',
  portal: 'portal',
  indexer: 'indexer',
}

export interface Status {
  running: boolean
  startedAt: string | null
  /** What goes on while the job is not there yet; null once it runs. */
  phase: string | null
  services: ServiceStatus[]
  project: string | null
  /** Null while the gateway or the coordinator does not answer. */
  accounting: { acceptedReadings: number; windowedReadings: number; windows: number } | null
  tasks: { pending: number } | null
}

const getJson = async (url: string): Promise<unknown> => {
  const response = await fetch(url, { signal: AbortSignal.timeout(1500) })
  if (!response.ok) throw new Error(String(response.status))
  return response.json()
}

export async function readStatus(state: LocalState): Promise<Status> {
  const record = state.readRun()
  if (record === undefined)
    return { running: false, startedAt: null, phase: null, services: [], project: null, accounting: null, tasks: null }
  const services = await Promise.all(
    Object.entries(record.children).map(async ([name, ref]): Promise<ServiceStatus> => {
      const port = PORT_OF[name]
      const url =
        name === 'chain' ? `http://127.0.0.1:${record.ports.chain}` : port === undefined ? null : `http://127.0.0.1:${record.ports[port]}`
      const ready =
        port === undefined
          ? null
          : await fetch(`${url ?? ''}/ready`, { signal: AbortSignal.timeout(1500) }).then(
              (response) => response.ok,
              () => false,
            )
      return { name, pid: ref.pid, running: isRunning(ref), url, ready }
    }),
  )
  const project = record.job?.project ?? null
  const gateway = `http://127.0.0.1:${record.ports.gateway}`
  const coordinator = `http://127.0.0.1:${record.ports.coordinator}`
  const [accounting, tasks] = await Promise.all([
    project === null ? null : (getJson(`${gateway}/v1/accounting?project=${project}`) as Promise<Status['accounting']>).catch(() => null),
    (getJson(`${coordinator}/v1/accounting`) as Promise<Status['tasks']>).catch(() => null),
  ])
  const running = isRunning(record.supervisor)
  return { running, startedAt: record.startedAt, phase: (running && record.phase) || null, services, project, accounting, tasks }
}

export async function printStatus(state: LocalState, print: Printer): Promise<void> {
  const status = await readStatus(state)
  if (!status.running)
    print.line(
      status.services.some(({ running }) => running)
        ? 'The supervisor is gone; these outlived it (npm run trellis -- stop):'
        : 'Nothing runs here.',
    )
  else if (status.phase !== null) print.line(`Trellis runs: ${status.phase}.`)
  const alive = status.services.filter(({ running }) => running)
  if (alive.length > 0) {
    print.table([
      ['service', 'process', 'state', 'where'],
      ...alive.map(({ name, pid, ready, url }) => [
        name,
        String(pid),
        ready === null ? 'running' : ready ? 'ready' : 'not ready',
        url ?? '',
      ]),
    ])
  }
  const { accounting, tasks } = status
  if (accounting !== null)
    print.line(
      `project ${status.project ?? ''}: ${accounting.acceptedReadings} readings accepted, ${accounting.windows} windows${tasks === null ? '' : `, ${tasks.pending} tasks pending`}`,
    )
}

export async function status(stateOption: string | undefined, options: { json: boolean }): Promise<void> {
  const state = stateAt(stateOption)
  if (options.json) console.log(JSON.stringify(await readStatus(state)))
  else await printStatus(state, printer(false))
}
