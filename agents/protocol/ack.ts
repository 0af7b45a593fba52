// SPDX-License-Identifier: Apache-2.0
/** The gateway's answer to a message, sent after the message is on disk, and the MQTT topics of both directions. */
import type { DeviceId, ProjectId } from './ids.ts'
import { type MessageSubject, type RefusalCode, refusalCodes } from './envelope.ts'

/** `accepted` and `duplicate` both say that the message is stored; only the first counted it. */
export type AckStatus = 'accepted' | 'duplicate' | 'refused'

export interface Ack {
  status: AckStatus
  subject: MessageSubject
  reason: RefusalCode | null
  detail: string | null
  /** Next sequence (reading) or index (window) that the gateway takes, where that helps. */
  expected: number | null
  /** With OVERLOADED and RATE_LIMITED: when to try again, milliseconds from now. */
  retryAfterMs?: number
}

/** The longest wait that a device takes from an answer. */
export const RETRY_AFTER_MAX_MS = 300_000

/** Codes after which the same message may be taken later; the others stay refused. */
export const retryableRefusals: ReadonlySet<RefusalCode> = new Set([
  'OVERLOADED',
  'RATE_LIMITED',
  'TIME_FUTURE',
  'SEQUENCE_GAP',
  'WINDOW_GAP',
  'UNREGISTERED',
  'NO_DATA_KEY',
  'NO_CREDENTIAL',
  'UNKNOWN_PROJECT',
])

export function encodeAck(ack: Ack): string {
  return JSON.stringify(ackToJson(ack))
}

/** `sequence` is a decimal string, `index` a number, as in the envelopes. */
export function ackToJson({ status, subject, reason, detail, expected, retryAfterMs }: Ack): Record<string, unknown> {
  const { device, kind, position } = subject
  const text = (value: number | null): string | null => (value === null ? null : String(value))
  const window = kind === 'window'
  const place = window ? { index: position } : { sequence: text(position) }
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs }
  return { v: 1, device, kind, ...place, status, reason, detail, expected: window ? expected : text(expected), ...wait }
}

/** Reads an acknowledgement; undefined when it is none of version 1. Fields that a later gateway adds are ignored here: a device only acts on these. */
export function parseAck(input: string | Uint8Array): Ack | undefined {
  try {
    return ackFromJson(JSON.parse(typeof input === 'string' ? input : new TextDecoder().decode(input)))
  } catch {
    return undefined
  }
}

export function ackFromJson(json: unknown): Ack | undefined {
  if (json === null || typeof json !== 'object') return undefined
  const source = json as Record<string, unknown>
  const { v, device, kind, status, reason, detail, expected } = source
  if (v !== 1 || (status !== 'accepted' && status !== 'duplicate' && status !== 'refused')) return undefined
  const readKind = kind === 'reading' || kind === 'window' ? kind : null
  const position = readKind === 'window' ? source['index'] : source['sequence']
  const wait = integer(source['retryAfterMs'])
  return {
    status,
    subject: { device: typeof device === 'string' ? device : null, kind: readKind, position: integer(position) },
    reason: refusalCodes.find((code) => code === reason) ?? null,
    detail: typeof detail === 'string' ? detail : null,
    expected: integer(expected),
    ...(wait === null ? {} : { retryAfterMs: Math.min(wait, RETRY_AFTER_MAX_MS) }),
  }
}

function integer(value: unknown): number | null {
  const read = typeof value === 'string' && /^[0-9]{1,16}$/.test(value) ? Number(value) : value
  return typeof read === 'number' && Number.isSafeInteger(read) && read >= 0 ? read : null
}

/** Where a device publishes. */
export function upTopic(project: ProjectId, device: DeviceId): string {
  return `trellis/v1/${project}/${device}/up`
}

/** Where a device reads its acknowledgements. */
export function ackTopic(project: ProjectId | string, device: DeviceId | string): string {
  return `trellis/v1/${project}/${device}/ack`
}

/** Project (decimal) and device of a topic of ours; undefined for any other topic. */
export function parseTopic(topic: string): { project: string; device: string; direction: 'up' | 'ack' } | undefined {
  const match = /^trellis\/v1\/([1-9][0-9]{0,19})\/(0x[0-9a-f]{40})\/(up|ack)$/.exec(topic)
  if (match?.[1] === undefined || match[2] === undefined) return undefined
  return { project: match[1], device: match[2], direction: match[3] === 'up' ? 'up' : 'ack' }
}
