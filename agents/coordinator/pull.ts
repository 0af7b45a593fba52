// SPDX-License-Identifier: Apache-2.0
/** Takes new windows from the data availability stores. One pass reads at most one page of each project and store; the cursor moves with what was taken. */
import { taskIdOf } from '../protocol/ids.ts'
import type { Next } from '../kit/lifecycle.ts'
import type { WindowItem } from '../protocol/lease.ts'
import { type Reason } from './errors.ts'
import type { NewTask } from './ledger.ts'
import type { Modules } from './modules.ts'
import { dataSignatureHolds, fetchWindows, judgeWindow, type PageItem, type WindowPage } from './windows.ts'

const pageSize = 100

/** @throws TrellisError GATEWAY_UNREACHABLE for a gateway that no other stood in for; everything else has moved on */
export async function pullPass(modules: Modules, signal?: AbortSignal): Promise<Next> {
  let next: Next = 'wait'
  const failures: unknown[] = []
  for (const project of modules.config.projects) {
    const done = new Set<string>()
    const failed = new Map<string, unknown>()
    for (const url of modules.config.gatewayUrls) {
      const room = modules.config.maxOpen - (await modules.ledger.open())
      if (room <= 0) return 'wait'
      try {
        if ((await pullStore(modules, project, url, Math.min(pageSize, room), done, signal)) === 'again') next = 'again'
      } catch (error) {
        failed.set(url, error)
      }
    }
    for (const [url, error] of failed) {
      const store = modules.stores.get(url)
      if (store === undefined || !done.has(store)) failures.push(error)
    }
  }
  if (failures.length > 0) throw failures[0]
  return next
}

/** One page of the store that a gateway speaks for, unless this pass, or another coordinator, read that store already. */
async function pullStore(
  modules: Modules,
  project: bigint,
  url: string,
  limit: number,
  done: Set<string>,
  signal: AbortSignal | undefined,
): Promise<Next> {
  const { ledger, log, metrics, stores, wake } = modules
  // Whose cursor it is must be known before it is used: the answer to the first question only tells that.
  const store = stores.get(url) ?? (await fetchWindows(url, project, 0, 1, signal)).store
  stores.set(url, store)
  if (done.has(store)) return 'wait'
  const after = await ledger.pulling(project, store)
  if (after === null) return 'wait'
  const page = await fetchWindows(url, project, after, limit, signal).catch(async (error: unknown) => {
    await ledger.notPulling(project, store)
    throw error
  })
  if (page.store !== store) {
    log.warn({ url, store: page.store, before: store }, 'this gateway speaks for another store now')
    stores.set(url, page.store)
    return 'again'
  }
  done.add(store)
  if (page.items.length === 0) return 'wait'
  const taken = await ledger.take(project, store, await readPage(modules, project, page), page.next)
  metrics.pulled.inc(taken)
  log.debug({ project, store, taken, cursor: page.next }, 'windows pulled')
  if (taken > 0) wake.assign()
  return page.items.length === limit ? 'again' : 'wait'
}

async function readPage(modules: Modules, project: bigint, page: WindowPage): Promise<NewTask[]> {
  const fresh: NewTask[] = []
  for (const entry of page.items) {
    const task = await taskOf(modules, project, entry)
    if (task.dead !== null)
      modules.log.warn(
        { task: task.id, root: task.root, project, device: task.device, window: task.window, reason: task.dead },
        'window refused',
      )
    else modules.log.info({ task: task.id, root: task.root, project, device: task.device, window: task.window }, 'window pulled')
    fresh.push(task)
  }
  return fresh
}

async function taskOf(modules: Modules, project: bigint, entry: PageItem): Promise<NewTask> {
  const { item, json } = entry
  // What cannot be read has no place on chain: it is put aside under a name of its own, and the page goes on.
  if (item === null)
    return {
      id: entry.id,
      project,
      device: '0x',
      window: 0,
      root: '0x',
      readings: 0,
      item: json,
      receivedAt: modules.now(),
      dead: 'BAD_WINDOW',
    }
  const dead = await judge(modules, item, project)
  const { device, index: window, root } = item
  const id = taskIdOf({ chainId: modules.chainId, taskManager: modules.view.addresses.taskManager, project, device, window, root })
  return { id, project, device, window, root, readings: item.count, item: json, receivedAt: Math.round(item.receivedAt), dead }
}

async function judge({ config, view, chainId }: Modules, item: WindowItem, project: bigint): Promise<Reason | null> {
  const reason = judgeWindow(item, project)
  if (reason !== null || !config.checkDataSignatures) return reason
  const key = await view.dataKey(project, item.device, item.index)
  // No key now is no verdict: assignment asks the chain again, and the chain refuses what has none.
  if (key === null) return null
  return dataSignatureHolds(item, { chainId, dataKeyRegistry: view.addresses.dataKeyRegistry, project }, key) ? null : 'BAD_DATA_SIGNATURE'
}
