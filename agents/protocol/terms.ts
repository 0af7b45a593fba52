// SPDX-License-Identifier: Apache-2.0
/** The terms of a project, frozen per version: type, ABI tuple, terms id and JSON form. */
import { type AbiParameterToPrimitiveType, encodeAbiParameters, getAbiItem, keccak256 } from 'viem'
import type { ClockTerms } from './clock.ts'
import { TrellisError } from './errors.ts'
import { projectStoreAbi } from './generated/abi.ts'
import type { Address, TermsId } from './ids.ts'

export const ClockKind = { Wall: 0, Replay: 1 } as const
export type ClockKind = (typeof ClockKind)[keyof typeof ClockKind]

const termsParameter = getAbiItem({ abi: projectStoreAbi, name: 'publishTerms' }).inputs[1]

/** `struct Terms` as viem encodes and decodes it; contracts/types/Terms.sol says what each field means. */
export type Terms = AbiParameterToPrimitiveType<typeof termsParameter>

/** The tuple's components in order, as the contracts' ABI has them. */
export const termsComponents = termsParameter.components

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

/** How a component stands in JSON: viem makes integers of more than 48 bits bigint, and addresses and bytes hex. */
const namesOf = (belongs: (type: string) => boolean): ReadonlySet<string> =>
  new Set(termsComponents.filter(({ type }) => belongs(type)).map(({ name }) => name))
const wide = namesOf((type) => Number(/^u?int(\d+)$/.exec(type)?.[1] ?? 0) > 48)
const hexFields = namesOf((type) => type === 'address' || type.startsWith('bytes'))

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
