// SPDX-License-Identifier: Apache-2.0
/** What pages read, each with its key: the network, the gateway's and the coordinator's stores. */
import { keepPreviousData, useQuery, type UseQueryResult } from '@tanstack/react-query'
import { useMemo } from 'react'
import { erc20Abi } from 'viem'
import type { DeviceRow, Network, Page, TaskEvent } from '../../api.ts'
import type { Hex } from '../../../protocol/ids.ts'

import { chain } from './chain.ts'
import { query, read } from './http.ts'
import { noteGenesis, useLive } from './live.ts'

const SLOW_MS = 15_000
const LIVE_MS = 4_000
/** The most of the coordinator's list that the page holds. */
const TASK_PAGES = 4

let before: Network | undefined

/** Terms do not change with the gateway's health: those of the same chain stay when it is silent. */
async function readNetwork(signal: AbortSignal): Promise<Network> {
  const found = await read<Network>('/network', signal)
  noteGenesis(found.genesisHash)
  const terms = before?.genesisHash === found.genesisHash ? { ...before.terms, ...found.terms } : found.terms
  before = { ...found, terms }
  return before
}

export const useNetwork = (): UseQueryResult<Network> =>
  useQuery({ queryKey: ['network'], queryFn: ({ signal }) => readNetwork(signal), refetchInterval: SLOW_MS })

export interface Token {
  address: Hex
  symbol: string
  decimals: number
}

/** The token that the first project with terms pays in. */
export function useToken(): Token | undefined {
  const network = useNetwork().data
  const address = network === undefined ? undefined : Object.values(network.terms)[0]?.terms.token
  const { data } = useQuery({
    queryKey: ['token', address],
    enabled: address !== undefined,
    staleTime: Infinity,
    queryFn: async () => {
      const contract = { address: address!, abi: erc20Abi } as const
      const [symbol, decimals] = await Promise.all([
        chain.readContract({ ...contract, functionName: 'symbol' }),
        chain.readContract({ ...contract, functionName: 'decimals' }),
      ])
      return { address: address!, symbol, decimals }
    },
  })
  return data
}

/** The project whose devices are shown: the first with terms. */
export function useProject(): string | undefined {
  const network = useNetwork().data
  return network === undefined ? undefined : (Object.keys(network.terms)[0] ?? network.projects[0])
}

export function useDevices(project: string | undefined, after: string | undefined, limit: number): UseQueryResult<Page<DeviceRow>> {
  return useQuery({
    queryKey: ['devices', project, after, limit],
    enabled: project !== undefined,
    placeholderData: keepPreviousData,
    refetchInterval: LIVE_MS,
    queryFn: ({ signal }) => read<Page<DeviceRow>>(`/gateway/v1/projects/${project ?? ''}/devices${query({ after, limit })}`, signal),
  })
}

/** A task as the coordinator lists it. */
export interface TaskRow {
  id: Hex
  project: string
  device: Hex
  window: number
  root: Hex
  readings: number
  state: string
  prover: Hex | null
  reason: string | null
  tx: Hex | null
  block: number | null
  attempts: number
  receivedAt: number
}

async function allTasks(signal: AbortSignal): Promise<TaskRow[]> {
  const found: TaskRow[] = []
  let after: string | undefined
  for (let page = 0; page < TASK_PAGES; page++) {
    const { tasks, next } = await read<{ tasks: TaskRow[]; next: string | null }>(
      `/coordinator/v1/tasks${query({ limit: 500, after })}`,
      signal,
    )
    found.push(...tasks)
    if (next === null) break
    after = next
  }
  return found.reverse()
}

const rowOf = ({ id, project, device, index, root, state, prover, transaction, reason, at }: TaskEvent, before?: TaskRow): TaskRow => ({
  readings: 0,
  block: null,
  attempts: 0,
  receivedAt: at,
  ...before,
  ...{ id, project, device, window: index, root, state, prover, tx: transaction, reason },
})

/** The coordinator's tasks, newest first, with what its stream said since. */
export function useTasks(): UseQueryResult<TaskRow[]> & { rows: TaskRow[] | undefined } {
  const found = useQuery({ queryKey: ['tasks'], queryFn: ({ signal }) => allTasks(signal), refetchInterval: SLOW_MS })
  const live = useLive('tasks')
  const { data, dataUpdatedAt } = found
  const rows = useMemo(() => {
    if (data === undefined) return live.length === 0 ? undefined : live.map((event) => rowOf(event))
    const known = new Map(data.map((task) => [task.id, task]))
    const fresh: TaskRow[] = []
    for (const event of live) {
      const before = known.get(event.id)
      if (before === undefined) fresh.push(rowOf(event))
      else if (event.at >= dataUpdatedAt || before.state !== 'settled') known.set(event.id, rowOf(event, before))
    }
    return [...fresh, ...data.map((task) => known.get(task.id)!)]
  }, [data, dataUpdatedAt, live])
  return { ...found, rows }
}
