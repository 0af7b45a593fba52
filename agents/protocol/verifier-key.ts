// SPDX-License-Identifier: Apache-2.0
/**
 * Groth16 keys and proofs on bn254 as the verifier contract reads them. Input is snarkjs' JSON (`verification_key.json`, a proof); output is the
 * layout of contracts/interfaces/verifiers/IGroth16Verifier.sol: alpha | beta | gamma | delta | IC[0..n], 32-byte big-endian numbers, and in G2 the
 * imaginary limb first, as EIP-197 wants it (snarkjs writes [real, imaginary]).
 */
import { type Hex, keccak256 } from 'viem'
import { TrellisError } from './errors.ts'

/** Base field of bn254. Source: EIP-196. */
const BASE_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583n
/** Most public signals of a key; as in the contract. */
const MAX_SIGNALS = 64

/** The parts of snarkjs' `verification_key.json` that a verifier needs; points are projective with z = 1. */
export interface SnarkjsVerificationKey {
  protocol: string
  curve: string
  nPublic: number
  vk_alpha_1: readonly string[]
  vk_beta_2: readonly (readonly string[])[]
  vk_gamma_2: readonly (readonly string[])[]
  vk_delta_2: readonly (readonly string[])[]
  IC: readonly (readonly string[])[]
}

/** A Groth16 proof as snarkjs returns it. */
export interface SnarkjsProof {
  pi_a: readonly string[]
  pi_b: readonly (readonly string[])[]
  pi_c: readonly string[]
}

/** A.x, A.y, B.x imaginary, B.x real, B.y imaginary, B.y real, C.x, C.y. */
export type ProofWords = [bigint, bigint, bigint, bigint, bigint, bigint, bigint, bigint]

const malformed = (what: string, details: Record<string, unknown> = {}): TrellisError =>
  new TrellisError({
    code: 'VERIFIER_KEY_MALFORMED',
    message: `The Groth16 key or proof is malformed: ${what}.`,
    details,
    next: 'export it again with snarkjs, as JSON, for bn128 and groth16',
  })

function coordinate(value: string | undefined, what: string): bigint {
  if (value === undefined || !/^\d{1,78}$/.test(value)) throw malformed(`${what} is not a decimal number`, { value })
  const number = BigInt(value)
  if (number >= BASE_FIELD) throw malformed(`${what} is not a field element`, { value })
  return number
}

function g1(point: readonly string[] | undefined, what: string): [bigint, bigint] {
  if (point === undefined || (point.length !== 2 && point.length !== 3)) throw malformed(`${what} is not a point`)
  if (point.length === 3 && point[2] !== '1') throw malformed(`${what} is not affine`, { z: point[2] })
  return [coordinate(point[0], `${what}.x`), coordinate(point[1], `${what}.y`)]
}

function g2(point: readonly (readonly string[])[] | undefined, what: string): [bigint, bigint, bigint, bigint] {
  if (point === undefined || (point.length !== 2 && point.length !== 3)) throw malformed(`${what} is not a point`)
  if (point.length === 3 && (point[2]?.[0] !== '1' || point[2][1] !== '0')) throw malformed(`${what} is not affine`, { z: point[2] })
  const [x, y] = point
  return [
    coordinate(x?.[1], `${what}.x imaginary`),
    coordinate(x?.[0], `${what}.x real`),
    coordinate(y?.[1], `${what}.y imaginary`),
    coordinate(y?.[0], `${what}.y real`),
  ]
}

const encode = (numbers: readonly bigint[]): Hex => `0x${numbers.map((number) => number.toString(16).padStart(64, '0')).join('')}`

/**
 * Key bytes for `Groth16Verifier.registerKey`: 448 + 64·(n + 1) bytes for n public signals.
 * Throws VERIFIER_KEY_MALFORMED. Whether the points lie on their curves is for the contract, which checks it.
 */
export function encodeVerifierKey(key: SnarkjsVerificationKey): Hex {
  if (key.protocol !== 'groth16' || (key.curve !== 'bn128' && key.curve !== 'bn254')) {
    throw malformed('not groth16 on bn254', { protocol: key.protocol, curve: key.curve })
  }
  if (!Number.isSafeInteger(key.nPublic) || key.nPublic < 1 || key.nPublic > MAX_SIGNALS || key.IC.length !== key.nPublic + 1) {
    throw malformed('nPublic and IC do not fit', { nPublic: key.nPublic, points: key.IC.length })
  }
  const gamma = g2(key.vk_gamma_2, 'gamma')
  const delta = g2(key.vk_delta_2, 'delta')
  if (gamma.every((limb, index) => limb === delta[index]))
    throw malformed('delta equals gamma, so phase 2 has no contribution and anybody can forge')
  return encode([
    ...g1(key.vk_alpha_1, 'alpha'),
    ...g2(key.vk_beta_2, 'beta'),
    ...gamma,
    ...delta,
    ...key.IC.flatMap((point, index) => g1(point, `IC[${index}]`)),
  ])
}

/** Id of a key in the verifier contract: keccak256 of its bytes. */
export const verifierKeyId = (key: Hex): Hex => keccak256(key)

/** The eight words that `IVerifier.verify` takes. Throws VERIFIER_KEY_MALFORMED. */
export function encodeProof(proof: SnarkjsProof): ProofWords {
  return [...g1(proof.pi_a, 'A'), ...g2(proof.pi_b, 'B'), ...g1(proof.pi_c, 'C')]
}
