// SPDX-License-Identifier: Apache-2.0
/** When each window was stored by the gateway and when its payment was first seen on chain. */
import { addressOf } from '../../../agents/kit/deployment.ts'
import { taskManagerAbi } from '../../../agents/protocol/generated/abi.ts'
import { taskIdOf, type Address, type Hex } from '../../../agents/protocol/ids.ts'
import type { Network } from '../../faults/support/network.ts'

const LOOK_MS = 50

export interface Settlements {
  /** In the order in which they were seen, unix milliseconds; a settlement that a reorganisation repeats counts once. */
  readonly times: { taskId: Hex; at: number }[]
  /** Unix milliseconds at which windows stored after `since` were seen settled. */
  of(since: number): number[]
  /** Windows with both moments. */
  windows(): { taskId: Hex; storedAt: number; settledAt: number | undefined; device: string }[]
  stop(): void
}

interface Item {
  cursor: number
  receivedAt: number
  root: Hex
  device: Address
  index: number
}

/** Looks past the chain's proxy, every 50 ms. */
export function followSettlements(network: Pick<Network, 'client' | 'deployment' | 'project' | 'gatewayUrl'>): Settlements {
  const { client, deployment, project, gatewayUrl } = network
  const taskManager = addressOf(deployment, 'TaskManager')
  const seen = new Map<Hex, number>()
  const stored = new Map<Hex, { storedAt: number; device: string }>()
  const times: Settlements['times'] = []
  let [from, cursor, ended] = [0n, 0, false]
  const look = async (): Promise<void> => {
    const to = await client.getBlockNumber()
    // Blocks that a reorganisation put in the place of others are looked at again.
    const fromBlock = from > 10n ? from - 10n : 0n
    const events = await client.getContractEvents({
      address: taskManager,
      abi: taskManagerAbi,
      eventName: 'TaskSettled',
      fromBlock,
      toBlock: to,
    })
    from = to
    const now = Date.now()
    for (const { args } of events) {
      if (seen.has(args.taskId!)) continue
      seen.set(args.taskId!, now)
      times.push({ taskId: args.taskId!, at: now })
    }
    const page = await fetch(`${gatewayUrl}/v1/projects/${project}/windows?after=${cursor}&limit=500`, {
      signal: AbortSignal.timeout(1_000),
    })
    for (const item of ((await page.json()) as { items: Item[] }).items) {
      const { root, device, index: window, receivedAt } = item
      stored.set(taskIdOf({ chainId: deployment.chainId, taskManager, project, device, window, root }), { storedAt: receivedAt, device })
      cursor = item.cursor
    }
  }
  const loop = async (): Promise<void> => {
    while (!ended) {
      await look().catch(() => undefined)
      await new Promise((wake) => setTimeout(wake, LOOK_MS))
    }
  }
  void loop()
  return {
    times,
    of: (since) => times.filter(({ taskId }) => (stored.get(taskId)?.storedAt ?? 0) > since).map(({ at }) => at),
    windows: () => [...stored].map(([taskId, { storedAt, device }]) => ({ taskId, storedAt, device, settledAt: seen.get(taskId) })),
    stop: () => void (ended = true),
  }
}
