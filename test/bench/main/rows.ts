// SPDX-License-Identifier: Apache-2.0
/** Small arithmetic of the bench: medians, ranks and rows. */
import type { Row } from '../../../scripts/bench.ts'

export function median(values: readonly number[]): number {
  return rank(values, 0.5)
}

/** The value below which `part` of the values lie. */
export function rank(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const at = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
  if (at === undefined) throw new Error('there is nothing to rank')
  return at
}

export interface Measured {
  case: string
  unit: string
  ours: number
  peer?: number
  peerName?: string
  target?: number
  /** `more`: a larger figure is better. */
  better: 'more' | 'less'
}

/** Three significant digits: what is measured on a shared machine has no more. */
const round = (value: number): number => Number(value.toPrecision(3))

export function row({ case: name, unit, ours, peer, peerName, target, better }: Measured): Row {
  const ratio = peer === undefined ? null : round(better === 'more' ? ours / peer : peer / ours)
  return {
    case: name,
    unit,
    ours: round(ours),
    peer: peer === undefined ? null : round(peer),
    peerName: peerName ?? null,
    ratio,
    target: target ?? null,
    ok: target === undefined || (better === 'more' ? ours >= target : ours <= target),
  }
}

/** Progress goes to stderr: with `--json`, stdout carries data only. */
export const say = (text: string): void => void process.stderr.write(`· ${text}\n`)
