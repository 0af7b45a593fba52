// SPDX-License-Identifier: Apache-2.0
/** Takes new windows from the data availability store. One pass reads at most one page of each project; the cursor moves with what was taken. */
import { taskIdOf } from '../protocol/ids.ts'
import type { Next } from '../kit/lifecycle.ts'
import type { WindowItem } from '../protocol/lease.ts'
import { type Reason } from './errors.ts'
import type { NewTask } from './ledger.ts'
import type { Modules } from './modules.ts'
import { dataSignatureHolds, fetchWindows, judgeWindow } from './windows.ts'

const pageSize = 100

/** @throws TrellisError GATEWAY_UNREACHABLE; the projects before the failing one have moved on */
export async function pullPass(modules: Modules, signal?: AbortSignal): Promise<Next> {
  const { config, ledger, log, metrics, wake } = modules
  let next: Next = 'wait'
  for (const project of config.projects) {
    const room = config.maxOpen - (await ledger.open())
    if (room <= 0) return 'wait'
    const after = await ledger.pulled(project)
    const limit = Math.min(pageSize, room)
    const page = await fetchWindows(config.gatewayUrl, project, after, limit, signal)
    if (page.items.length === 0) continue
    const fresh: NewTask[] = []
    for (const { item, json } of page.items) {
      const dead = await judge(modules, item, project)
      if (dead !== null) log.warn({ project, device: item.device, window: item.index, root: item.root, reason: dead }, 'window refused')
      const { device, index: window, root } = item
      const id = taskIdOf({ chainId: modules.chainId, taskManager: modules.view.addresses.taskManager, project, device, window, root })
      fresh.push({ id, project, device, window, root, readings: item.count, item: json, receivedAt: Math.round(item.receivedAt), dead })
    }
    const taken = await ledger.take(project, fresh, page.next)
    metrics.pulled.inc(taken)
    log.debug({ project, taken, cursor: page.next }, 'windows pulled')
    if (taken > 0) wake.assign()
    if (page.items.length === limit) next = 'again'
  }
  return next
}

async function judge({ config, view, chainId }: Modules, item: WindowItem, project: bigint): Promise<Reason | null> {
  const reason = judgeWindow(item, project)
  if (reason !== null || !config.checkDataSignatures) return reason
  const key = await view.dataKey(item.device, item.index)
  // No key now is no verdict: assignment asks the chain again, and the chain refuses what has none.
  if (key === null) return null
  return dataSignatureHolds(item, { chainId, dataKeyRegistry: view.addresses.dataKeyRegistry, project }, key) ? null : 'BAD_DATA_SIGNATURE'
}
