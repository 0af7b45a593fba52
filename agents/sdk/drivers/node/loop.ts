// SPDX-License-Identifier: Apache-2.0
/** One pass of a device: note the answers, take the readings that fell due, send what waits. Idempotent: a kill between any two steps costs a repetition. */
import { type Ack, retryableRefusals } from '../../../protocol/ack.ts'
import { projectSeconds, wallMsOf } from '../../../protocol/clock.ts'
import { encodeEnvelope, type RefusalCode } from '../../../protocol/envelope.ts'
import { clockOf, type Terms } from '../../../protocol/terms.ts'
import { readingsRoot, rootToHex } from '../../../protocol/window.ts'
import type { DeviceSigner } from '../../signer.ts'
import { type ClosedWindow, createWindowCutter, type WindowCutter } from '../../window-cutter.ts'
import { createLane } from './delivery.ts'
import { deviceError } from './errors.ts'
import type { DeviceMetrics } from './metrics.ts'
import { type ReplayState, replayStep, type RowQueue } from './replay.ts'
import type { DeliveryCounts, DeviceStore, NewReading, NewWindow, OutboxMessage } from './store.ts'
import type { Transport } from './transport.ts'

export interface DeviceModules {
  signer: DeviceSigner
  store: DeviceStore
  rows: RowQueue
  transport: Transport
  metrics: DeviceMetrics
  log?: Record<'info' | 'warn', (details: object, message: string) => void>
}

export interface DeviceOptions {
  terms: Terms
  channel: string
  send: 'both' | 'windows'
  maxGap: number
  outboxLimit: number
  pipeline: number
  retryMs: number
  retryCapMs: number
  refusalLimit: number
  now?: () => number
}

/** What to do next: `done` when the source ended and everything is acknowledged, else when to look again, unix milliseconds. */
export type DeviceNext = 'done' | { wakeAt: number }

export interface DeviceLoop {
  /** @throws TrellisError DEVICE_REFUSED when the gateway keeps refusing a message for good, GATEWAY_BEHIND when it lost what it had acknowledged */
  pass(): Promise<DeviceNext>
  onAck(ack: Ack): void
  onConnect(): void
}

const STEP = 256
const IDLE_MS = 1_000

export function createDeviceLoop({ signer, store, rows, transport, metrics, log }: DeviceModules, options: DeviceOptions): DeviceLoop {
  const { terms, channel, send, outboxLimit, refusalLimit, now = Date.now } = options
  const { device } = signer.publicKeys
  const clock = clockOf(terms)
  const lanes = { reading: createLane({ ...options, now }), window: createLane({ ...options, now }) }
  let acks: Ack[] = []
  let sent = 0
  let flushed = false
  let full = false

  const sealed = (closed: readonly ClosedWindow[]): NewWindow[] =>
    closed.map((window) => {
      const { index, content } = window
      log?.info({ root: rootToHex(readingsRoot(content)), device, window: index, firstSequence: content.firstSequence }, 'window closed')
      return { ...window, payload: encodeEnvelope(signer.window(window, channel)) }
    })

  const restore = (): WindowCutter => {
    const open = store.openReadings()
    const cutter = createWindowCutter({
      ...{ channel: terms.channel, nextIndex: store.nextWindow, nextSequence: store.nextSequence - open.length },
      maxGap: options.maxGap,
    })
    // A shorter maxGap than before the restart may close windows here.
    const closed = open.flatMap((reading) => cutter.add(reading))
    if (closed.length > 0) store.append(store.replay, [], sealed(closed))
    return cutter
  }
  const cutter = restore()

  const noteAnswers = (): void => {
    if (acks.length === 0) return
    const counts: DeliveryCounts = { ...store.delivery, refused: { ...store.delivery.refused }, sent: store.delivery.sent + sent }
    sent = 0
    const done: Pick<OutboxMessage, 'kind' | 'position'>[] = []
    const answers = acks
    acks = []
    for (const { status, subject, reason, detail, expected, retryAfterMs } of answers) {
      const { kind, position } = subject
      if (subject.device !== device || kind === null || position === null) continue
      metrics.answered.inc({ status })
      if (status === 'refused') {
        const code = reason ?? 'MALFORMED'
        counts.refused[code] = (counts.refused[code] ?? 0) + 1
        judgeRefusal(kind, position, code, detail, expected, retryAfterMs)
        continue
      }
      counts[status] += 1
      done.push({ kind, position })
      lanes[kind].progressed()
    }
    store.acknowledge(done, counts)
  }

  const judgeRefusal = (
    kind: 'reading' | 'window',
    position: number,
    code: RefusalCode,
    detail: string | null,
    expected: number | null,
    retryAfterMs: number | undefined,
  ): void => {
    const oldest = store.oldest(kind)
    // An answer to what is not waiting is late, or provoked by a stranger.
    if (oldest === undefined || position < oldest) return
    const behind = (code === 'SEQUENCE_GAP' || code === 'WINDOW_GAP') && expected !== null && expected < oldest
    // Waiting as the gateway asks brings a device no nearer to its end, or one forged message in its name would be enough meanwhile.
    const rounds = lanes[kind].refused(retryAfterMs, behind || !retryableRefusals.has(code))
    if (rounds < refusalLimit) return
    const details = { device, kind, position, reason: code, detail, times: rounds }
    if (behind) {
      throw deviceError(
        'GATEWAY_BEHIND',
        'The gateway asks for messages that it had acknowledged: it lost its store.',
        { ...details, expected },
        'restore the gateway’s data folder',
      )
    }
    throw deviceError(
      'DEVICE_REFUSED',
      `The gateway refuses this device’s messages: ${code}.`,
      details,
      advice[code] ?? 'see the gateway’s refusals: GET /v1/refusals',
    )
  }

  /** The source waits: what the outbox holds is never dropped. Said once, until half of it went. */
  const sayFull = (waiting: number): void => {
    if (full) return
    full = true
    metrics.paused.inc({})
    log?.warn({ waiting, outboxLimit }, 'the outbox is full: the source is not read until the gateway takes messages')
  }

  const takeDue = async (): Promise<number | undefined> => {
    const readings: NewReading[] = []
    const closed: ClosedWindow[] = []
    let state: ReplayState = store.replay
    let dueAt: number | undefined
    let waiting = store.outboxSize()
    if (waiting <= outboxLimit / 2) full = false
    for (;;) {
      const row = await rows.peek()
      if (row === undefined) {
        if (flushed) break
        const rest = cutter.flush()
        if (rest !== undefined) closed.push(rest)
        flushed = true
        break
      }
      if (projectSeconds(clock, now()) < row.time) {
        dueAt = wallMsOf(clock, row.time)
        break
      }
      if (waiting >= outboxLimit) {
        sayFull(waiting)
        break
      }
      if (readings.length >= STEP) break
      rows.take()
      const step = replayStep(state, row, terms)
      state = step.state
      if (step.reading === undefined) continue
      const { reading } = step
      const sequence = store.nextSequence + readings.length
      const { time, value } = reading
      const payload = send === 'both' ? encodeEnvelope(signer.reading({ sequence, time, channel, value }, terms.decimals)) : null
      readings.push({ ...reading, sequence, payload })
      closed.push(...cutter.add(reading))
      waiting += 1
    }
    if (state !== store.replay || readings.length > 0 || closed.length > 0) store.append(state, readings, sealed(closed))
    return dueAt
  }

  const deliver = (): void => {
    if (!transport.connected) return
    const waiting = store.outbox(options.pipeline)
    const readings = waiting.filter(({ kind }) => kind === 'reading')
    // A window follows its readings: sent sooner, it would make them duplicates.
    const windows = waiting.filter(({ kind, position }) => kind === 'window' && store.readingsAcknowledged(store.windowEnd(position) ?? -1))
    const due = [...lanes.reading.due(readings), ...lanes.window.due(windows)]
    if (due.length === 0) return
    transport.send(due.map(({ payload }) => payload))
    sent += due.length
  }

  return {
    async pass() {
      noteAnswers()
      const dueAt = await takeDue()
      deliver()
      if (flushed && store.outboxSize() === 0) {
        if (sent > 0) store.acknowledge([], { ...store.delivery, sent: store.delivery.sent + sent })
        sent = 0
        return 'done'
      }
      const times = [dueAt, lanes.reading.wakeAt(), lanes.window.wakeAt()].filter((at) => at !== undefined)
      return { wakeAt: Math.min(now() + IDLE_MS, ...times) }
    },
    onAck: (ack) => void acks.push(ack),
    onConnect() {
      lanes.reading.restart()
      lanes.window.restart()
    },
  }
}

const advice: Partial<Record<RefusalCode, string>> = {
  REMOVED: 'the owner removed this device; register it again, or stop it',
  WRONG_PROJECT: 'correct `project` in the configuration of this device',
  NO_CREDENTIAL: 'have an issuer that the project trusts issue this device the credential that its terms of admission name',
  RETIRED_KEY: 'give this device the key that the owner rotated to',
  BAD_SIGNATURE: 'check that the addresses file is that of the gateway’s deployment',
  WRONG_CHANNEL: 'correct `channel`: the project’s terms name another one',
  TIME_PAST: 'the readings are older than the terms allow: replay on a project with a replay clock, or with a larger maxAge',
  SEQUENCE_REUSED: 'this device’s store was lost or copied: give it a new key, and register that',
}
