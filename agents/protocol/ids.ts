// SPDX-License-Identifier: Apache-2.0
/** Branded identifiers and the derived ids of a window's task: task id, context and channel id, each with one encoder. */
import { bytesToBigInt, concatHex, encodeAbiParameters, isAddress, keccak256, toBytes, toHex } from 'viem'
import { TrellisError } from './errors.ts'

declare const brand: unique symbol
type Brand<T, Name extends string> = T & { readonly [brand]: Name }

/** `0x` and hexadecimal digits. */
export type Hex = `0x${string}`
/** A contract or account address, any case. */
export type Address = Hex

/** Token id of the ioID Project NFT; uint64 in the protocol. */
export type ProjectId = Brand<bigint, 'ProjectId'>
/** First secp256k1 address of a device, lower case: its identifier for ever. */
export type DeviceId = Brand<Hex, 'DeviceId'>
/** keccak256(abi.encode(chainid, taskManager, project, device, window, root)), 32 bytes. */
export type TaskId = Brand<Hex, 'TaskId'>
/** keccak256(abi.encode(chainid, projectStore, project, version, terms)), 32 bytes. */
export type TermsId = Brand<Hex, 'TermsId'>
/** keccak256 of a program's name and version, such as `sensing/window/1`. */
export type ProgramId = Brand<Hex, 'ProgramId'>
/** Poseidon root of a window's packed readings, 32 bytes big-endian, below the bn254 scalar order. */
export type ReadingsRoot = Brand<Hex, 'ReadingsRoot'>
/** First eight bytes of keccak256(channel name), big-endian. */
export type ChannelId = Brand<bigint, 'ChannelId'>

const UINT64 = 1n << 64n
const hexOf32 = /^0x[0-9a-f]{64}$/

function invalid(what: string, value: unknown): TrellisError {
  return new TrellisError({ code: 'PROTOCOL_ID_INVALID', message: `This is not a valid ${what}.`, details: { value } })
}

/** @throws TrellisError PROTOCOL_ID_INVALID unless 0 < value < 2^64. */
export function projectId(value: bigint | number | string): ProjectId {
  if (typeof value === 'string' && !/^[1-9][0-9]{0,19}$/.test(value)) throw invalid('project id', value)
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw invalid('project id', value)
  const id = BigInt(value)
  if (id <= 0n || id >= UINT64) throw invalid('project id', value)
  return id as ProjectId
}

/** @throws TrellisError PROTOCOL_ID_INVALID unless it is a 20-byte address; a wrong checksum is not an error. */
export function deviceId(value: string): DeviceId {
  if (!isAddress(value, { strict: false })) throw invalid('device identifier', value)
  return value.toLowerCase() as DeviceId
}

function id32<T extends Hex>(what: string): (value: string) => T {
  return (value) => {
    const lower = value.toLowerCase()
    if (!hexOf32.test(lower)) throw invalid(what, value)
    return lower as T
  }
}

export const taskId = id32<TaskId>('task id')
export const termsId = id32<TermsId>('terms id')
export const programId = id32<ProgramId>('program id')
export const readingsRootId = id32<ReadingsRoot>('readings root')

/** Program id of a named program, for instance `programIdOf('sensing/window', 1)`. */
export function programIdOf(name: string, version: number): ProgramId {
  return keccak256(toBytes(`${name}/${version}`)) as ProgramId
}

/** Channel id that the terms and the circuit carry for a channel's name. */
export function channelIdOf(name: string): ChannelId {
  return bytesToBigInt(keccak256(toBytes(name), 'bytes').subarray(0, 8)) as ChannelId
}

/** Which window of which device; `root` is its readings root. */
export interface TaskSubject {
  chainId: bigint | number
  taskManager: Address
  project: bigint
  device: Address
  window: number
  root: Hex
}

const words = (...types: string[]): { type: string }[] => types.map((type) => ({ type }))
const taskWords = words('uint256', 'address', 'uint256', 'address', 'uint32', 'bytes32')
const contextWords = words('uint256', 'address', 'uint256', 'address', 'bytes32', 'address', 'uint32', 'bytes32', 'bytes32')

/** The one task id of a window: two coordinators that meet the same window derive the same id. */
export function taskIdOf(subject: TaskSubject): TaskId {
  const { chainId, taskManager, project, device, window, root } = subject
  return keccak256(encodeAbiParameters(taskWords, [BigInt(chainId), taskManager, project, device, window, root])) as TaskId
}

/** keccak256 of the task ids one after the other. */
export function taskIdsRoot(taskIds: readonly Hex[]): Hex {
  return keccak256(concatHex([...taskIds]))
}

/** Everything that a proof is bound to besides the readings. */
export interface ContextSubject {
  chainId: bigint | number
  router: Address
  project: bigint
  device: Address
  taskIds: readonly Hex[]
  prover: Address
  window: number
  programId: Hex
  termsId: Hex
}

/** First public signal of `sensing/window`: the upper 248 bits of the hash, so that it is a field element. */
export function contextOf(subject: ContextSubject): bigint {
  const { chainId, router, project, device, taskIds, prover, window, programId: program, termsId: terms } = subject
  const values = [BigInt(chainId), router, project, device, taskIdsRoot(taskIds), prover, window, program, terms]
  return BigInt(keccak256(encodeAbiParameters(contextWords, values))) >> 8n
}

/** A field element or word as 32 bytes big-endian. */
export function word(value: bigint): Hex {
  return toHex(value, { size: 32 })
}
