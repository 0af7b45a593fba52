// SPDX-License-Identifier: Apache-2.0
/** Everything the room offers, in one place. Inside the repository import the file that has it; this is the published entry. */
export * from './babyjubjub.ts'
export * from './eddsa.ts'
export * from './errors.ts'
export * from './es256k.ts'
export { bigintToBytes, bigintToBytesLE, bytesToBigint, bytesToBigintLE, FIELD } from './field.ts'
export * from './groth16.ts'
export { poseidon } from './poseidon.ts'
export * from './schnorr.ts'
