// SPDX-License-Identifier: Apache-2.0
/**
 * The stores' side of the books: the windows of each gateway's store over HTTP, merged by task id, and the dead letters of coordinators. Two gateways
 * on one store name the same `storeId` and are read once; windows that lie in two stores count once.
 */
import type { Hex } from 'viem'
import { z } from 'zod'
import { TrellisError } from '../../protocol/errors.ts'
import { channelIdOf, taskIdOf, type Address } from '../../protocol/ids.ts'
import { lanesFromHex, openWindow, readingsRoot, rootToHex } from '../../protocol/window.ts'

const hex = z.string().transform((text) => text.toLowerCase() as Hex)

const windowSchema = z.object({
  cursor: z.number(),
  root: hex,
  project: z.string(),
  device: hex,
  index: z.number().int(),
  firstSequence: z.string(),
  count: z.number().int(),
  firstTime: z.string(),
  channel: z.string(),
  lanes: z.string(),
})

const pageSchema = z.object({ storeId: z.string().optional(), items: z.array(windowSchema), next: z.number().nullable() })

const accountingSchema = z.object({
  acceptedReadings: z.number(),
  windowedReadings: z.number(),
  windows: z.number(),
  refused: z.record(z.string(), z.number()),
})

const deadSchema = z.object({ tasks: z.array(z.object({ id: hex, reason: z.string().nullable() })), next: hex.nullable() })

export type GatewayAccounting = z.output<typeof accountingSchema>
type StoredWindow = z.output<typeof windowSchema>
export type GatewayWindow = Pick<StoredWindow, 'cursor' | 'root' | 'project' | 'device' | 'index' | 'firstSequence' | 'count'> & {
  taskId: Hex
  /** The readings that the store holds hash to the root that it gives. */
  intact: boolean
}

/** One store: who serves it, what it accounts for, and how much of that it lists. */
export interface StoreBook {
  /** `storeId`, or the URL of a gateway that does not tell one. */
  id: string
  accounting: GatewayAccounting
  listed: { windows: number; readings: number }
}

/** Where tasks of these windows live: what their ids commit to. */
export interface TaskPlace {
  chainId: number
  taskManager: Address
  project: bigint
}

const ANSWER_MS = 30_000
const PAGE = 500
/** Times that a store which takes windows while it is read is read again. */
const STORE_TRIES = 5

async function get<T>(url: string, schema: z.ZodType<T>, who = 'gateway'): Promise<T> {
  const ask = (): Promise<Response> => fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) })
  // Once more: a connection that was kept from an earlier answer may have been closed meanwhile.
  const response = await ask()
    .catch(ask)
    .catch((cause: unknown) => {
      throw new TrellisError({
        code: `${who.toUpperCase()}_SILENT`,
        message: `The ${who} does not answer.`,
        details: { url },
        next: 'npm run trellis -- status',
        retryable: true,
        cause,
      })
    })
  if (!response.ok) {
    throw new TrellisError({
      code: `${who.toUpperCase()}_REFUSED`,
      message: `The ${who} answered ${response.status}.`,
      details: { url },
      next: `check that this is the URL of a ${who}`,
    })
  }
  return schema.parse(await response.json())
}

export const readAccounting = (gatewayUrl: string, project: bigint): Promise<GatewayAccounting> =>
  get(`${gatewayUrl}/v1/accounting?project=${project}`, accountingSchema)

/** Every store behind these gateways and all their windows. Lanes are checked page by page and not kept. */
export async function readStores(
  gatewayUrls: readonly string[],
  place: TaskPlace,
): Promise<{ stores: StoreBook[]; windows: Map<Hex, GatewayWindow> }> {
  const stores = new Map<string, StoreBook>()
  const windows = new Map<Hex, GatewayWindow>()
  for (const url of gatewayUrls.map((given) => given.replace(/\/$/, ''))) {
    const first = await get(`${url}/v1/projects/${place.project}/windows?after=0&limit=1`, pageSchema)
    const id = first.storeId ?? url
    if (!stores.has(id)) stores.set(id, await readStore(url, id, place, windows))
  }
  return { stores: [...stores.values()], windows }
}

/** Accounting and windows of one moment: a window that came between the two reads would look like a mistake. */
async function readStore(url: string, id: string, place: TaskPlace, windows: Map<Hex, GatewayWindow>): Promise<StoreBook> {
  for (let tries = 1; ; tries += 1) {
    const accounting = await readAccounting(url, place.project)
    const listed = await readWindows(url, place, windows)
    const { windowedReadings } = await readAccounting(url, place.project)
    if (windowedReadings === accounting.windowedReadings || tries === STORE_TRIES) return { id, accounting, listed }
  }
}

async function readWindows(url: string, place: TaskPlace, windows: Map<Hex, GatewayWindow>): Promise<StoreBook['listed']> {
  const listed = { windows: 0, readings: 0 }
  for (let after = 0; ;) {
    const { items, next } = await get(`${url}/v1/projects/${place.project}/windows?after=${after}&limit=${PAGE}`, pageSchema)
    const last = items.at(-1)
    if (last === undefined) return listed
    for (const item of items) {
      const { cursor, root, project, device, index, firstSequence, count } = item
      const taskId = taskIdOf({ ...place, device, window: index, root })
      const intact = isIntact(item) && windows.get(taskId)?.intact !== false
      windows.set(taskId, { cursor, root, project, device, index, firstSequence, count, taskId, intact })
      listed.windows += 1
      listed.readings += count
    }
    const following = next ?? last.cursor
    if (following <= after) {
      throw new TrellisError({
        code: 'GATEWAY_REFUSED',
        message: 'The gateway’s list of windows does not go on.',
        details: { url, after, next: following },
        next: 'update this gateway',
      })
    }
    after = following
  }
}

/** The task, and with it the pay, hangs on the root: readings that do not hash to it are not the ones that were proven. */
function isIntact({ root, firstSequence, firstTime, channel, lanes: hexLanes, count }: StoredWindow): boolean {
  const lanes = lanesFromHex(hexLanes)
  if (lanes?.length !== count) return false
  const content = { firstSequence: Number(firstSequence), firstTime: Number(firstTime), channel: channelIdOf(channel), lanes }
  return openWindow(content).ok && rootToHex(readingsRoot(content)) === root
}

/** Tasks that coordinators put aside, with their reasons; of several reasons the last one told. */
export async function readDeadLetters(coordinatorUrls: readonly string[]): Promise<Map<Hex, string>> {
  const dead = new Map<Hex, string>()
  for (const url of coordinatorUrls.map((given) => given.replace(/\/$/, ''))) {
    for (let after: Hex | null = null, pages = 0; pages < MAX_PAGES; pages += 1) {
      const query: string = after === null ? '' : `&after=${after}`
      const page: z.output<typeof deadSchema> = await get(`${url}/v1/tasks?state=dead&limit=${PAGE}${query}`, deadSchema, 'coordinator')
      for (const { id, reason } of page.tasks) dead.set(id, reason ?? 'UNKNOWN')
      after = page.next
      if (after === null) break
    }
  }
  return dead
}
/** More dead letters than this are a network that does not work. */
const MAX_PAGES = 2_000
