// SPDX-License-Identifier: Apache-2.0
/** The terms of a project, frozen per version: type, ABI tuple, terms id and JSON form. */
import { encodeAbiParameters, keccak256 } from 'viem'
import type { ClockTerms } from './clock.ts'
import { TrellisError } from './errors.ts'
import type { Address, Hex, TermsId } from './ids.ts'

export const ClockKind = { Wall: 0, Replay: 1 } as const
export type ClockKind = (typeof ClockKind)[keyof typeof ClockKind]

/** `struct Terms` of IProjectStore, field for field as viem encodes and decodes it. */
export interface Terms {
  programId: Hex
  /** First eight bytes of keccak256(channel name), big-endian. */
  channel: bigint
  /** Units of 10^-decimals; lane value = value - rangeMin. */
  rangeMin: bigint
  /** Largest lane value allowed. */
  rangeMax: number
  /** Lane units; a reading is above when its lane value is larger. */
  threshold: number
  decimals: number
  /** Token units to the device's wallet. */
  pricePerReading: bigint
  /** Token units per task. */
  proverFee: bigint
  /** Token units per task, to who assigned it. */
  sequencerFee: bigint
  token: Address
  /** The dapp; zero address for none. */
  receiver: Address
  dappGas: number
  clock: number
  clockOrigin: number
  clockStart: number
  clockSpeed: number
  /** Longest deadline allowed for a task, seconds. */
  taskSeconds: number
  /** Seconds of project time that a reading may be old at the gateway; 0 is no limit. */
  maxAge: number
  /** Seconds of project time that a reading may be ahead. */
  maxSkew: number
}

/** The tuple's components in order: the one place outside Solidity that says how terms are encoded. */
export const termsComponents = [
  { name: 'programId', type: 'bytes32' },
  { name: 'channel', type: 'uint64' },
  { name: 'rangeMin', type: 'int64' },
  { name: 'rangeMax', type: 'uint24' },
  { name: 'threshold', type: 'uint24' },
  { name: 'decimals', type: 'uint8' },
  { name: 'pricePerReading', type: 'uint96' },
  { name: 'proverFee', type: 'uint96' },
  { name: 'sequencerFee', type: 'uint96' },
  { name: 'token', type: 'address' },
  { name: 'receiver', type: 'address' },
  { name: 'dappGas', type: 'uint32' },
  { name: 'clock', type: 'uint8' },
  { name: 'clockOrigin', type: 'uint40' },
  { name: 'clockStart', type: 'uint40' },
  { name: 'clockSpeed', type: 'uint32' },
  { name: 'taskSeconds', type: 'uint32' },
  { name: 'maxAge', type: 'uint32' },
  { name: 'maxSkew', type: 'uint32' },
] as const

const parameters = [
  { name: 'chainId', type: 'uint256' },
  { name: 'projectStore', type: 'address' },
  { name: 'projectId', type: 'uint256' },
  { name: 'version', type: 'uint32' },
  { name: 'terms', type: 'tuple', components: termsComponents },
] as const

/** Where a version of terms lives. */
export interface TermsPlace {
  chainId: bigint | number
  projectStore: Address
  project: bigint
  version: number
}

/** keccak256(abi.encode(chainid, projectStore, projectId, version, terms)). */
export function termsIdOf(place: TermsPlace, terms: Terms): TermsId {
  const { chainId, projectStore, project, version } = place
  return keccak256(encodeAbiParameters(parameters, [BigInt(chainId), projectStore, project, version, terms])) as TermsId
}

/** The clock that terms name. */
export function clockOf(terms: Terms): ClockTerms {
  if (terms.clock === ClockKind.Wall) return { kind: 'wall' }
  return { kind: 'replay', origin: terms.clockOrigin, start: terms.clockStart, speed: terms.clockSpeed }
}

/** Terms as JSON: what is wider than 53 bits is a decimal string. */
export type TermsJson = { [K in keyof Terms]: Terms[K] extends bigint ? string : Terms[K] }

const wide = new Set<string>(['channel', 'rangeMin', 'pricePerReading', 'proverFee', 'sequencerFee'])
const hexFields = new Set<string>(['programId', 'token', 'receiver'])

export function termsToJson(terms: Terms): TermsJson {
  return Object.fromEntries(
    termsComponents.map(({ name }) => [name, wide.has(name) ? String(terms[name]) : terms[name]]),
  ) as unknown as TermsJson
}

/**
 * Reads terms from JSON, field by field.
 * @throws TrellisError TERMS_INVALID naming every field that is missing or of the wrong form.
 */
export function termsFromJson(json: unknown): Terms {
  const source = (json !== null && typeof json === 'object' ? json : {}) as Record<string, unknown>
  const bad: string[] = []
  const entries = termsComponents.map(({ name }): [string, unknown] => {
    const value = source[name]
    if (wide.has(name)) {
      if (typeof value === 'string' && /^-?[0-9]{1,29}$/.test(value)) return [name, BigInt(value)]
    } else if (hexFields.has(name)) {
      if (typeof value === 'string' && /^0x[0-9a-fA-F]+$/.test(value)) return [name, value]
    } else if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return [name, value]
    bad.push(name)
    return [name, undefined]
  })
  if (bad.length > 0) {
    throw new TrellisError({
      code: 'TERMS_INVALID',
      message: 'These terms lack fields or hold values of the wrong form.',
      details: { fields: bad },
    })
  }
  return Object.fromEntries(entries) as unknown as Terms
}
