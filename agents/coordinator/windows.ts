// SPDX-License-Identifier: Apache-2.0
/** Windows from the data availability store, over HTTP, checked: the store is trusted to keep them, not to be right. */
import { decodeDataSignature, openWindow, readingsRoot, rootToHex, windowMessage } from '../protocol/window.ts'
import { keccak256, stringToBytes } from 'viem'
import { channelIdOf, type Hex } from '../protocol/ids.ts'
import { windowItemSchema, windowPageSchema, type WindowItem, type WindowItemJson } from '../protocol/lease.ts'
import { verifyPoseidon } from '../crypto/eddsa.ts'
import { gatewayFailed, type Reason } from './errors.ts'

/** A window as it could be read; `id` names one that could not. */
export type PageItem = { item: WindowItem; json: WindowItemJson } | { item: null; json: WindowItemJson; id: Hex }

export interface WindowPage {
  /** The store that the gateway speaks for. */
  store: string
  items: PageItem[]
  /** Cursor after this page. */
  next: number
}

const timeoutMs = 10_000
/** A full page is about 1 MB; a store that sends more is broken. */
const maxBytes = 8 << 20

/** Windows of a project after a cursor. @throws TrellisError GATEWAY_UNREACHABLE (retryable) */
export async function fetchWindows(
  gatewayUrl: string,
  project: bigint,
  after: number,
  limit: number,
  signal?: AbortSignal,
): Promise<WindowPage> {
  const url = new URL(`/v1/projects/${project}/windows?after=${after}&limit=${limit}`, gatewayUrl).href
  try {
    const timeout = AbortSignal.timeout(timeoutMs)
    const response = await fetch(url, { signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]), redirect: 'error' })
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
    const text = await response.text()
    if (text.length > maxBytes) throw new Error(`${text.length} bytes`)
    const page = windowPageSchema.parse(JSON.parse(text))
    const items = page.items.map(readItem)
    const cursors = page.items.map((json) => Number((json as { cursor?: unknown } | null)?.cursor)).filter(Number.isSafeInteger)
    return { store: page.storeId, items, next: Math.max(after, page.next ?? 0, ...cursors) }
  } catch (error) {
    throw gatewayFailed(url, error)
  }
}

function readItem(json: unknown): PageItem {
  const read = windowItemSchema.safeParse(json)
  if (read.success) return { item: read.data, json: json as WindowItemJson }
  return { item: null, json: json as WindowItemJson, id: keccak256(stringToBytes(JSON.stringify(json))) }
}

/** Why a window cannot be a task, or null: its own rules, and that its root is the root of what it carries. */
export function judgeWindow(item: WindowItem, project: bigint): Reason | null {
  const content = { firstSequence: item.firstSequence, firstTime: item.firstTime, channel: channelIdOf(item.channel), lanes: item.lanes }
  if (item.project !== project.toString() || item.count !== item.lanes.length || !openWindow(content).ok) return 'BAD_WINDOW'
  return rootToHex(readingsRoot(content)) === item.root ? null : 'BAD_WINDOW'
}

/** Whether the data key signed this window. */
export function dataSignatureHolds(
  item: WindowItem,
  at: { chainId: number; dataKeyRegistry: Hex; project: bigint },
  key: { x: bigint; y: bigint },
): boolean {
  const signature = decodeDataSignature(item.dataSignature)
  if (signature === undefined) return false
  const { device, index: windowIndex, firstSequence, count, root } = item
  return verifyPoseidon(windowMessage({ ...at, device, windowIndex, firstSequence, count, root: BigInt(root) }), signature, key)
}
