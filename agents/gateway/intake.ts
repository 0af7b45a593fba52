// SPDX-License-Identifier: Apache-2.0
/**
 * Judges messages: each is either on disk when its answer is given, or refused with a reason that is counted.
 *
 * Two stages. What depends on one message only (form, registration, signatures, channel, range) is judged for many messages at once. What depends on
 * its place among the device's messages (sequence, time order, windows) is judged inside the commit that stores it, in order of arrival.
 */
import { verifyPoseidon } from '../crypto/eddsa.ts'
import type { Logger } from '../kit/log.ts'
import { isTrellisError } from '../kit/errors.ts'
import type { Ack } from '../protocol/ack.ts'
import { projectSeconds } from '../protocol/clock.ts'
import {
  type Envelope,
  envelopeDigests,
  type EnvelopeDomain,
  type MessageSubject,
  parseEnvelope,
  parseEnvelopeJson,
  type ParsedEnvelope,
  type ReadingEnvelope,
  type RefusalCode,
  type WindowEnvelope,
} from '../protocol/envelope.ts'
import { scale } from '../protocol/fixed-point.ts'
import { type Address, channelIdOf, projectId } from '../protocol/ids.ts'
import { clockOf, type Terms } from '../protocol/terms.ts'
import { decodeDataSignature, openWindow, readingsRoot, rootToHex, windowMessage, type WindowReading } from '../protocol/window.ts'
import type { Backlog } from './backlog.ts'
import { BoundedCache } from './bounded-cache.ts'
import type { ChainView } from './chain-view.ts'
import type { GatewayEvents } from './events.ts'
import type { DeviceState, Ledger, LedgerNeeds, LedgerWrites } from './ledger.ts'
import type { RateLimits } from './limits.ts'
import type { GatewayMetrics } from './metrics.ts'
import { valueText } from './reads.ts'
import type { Sender } from './senders.ts'
import type { SignatureVerifier } from './signatures.ts'

/** Where a message came in, and from whom. On MQTT the topic names a device too, and both must agree. */
export type Door = { name: 'http'; sender: Sender } | { name: 'mqtt'; sender: Sender; project: string; device: string }

export interface Intake {
  /** Judges one message, raw or parsed as JSON already. Resolves when the answer is on disk; never rejects. */
  accept(message: string | Uint8Array | { json: unknown }, door: Door): Promise<Ack>
  /** Counts and keeps a refusal that a door decides itself. */
  refuse(code: RefusalCode, detail: string, subject?: MessageSubject, project?: string): Promise<Ack>
  /** Messages that are being judged. */
  readonly waiting: number
}

export interface IntakeModules {
  view: ChainView
  ledger: Ledger
  signatures: SignatureVerifier
  limits: RateLimits
  backlog: Backlog
  metrics: GatewayMetrics
  /** Told what was stored or refused. */
  events?: GatewayEvents
  log: Logger
}

export interface IntakeOptions extends EnvelopeDomain {
  dataKeyRegistry: Address
  /** Messages judged at once; more are answered OVERLOADED. */
  maxWaiting: number
  now?: () => number
}

interface Refused {
  refused: RefusalCode
  detail: string
  expected?: number
  retryAfterMs?: number
}

interface JudgedReading {
  kind: 'reading'
  envelope: ReadingEnvelope
  laneValue: number
  digest: Uint8Array
  terms: Terms
}

interface JudgedWindow {
  kind: 'window'
  envelope: WindowEnvelope
  readings: WindowReading[]
  root: bigint
  digest: Uint8Array
  terms: Terms
  /** Why it is not taken unless it is stored already. */
  refusal?: Refused
}

type Judged = JudgedReading | JudgedWindow
type Verdict = 'accepted' | 'duplicate' | Refused

/** When to try again, where nothing better is known, and where a coordinator must pull first. */
const OVERLOADED_MS = 1_000
const BACKLOG_MS = 5_000
/** How often and after how long a message is placed again that came before the one before it. */
const GAP_TRIES = 6
const GAP_MS = 25

const nobody: MessageSubject = { device: null, kind: null, position: null }

export function createIntake(modules: IntakeModules, options: IntakeOptions): Intake {
  const { view, ledger, signatures, limits, backlog, metrics, events, log } = modules
  const { chainId, dataKeyRegistry, maxWaiting, now = Date.now } = options
  const digests = envelopeDigests(options)
  const channels = new BoundedCache<string, bigint>(1_024)
  let waiting = 0
  // Refusals for load are counted with the next commit: they must not add to the load.
  const unkept = new Map<RefusalCode, number>()

  // Windows take 3 ms each of this thread: one per turn of the event loop, so that answers and single readings pass between them.
  let turns = Promise.resolve()
  const nextTurn = (): Promise<void> => {
    turns = turns.then(() => new Promise((resolve) => setImmediate(resolve)))
    return turns
  }

  const channelId = (name: string): bigint => {
    let id = channels.get(name)
    if (id === undefined) channels.set(name, (id = channelIdOf(name)))
    return id
  }

  /** Stage one. */
  const judge = async (envelope: Envelope, sender: Sender): Promise<Judged | Refused> => {
    const project = await view.project(envelope.project)
    if (project === undefined) return refused('UNKNOWN_PROJECT', 'no terms are published for this project')
    const device = await view.device(envelope.device)
    if (device.status === 'removed') return refused('REMOVED', 'the device was removed from the registry')
    if (device.status === 'unknown') return refused('UNREGISTERED', 'the registry does not know this device')
    if (!device.projects.includes(envelope.project)) return refused('WRONG_PROJECT', `the device is of ${device.projects.join(', ')}`)
    const { terms, requiredCredential } = project
    if (requiredCredential !== undefined) {
      const status = await view.credential(envelope.device, requiredCredential)
      if (status !== 'valid')
        return refused('NO_CREDENTIAL', `the project requires credential ${requiredCredential}; this device’s is ${status}`)
    }
    if (channelId(envelope.channel) !== terms.channel) return refused('WRONG_CHANNEL', 'the terms name another channel')
    if (envelope.kind === 'window') await nextTurn()
    const judged = envelope.kind === 'reading' ? digestReading(envelope, terms) : digestWindow(envelope, terms)
    if ('refused' in judged) return judged

    // Others of this connection may have been found forged meanwhile.
    if (sender.pausedMs > 0) return paused(sender)
    const verdict = await signatures.verify(device.signer, judged.digest, Buffer.from(envelope.signature.slice(2), 'hex'))
    if (verdict === 'busy') return later('OVERLOADED', 'too many new keys at once', 500)
    if (verdict === 'retired') return refused('RETIRED_KEY', 'this key was rotated away')
    if (verdict === 'bad') sender.bad()
    else sender.good()
    if (verdict === 'bad') return refused('BAD_SIGNATURE', 'not a signature by the device’s key over this message')
    const of = envelope.project.toString()
    const wait = limits.wait(of, envelope.device, judged.kind === 'reading' ? 1 : judged.readings.length)
    if (wait > 0) return later('RATE_LIMITED', 'this device, or its project, delivers faster than this gateway takes', wait)
    if (await backlog.full(of)) return later('OVERLOADED', 'backlog: no coordinator has pulled the windows of this project', BACKLOG_MS)
    return judged.kind === 'reading' ? judgeReading(judged) : judgeWindow(judged)
  }

  const digestReading = (envelope: ReadingEnvelope, terms: Terms): JudgedReading | Refused => {
    const scaled = scale(envelope.value, terms.decimals)
    if (!scaled.ok) return refused('BAD_VALUE', scaled.why)
    const digest = digests.reading(envelope, scaled.value, terms.decimals)
    const lane = scaled.value - terms.rangeMin
    // A lane far outside int53 only has to stay outside the range.
    return {
      kind: 'reading',
      envelope,
      laneValue: lane < 0n ? -1 : lane > 0xff_ffffn ? Number.MAX_SAFE_INTEGER : Number(lane),
      digest,
      terms,
    }
  }

  const digestWindow = (envelope: WindowEnvelope, terms: Terms): JudgedWindow | Refused => {
    const content = { firstSequence: envelope.firstSequence, firstTime: envelope.firstTime, channel: terms.channel, lanes: envelope.lanes }
    const opened = openWindow(content)
    if (!opened.ok) {
      if (opened.why === 'gap' || opened.why === 'time')
        return refused('TIME_ORDER', `reading ${opened.index} does not lie after the one before it`)
      if (opened.why === 'sequence') return refused('SEQUENCE_GAP', `lane ${opened.index} does not carry the next sequence`)
      return refused('MALFORMED', 'a window ends beyond 40 bits of sequence')
    }
    const root = readingsRoot(content)
    return { kind: 'window', envelope, readings: opened.readings, root, digest: digests.window(envelope, root), terms }
  }

  const projectNow = (terms: Terms): number => projectSeconds(clockOf(terms), now())

  const judgeReading = (judged: JudgedReading): Judged | Refused => {
    const { envelope, laneValue, terms } = judged
    if (laneValue < 0 || laneValue > terms.rangeMax) return refused('OUT_OF_RANGE', 'the value leaves the range of the terms')
    return inFuture(envelope.time, terms) ?? judged
  }

  const judgeWindow = async (judged: JudgedWindow): Promise<Judged | Refused> => {
    const { envelope, readings, root, terms } = judged
    const outside = readings.findIndex(({ laneValue }) => laneValue > terms.rangeMax)
    if (outside >= 0) return refused('OUT_OF_RANGE', `reading ${outside} leaves the range of the terms`)
    const future = inFuture(readings.at(-1)!.time, terms)
    if (future !== undefined) return future
    const key = await view.dataKey(envelope.project, envelope.device, envelope.index)
    // A window that is stored already may come again after its key ended: the store says so, by the digest that the identity key signed.
    if (key === undefined) return { ...judged, refusal: refused('NO_DATA_KEY', 'no data key is bound for this window') }
    const signature = decodeDataSignature(envelope.dataSignature)
    const { project, device, index, firstSequence } = envelope
    const message = windowMessage({
      chainId,
      dataKeyRegistry,
      project,
      device,
      windowIndex: index,
      firstSequence,
      count: readings.length,
      root,
    })
    if (signature === undefined || !verifyPoseidon(message, signature, key)) {
      return refused('BAD_DATA_SIGNATURE', 'not a signature by the data key that is bound for this window')
    }
    return judged
  }

  const inFuture = (time: number, terms: Terms): Refused | undefined => {
    const at = projectNow(terms)
    return time > at + terms.maxSkew ? refused('TIME_FUTURE', `${time - at} s ahead of the project's clock`) : undefined
  }

  /** Too old, seen from a new reading: one that is stored already may come again at any age. */
  const inPast = (time: number, terms: Terms): Refused | undefined => {
    if (terms.maxAge === 0) return undefined
    const age = projectNow(terms) - time
    return age > terms.maxAge ? refused('TIME_PAST', `${age} s behind the project's clock`) : undefined
  }

  /** Stage two, inside a commit; `before` is the number of the device's readings until then. */
  const place = (judged: Judged, writes: LedgerWrites): { verdict: Verdict; before: number } => {
    const { project, device } = judged.envelope
    const state = writes.state(project.toString(), device)
    const before = state.nextSequence
    return { verdict: judged.kind === 'reading' ? placeReading(judged, state, writes) : placeWindow(judged, state, writes), before }
  }

  const tell = (judged: Judged, before: number): void => {
    const { envelope, terms } = judged
    const { device, channel, project } = envelope
    const { sequence, time, laneValue } =
      judged.kind === 'reading'
        ? { ...judged.envelope, laneValue: judged.laneValue }
        : { ...judged.readings.at(-1)!, sequence: judged.envelope.firstSequence + judged.readings.length - 1 }
    const last = { sequence: String(sequence), time: String(time), channel, value: valueText(laneValue, terms) }
    // A window may bring nothing but what came singly.
    if (sequence >= before) events?.readings({ device, count: sequence + 1 - before, last })
    if (judged.kind === 'reading') return
    const { index, firstSequence } = judged.envelope
    const { root, readings } = judged
    const window = { root: rootToHex(root), project: project.toString(), device, index, channel, firstSequence: String(firstSequence) }
    events?.window({ ...window, count: readings.length, receivedAt: now() })
  }

  const placeReading = ({ envelope, laneValue, digest, terms }: JudgedReading, state: DeviceState, writes: LedgerWrites): Verdict => {
    const { sequence, time } = envelope
    const next = state.nextSequence
    if (sequence < next) {
      const stored = writes.reading(state, sequence)
      return stored?.time === time && stored.laneValue === laneValue
        ? 'duplicate'
        : refused('SEQUENCE_REUSED', 'this sequence was accepted with other content', next)
    }
    if (sequence > next) return refused('SEQUENCE_GAP', 'a reading before this one is missing', next)
    if (time <= state.lastTime) return refused('TIME_ORDER', 'the reading does not lie after the one before it', next)
    const past = inPast(time, terms)
    if (past !== undefined) return past
    writes.addReading(state, { sequence, time, laneValue, digest, signature: Buffer.from(envelope.signature.slice(2), 'hex') }, now())
    return 'accepted'
  }

  const placeWindow = (judged: JudgedWindow, state: DeviceState, writes: LedgerWrites): Verdict => {
    const { envelope, readings, root, digest, terms, refusal } = judged
    const { index, firstSequence, firstTime, channel, lanes } = envelope
    const next = state.nextWindow
    if (index < next) {
      const stored = writes.windowDigest(state, index)
      if (stored !== undefined && Buffer.compare(stored, digest) === 0) return 'duplicate'
      return refusal ?? refused('WINDOW_MISMATCH', 'this window was accepted with other content', next)
    }
    if (refusal !== undefined) return refusal
    if (index > next) return refused('WINDOW_GAP', 'a window before this one is missing', next)
    if (firstSequence !== state.windowed) return refused('WINDOW_GAP', `the window must start at sequence ${state.windowed}`, next)

    const single = writes.readings(state, firstSequence, firstSequence + readings.length)
    for (const [at, { time, laneValue }] of single.entries()) {
      const inWindow = readings[at]!
      if (inWindow.time !== time || inWindow.laneValue !== laneValue) {
        return refused('WINDOW_MISMATCH', `sequence ${firstSequence + at} was accepted singly with other content`, next)
      }
    }
    const fresh = readings.slice(single.length)
    const first = fresh[0]
    if (first !== undefined) {
      if (first.time <= state.lastTime) return refused('TIME_ORDER', 'the window does not lie after the reading before it', next)
      const past = inPast(first.time, terms)
      if (past !== undefined) return past
    }
    const bytes = (hex: string): Buffer => Buffer.from(hex.slice(2), 'hex')
    const { project, device, dataSignature, signature } = envelope
    const record = { index, root: bytes(rootToHex(root)), digest, firstSequence, firstTime, channel, lanes }
    const signed = { ...record, dataSignature: bytes(dataSignature), signature: bytes(signature) }
    writes.addWindow(project.toString(), device, state, signed, readings.at(-1)!.time, now())
    return 'accepted'
  }

  const refuse = async (
    code: RefusalCode,
    detail: string,
    subject: MessageSubject = nobody,
    project = '',
    { expected, retryAfterMs = OVERLOADED_MS }: Pick<Refused, 'expected' | 'retryAfterMs'> = {},
  ): Promise<Ack> => {
    const ack: Ack = { status: 'refused', subject, reason: code, detail, expected: expected ?? null }
    metrics.messages.inc({ status: 'refused', reason: code })
    events?.refusal(ack)
    if (code === 'OVERLOADED' || code === 'RATE_LIMITED') {
      unkept.set(code, (unkept.get(code) ?? 0) + 1)
      return { ...ack, retryAfterMs }
    }
    const counted = await projectOf(project)
    await ledger
      .commit((writes) => keepRefusal(writes, project, counted, ack))
      .catch((error: unknown) => log.error({ err: error }, 'a refusal was not kept'))
    return ack
  }

  /** A project as refusals are counted by it: '' for one that the chain does not know, or strangers would fill the disk with counts of their own. */
  const projectOf = async (named: string): Promise<string> => {
    try {
      return named !== '' && (await view.project(projectId(named))) !== undefined ? named : ''
    } catch {
      return ''
    }
  }

  const keepRefusal = (writes: LedgerWrites, project: string, counted: string, ack: Ack): void => {
    writes.addRefusal(project, ack, now(), counted)
    countUnkept(writes)
  }

  const countUnkept = (writes: LedgerWrites): void => {
    for (const [code, count] of unkept) writes.countRefusals('', code, count)
    unkept.clear()
  }

  const placed = async (envelope: Envelope, subject: MessageSubject, sender: Sender): Promise<Ack> => {
    // By sender: what a stranger sends in a device's name must not hold up the device.
    const { tails } = sender
    const project = envelope.project.toString()
    const key = `${project}/${envelope.device}`
    const before = tails.get(key)
    const judging = judge(envelope, sender)
    // It may fail while the one before it is still waited for.
    judging.catch(() => undefined)
    // Commits keep the order in which they were queued, so the next message waits for that only, and not for the disk.
    const queued = (async (): Promise<{ answer: Promise<Ack> }> => {
      await before?.catch(() => undefined)
      return { answer: commit(await judging, project, subject) }
    })()
    tails.set(key, queued)
    try {
      const { answer } = await queued
      return await answer
    } finally {
      if (tails.get(key) === queued) tails.delete(key)
    }
  }

  const commit = async (judged: Judged | Refused, project: string, subject: MessageSubject): Promise<Ack> => {
    if ('refused' in judged) return refuse(judged.refused, judged.detail, subject, project, judged)
    const needs = needsOf(judged)
    let before = 0
    const attempt = (last: boolean): Promise<Ack | undefined> =>
      ledger.commit((writes) => {
        countUnkept(writes)
        const placed = place(judged, writes)
        const { verdict } = placed
        before = placed.before
        if (typeof verdict === 'string') return { status: verdict, subject, reason: null, detail: null, expected: null } satisfies Ack
        const { refused: reason, detail, expected } = verdict
        if (!last && isGap(reason)) return undefined
        const ack: Ack = { status: 'refused', subject, reason, detail, expected: expected ?? null }
        writes.addRefusal(project, ack, now())
        return ack
      }, needs)
    // A broker deals one device's messages out to all gateways: the one before may be a moment behind.
    let ack: Ack | undefined
    for (let tries = ledger.shared ? GAP_TRIES : 0; ack === undefined; tries--) {
      ack = await attempt(tries === 0)
      if (ack === undefined) await new Promise((resolve) => setTimeout(resolve, GAP_MS))
    }
    metrics.messages.inc({ status: ack.status, reason: ack.reason ?? '' })
    if (ack.status === 'refused') events?.refusal(ack)
    if (ack.status === 'accepted') {
      tell(judged, before)
      metrics.accepted.inc({ kind: judged.kind })
      if (judged.kind === 'window') {
        const { device, index, firstSequence } = judged.envelope
        log.info(
          { root: rootToHex(judged.root), project, device, window: index, firstSequence, readings: judged.readings.length },
          'window accepted',
        )
      }
      limits.charge(project, judged.envelope.device, judged.kind === 'reading' ? 1 : judged.readings.length)
    }
    return ack
  }

  const accept = async (message: string | Uint8Array | { json: unknown }, door: Door): Promise<Ack> => {
    if (waiting >= maxWaiting) return refuse('OVERLOADED', `${maxWaiting} messages are being judged`)
    const { sender } = door
    if (sender.waiting >= sender.share) return refuse('OVERLOADED', `${sender.share} messages of this sender are being judged`)
    if (sender.pausedMs > 0) {
      const { detail, ...wait } = paused(sender)
      return refuse('OVERLOADED', detail, nobody, '', wait)
    }
    waiting += 1
    sender.waiting += 1
    const started = performance.now()
    let subject = nobody
    try {
      const parsed: ParsedEnvelope =
        typeof message === 'object' && 'json' in message ? parseEnvelopeJson(message.json) : parseEnvelope(message)
      if (!parsed.ok) return await refuse(parsed.code, parsed.detail, parsed.subject, door.name === 'mqtt' ? door.project : '')
      const { envelope } = parsed
      subject = { device: envelope.device, kind: envelope.kind, position: envelope.kind === 'reading' ? envelope.sequence : envelope.index }
      if (door.name === 'mqtt' && (door.project !== envelope.project.toString() || door.device !== envelope.device)) {
        return await refuse('WRONG_TOPIC', 'the topic names another device or project than the message', subject, door.project)
      }
      return await placed(envelope, subject, sender)
    } catch (error) {
      // The chain did not answer, or the disk failed: nothing was stored, and the device will send again.
      if (!isTrellisError(error)) log.error({ err: error }, 'a message could not be judged')
      else log.warn({ err: error }, 'a message could not be judged')
      return await refuse('OVERLOADED', 'the gateway cannot judge messages now', subject)
    } finally {
      waiting -= 1
      sender.waiting -= 1
      metrics.seconds.observe((performance.now() - started) / 1000)
    }
  }

  return {
    accept,
    refuse,
    get waiting() {
      return waiting
    },
  }
}

function paused(sender: Sender): Refused {
  return later('OVERLOADED', 'too many bad signatures came from this connection', sender.pausedMs)
}

function isGap(code: RefusalCode): boolean {
  return code === 'SEQUENCE_GAP' || code === 'WINDOW_GAP'
}

function needsOf(judged: Judged): LedgerNeeds {
  const { project, device } = judged.envelope
  const of = { project: project.toString(), device }
  if (judged.kind === 'reading') return { ...of, sequence: judged.envelope.sequence }
  const { index, firstSequence: first } = judged.envelope
  return { ...of, window: { index, first, end: first + judged.readings.length } }
}

function later(code: 'OVERLOADED' | 'RATE_LIMITED', detail: string, retryAfterMs: number): Refused {
  return { refused: code, detail, retryAfterMs }
}

function refused(code: RefusalCode, detail: string, expected?: number): Refused {
  return expected === undefined ? { refused: code, detail } : { refused: code, detail, expected }
}
