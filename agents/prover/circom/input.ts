// SPDX-License-Identifier: GPL-3.0-or-later
/** From a window as the protocol has it to the private and public inputs of circuits/lib/sensing/window.circom. */
import type { Point } from '../../crypto/babyjubjub.ts'
import type { Signature } from '../../crypto/eddsa.ts'
import { TrellisError } from '../../protocol/errors.ts'
import {
  keyCommitment,
  openWindow,
  packStatistics,
  readingsRoot,
  statisticsOf,
  unpackLane,
  WINDOW_CAPACITY,
  type WindowContent,
} from '../../protocol/window.ts'
import type { Address } from '../../protocol/ids.ts'

/** Everything that one proof of a window is made from. */
export interface WindowClaim {
  readonly window: WindowContent
  /** Of the project's terms. */
  readonly programId?: `0x${string}`
  readonly windowIndex: number
  readonly chainId: number | bigint
  readonly dataKeyRegistry: Address
  readonly project: bigint
  readonly device: Address
  readonly dataKey: Point
  /** By `dataKey` over the window's message. */
  readonly signature: Signature
  /** Of the project's terms, in lane units. */
  readonly threshold: number
  readonly rangeMax: number
  /** 248 bits, from chain, router, tasks, prover and terms. */
  readonly context: bigint
}

/** Signals by name: decimal strings. A public signal is given too, and checked. */
export type WitnessInput = Readonly<Record<string, string | readonly string[]>>

/** The four public signals in the circuit's order. */
export interface PublicSignals {
  readonly context: bigint
  readonly readingsRoot: bigint
  readonly statistics: bigint
  readonly keyCommitment: bigint
}

/**
 * Public signals of a claim. Computed and not trusted: a prover that was sent other ones learns it before it proves.
 * @throws TrellisError WINDOW_INVALID for a window that no circuit accepts.
 */
export function windowSignals(claim: WindowClaim): PublicSignals {
  const { window, windowIndex, threshold, rangeMax, context, chainId, dataKeyRegistry, project, device, dataKey } = claim
  return {
    context,
    readingsRoot: readingsRoot(window),
    statistics: packStatistics(statisticsOf(window, windowIndex, threshold, rangeMax)),
    keyCommitment: keyCommitment({ chainId, dataKeyRegistry, project, device, key: dataKey }),
  }
}

/**
 * All inputs of SensingWindow(places).
 * @param places  places of the circuit; only tests use another number than 64
 * @throws TrellisError WINDOW_INVALID when the window breaks a rule of the protocol or does not fit.
 */
export function windowInput(claim: WindowClaim, places: number = WINDOW_CAPACITY): WitnessInput {
  const { window, signature, dataKey } = claim
  const opened = openWindow(window)
  if (!opened.ok || window.lanes.length > places) {
    throw new TrellisError({
      code: 'WINDOW_INVALID',
      message: 'This window breaks a rule of the protocol, so it cannot be proved.',
      details: { count: window.lanes.length, places, ...(opened.ok ? {} : { why: opened.why, index: opened.index }) },
    })
  }
  const lanes = window.lanes.map(unpackLane)
  const statistics = statisticsOf(window, claim.windowIndex, claim.threshold, claim.rangeMax)
  const low = window.firstSequence % 2 ** 24
  const column = (at: (place: number) => bigint | number): string[] => Array.from({ length: places }, (_, place) => at(place).toString())
  return {
    ...decimals({ ...windowSignals(claim) }),
    enabled: column((place) => (place < lanes.length ? 1 : 0)),
    values: column((place) => lanes[place]?.laneValue ?? 0),
    dts: column((place) => lanes[place]?.gap ?? 0),
    // The circuit counts on through the padding, so a wrap there is named too.
    wraps: column((place) => (low + place === 2 ** 24 ? 1 : 0)).slice(1),
    ...decimals({
      sequenceHigh: Math.floor(window.firstSequence / 2 ** 24),
      sequenceLow: low,
      firstTime: window.firstTime,
      channel: window.channel,
      minimum: statistics.min,
      maximum: statistics.max,
      threshold: claim.threshold,
      rangeMax: claim.rangeMax,
      windowIndex: claim.windowIndex,
      chainId: claim.chainId,
      registry: BigInt(claim.dataKeyRegistry),
      project: claim.project,
      device: BigInt(claim.device),
      S: signature.S,
    }),
    key: [dataKey.x.toString(), dataKey.y.toString()],
    R8: [signature.R8.x.toString(), signature.R8.y.toString()],
  }
}

function decimals(values: Record<string, bigint | number>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value.toString()]))
}
