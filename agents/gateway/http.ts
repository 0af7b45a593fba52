// SPDX-License-Identifier: Apache-2.0
/** The HTTP door for devices, and the data availability interface that coordinators read. */
import type { EventHub } from '../kit/events.ts'
import type { HttpApp, HttpContext } from '../kit/http.ts'
import { TrellisError, overloaded } from '../kit/errors.ts'
import { type Ack, ackToJson } from '../protocol/ack.ts'
import { ENVELOPE_BATCH, type EnvelopeDomain } from '../protocol/envelope.ts'
import { type Address, type Hex, projectId } from '../protocol/ids.ts'
import type { AckKey } from '../protocol/signed-ack.ts'
import { termsToJson } from '../protocol/terms.ts'
import type { Backlog } from './backlog.ts'
import type { ChainView } from './chain-view.ts'
import { DOCUMENT_MAX_BYTES, readDocument } from './documents.ts'
import { badRequest, notFound } from './errors.ts'
import type { Door, Intake } from './intake.ts'
import type { Ledger } from './ledger.ts'
import type { GatewayMetrics } from './metrics.ts'
import { createQuota } from './quota.ts'
import { lastTimeOf, sampled, valueText } from './reads.ts'
import { Sender } from './senders.ts'

/** A batch of 256 full windows takes about 420 kB. */
export const BATCH_MAX_BYTES = 512 * 1024

/** Histories that are read at once: each reads as long as it is. */
const HISTORIES = 4
/** Project seconds, and indices, stay below. */
const TIME_LIMIT = 2 ** 48

/** New documents that one address may leave at once. */
const documentsPerAddress = 2_000

export interface HttpModules {
  intake: Intake
  ledger: Ledger
  view: ChainView
  backlog: Backlog
  metrics: GatewayMetrics
  hub: EventHub
}

export interface HttpDoorOptions extends EnvelopeDomain {
  dataKeyRegistry: Address
  projectStore: Address
  /** Base of the URIs of documents, without a slash at its end; read after the server is bound. */
  publicUrl: () => string
  /** Keys of the answers on an outside broker; none where answers are not signed. */
  ackKeys: readonly AckKey[]
  /** Documents that the store takes. */
  documentsKept: number
  /** Messages of one address that are judged at once. */
  share: number
  now?: () => number
}

export function gatewayRoutes(
  { intake, ledger, view, backlog, metrics, hub }: HttpModules,
  options: HttpDoorOptions,
): (app: HttpApp) => void {
  const { publicUrl, documentsKept, share, now = Date.now } = options
  const tooLarge = (): Promise<Ack> => intake.refuse('TOO_LARGE', `a request has at most ${BATCH_MAX_BYTES} bytes`)
  const documentQuota = createQuota({ burst: documentsPerAddress, now })
  let histories = 0
  // Addresses with messages under way.
  const senders = new Map<string, Sender>()
  /** An address may stand for many devices, as behind a proxy: one that forges does not slow the others down. */
  const sending = async <T>(c: HttpContext, work: (door: Door) => Promise<T>): Promise<T> => {
    const address = c.env.incoming.socket.remoteAddress ?? ''
    const sender = senders.get(address) ?? new Sender({ share, slowsForgers: false })
    senders.set(address, sender)
    try {
      return await work({ name: 'http', sender })
    } finally {
      if (sender.waiting === 0) senders.delete(address)
    }
  }
  const knownProject = async (c: HttpContext): Promise<[string, NonNullable<Awaited<ReturnType<ChainView['project']>>>]> => {
    const id = readProject(c.req.param('id') ?? '')
    const facts = await view.project(id)
    if (facts === undefined) throw notFound('project')
    return [id.toString(), facts]
  }
  return (app) => {
    // A reading or a window of a device, or a list of up to 256 of them. Answers the acknowledgement (of a list: `acks`, in order): 200 when it is stored,
    // 422 when it never will be as it is, 429 and 503 with `retry-after` when it may be later.
    app.post('/v1/messages', async (c) => {
      const length = Number(c.req.header('content-length') ?? '0')
      if (length > BATCH_MAX_BYTES) {
        // Read and dropped, or the sender would see a broken connection instead of the answer.
        await c.req.raw.body?.pipeTo(new WritableStream())
        return answer(c, await tooLarge())
      }
      const text = await c.req.text()
      // A request in chunks does not say its length beforehand.
      if (Buffer.byteLength(text) > BATCH_MAX_BYTES) return answer(c, await tooLarge())
      if (!text.trimStart().startsWith('[')) return answer(c, await sending(c, (door) => intake.accept(text, door)))
      let batch: unknown
      try {
        batch = JSON.parse(text)
      } catch {
        return answer(c, await intake.refuse('MALFORMED', 'not JSON'))
      }
      if (!Array.isArray(batch) || batch.length > ENVELOPE_BATCH) {
        return answer(c, await intake.refuse('TOO_LARGE', `a request has at most ${ENVELOPE_BATCH} messages`))
      }
      const acks = await sending(c, (door) => Promise.all(batch.map((json: unknown) => intake.accept({ json }, door))))
      return c.json({ acks: acks.map(ackToJson) })
    })

    // A project as its devices need it: chain, contracts, terms and their id, keys of signed answers.
    app.get('/v1/projects/:id', async (c) => {
      const project = readProject(c.req.param('id'))
      const facts = await view.project(project)
      if (facts === undefined) throw notFound('project')
      const { ioIDRegistry, dataKeyRegistry, projectStore } = options
      const { version, termsId, terms } = facts
      const contracts = { ioIDRegistry, dataKeyRegistry, projectStore }
      return c.json({
        project: project.toString(),
        chainId: Number(options.chainId),
        contracts,
        version,
        termsId,
        terms: termsToJson(terms),
        ackKeys: options.ackKeys,
      })
    })

    // Windows in the order in which they were stored, from `after` on (0 at first; then `next` of the last answer), `limit` of 1 to 500. `storeId` changes
    // with the store.
    app.get('/v1/projects/:id/windows', async (c) => {
      const project = readProject(c.req.param('id'))
      const after = readCursor(c)
      // Back-pressure is a help: a note of it that fails must not keep a coordinator from its windows.
      await backlog.pulled(project.toString(), after).catch(() => undefined)
      const items = await ledger.windows(project.toString(), after, readLimit(c))
      return c.json({ storeId: ledger.storeId, items, next: items.at(-1)?.cursor ?? after })
    })

    // Devices that delivered, by id, in pages by `after` (a device) and `limit`: how many readings and windows, and the last reading.
    app.get('/v1/projects/:id/devices', async (c) => {
      const [of, { terms }] = await knownProject(c)
      const after = c.req.query('after') ?? ''
      if (!/^(0x[0-9a-f]{40})?$/.test(after)) throw badRequest('after is a device that this gateway listed.', { after: after.slice(0, 50) })
      const limit = readLimit(c)
      const found = await ledger.reads.devices(of, after, limit)
      const items = found.map(({ last, ...item }) => ({
        ...item,
        last: last && {
          sequence: String(last.sequence),
          time: String(last.time),
          channel: last.channel,
          value: valueText(last.laneValue, terms),
        },
      }))
      return c.json({ items, next: items.length < limit ? null : (items.at(-1)?.device ?? null) })
    })

    // Readings of a device between the project times `from` and `to`: each, or where there are more than `points` (1 to 2,000) low, high and mean of as
    // many equal parts at most; `channel` names the only channel that is meant.
    app.get('/v1/projects/:id/devices/:device/readings', async (c) => {
      const [of, { terms }] = await knownProject(c)
      const device = readDevice(c)
      const points = readNumber(c, 'points', 1_000, 1, 2_000)
      const from = readNumber(c, 'from', 0, 0, TIME_LIMIT)
      const to = readNumber(c, 'to', TIME_LIMIT, 0, TIME_LIMIT)
      if (histories >= HISTORIES) throw overloaded('The list of histories that are read', HISTORIES)
      histories += 1
      try {
        const channel = await ledger.reads.channel(of, device)
        const wanted = c.req.query('channel')
        if (wanted !== undefined && channel !== '' && wanted !== channel) return c.json({ channel: wanted.slice(0, 80), points: [] })
        return c.json({ channel, points: await sampled(ledger.reads.measured(of, device, from, to), points, terms) })
      } finally {
        histories -= 1
      }
    })

    // Windows of a device, newest first, in pages by `after` (an index) and `limit`.
    app.get('/v1/projects/:id/devices/:device/windows', async (c) => {
      const [of] = await knownProject(c)
      const limit = readLimit(c)
      const windows = await ledger.reads.deviceWindows(of, readDevice(c), readNumber(c, 'after', TIME_LIMIT, 0, TIME_LIMIT), limit)
      const items = windows.map((item) => {
        const { index, root, firstSequence, count, firstTime, channel, receivedAt } = item
        return { index, root, firstSequence, count, firstTime, lastTime: String(lastTimeOf(item)), channel, receivedAt }
      })
      return c.json({ items, next: items.length < limit ? null : (items.at(-1)?.index ?? null) })
    })

    // Server-sent events: `readings` four times a second at most, `window`, `refusal`; `gap` where a reader fell behind. Resumes after `Last-Event-ID`.
    app.get('/v1/events', (c) => hub.answer(c))

    // The window with this root; `project` and `device` choose where several have it.
    app.get('/v1/windows/:root', async (c) => {
      const root = c.req.param('root')
      if (!/^0x[0-9a-f]{64}$/.test(root)) throw badRequest('A root is 32 bytes of lower-case hexadecimal.')
      const { project, device } = c.req.query()
      // A root says nothing about who measured: a stuck sensor can give two devices the same one.
      const found = await ledger.windowsByRoot(Buffer.from(root.slice(2), 'hex'))
      const items = found.filter(
        (item) => (project === undefined || item.project === project) && (device === undefined || item.device === device),
      )
      if (items[0] === undefined) throw notFound('window')
      return c.json({
        ...items[0],
        others: items.slice(1).map((item) => ({ project: item.project, device: item.device, index: item.index })),
      })
    })

    // Counts of readings, windows and refusals: of `project`, or of all.
    app.get('/v1/accounting', async (c) => {
      const project = c.req.query('project')
      return c.json(await ledger.accounting(project === undefined ? null : readProject(project).toString()))
    })

    // What was refused and why, oldest first, in pages by `after` and `limit`.
    app.get('/v1/refusals', async (c) => {
      const after = readCursor(c)
      const items = await ledger.refusals(after, readLimit(c))
      return c.json({ items, next: items.at(-1)?.cursor ?? after })
    })

    // Stores a DID document of at most 16 kB under its hash; answers 201 with `hash` and `uri`.
    app.post('/v1/documents', async (c) => {
      const length = Number(c.req.header('content-length') ?? '0')
      if (length > DOCUMENT_MAX_BYTES) throw new TrellisError({ code: 'TOO_LARGE', message: 'A DID document has at most 16 kB.' })
      const body = await c.req.text()
      const { hash } = readDocument(body)
      if ((await ledger.document(hash)) === undefined && !documentQuota(c.env.incoming.socket.remoteAddress ?? ''))
        throw overloaded('What one address may leave of documents', documentsPerAddress)
      if (!(await ledger.addDocument(hash, body, now()))) throw overloaded('The store of documents', documentsKept)
      metrics.documents.inc()
      return c.json({ hash, uri: `${publicUrl()}/v1/documents/${hash}` }, 201)
    })

    // A DID document by its hash, byte for byte as it came.
    app.get('/v1/documents/:hash', async (c) => {
      const body = await ledger.document(c.req.param('hash') as Hex)
      if (body === undefined) throw notFound('document')
      return c.body(body, 200, { 'content-type': 'application/did+json' })
    })
  }
}

const refusalStatus: Readonly<Record<string, 413 | 429 | 503>> = { TOO_LARGE: 413, RATE_LIMITED: 429, OVERLOADED: 503 }

/** One message: 200 when it is stored, 422 when it never will be as it is, 413, 429 and 503 where HTTP has a word. */
function answer(c: HttpContext, ack: Ack): Response {
  const status = ack.status !== 'refused' ? 200 : (refusalStatus[ack.reason ?? ''] ?? 422)
  if (ack.retryAfterMs !== undefined) c.header('retry-after', String(Math.ceil(ack.retryAfterMs / 1000)))
  return c.json(ackToJson(ack), status)
}

function readProject(text: string): ReturnType<typeof projectId> {
  try {
    return projectId(text)
  } catch {
    throw badRequest('A project is a decimal id.', { project: text.slice(0, 40) })
  }
}

function readDevice(c: HttpContext): string {
  const device = c.req.param('device') ?? ''
  if (!/^0x[0-9a-f]{40}$/.test(device)) throw badRequest('A device is 20 bytes of lower-case hexadecimal.', { device: device.slice(0, 50) })
  return device
}

function readNumber(c: HttpContext, name: string, otherwise: number, least: number, most: number): number {
  const text = c.req.query(name)
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!/^[0-9]{1,15}$/.test(text) || value < least || value > most)
    throw badRequest(`${name} is ${least} to ${most}.`, { [name]: text.slice(0, 40) })
  return value
}

function readCursor(c: HttpContext): number {
  const text = c.req.query('after') ?? '0'
  if (!/^[0-9]{1,15}$/.test(text)) throw badRequest('after is a cursor that this gateway gave out.', { after: text.slice(0, 40) })
  return Number(text)
}

function readLimit(c: HttpContext): number {
  const text = c.req.query('limit') ?? '100'
  const limit = Number(text)
  if (!/^[0-9]{1,3}$/.test(text) || limit < 1 || limit > 500) throw badRequest('limit is 1 to 500.', { limit: text.slice(0, 40) })
  return limit
}
