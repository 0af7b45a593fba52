// SPDX-License-Identifier: Apache-2.0
/** Everything the room offers, in one place. Inside the repository import the file that has it; this is the published entry. */
export * from './clock.ts'
export * from './codec.ts'
export * from './did.ts'
export * from './errors.ts'
export * from './generated/abi.ts'
export * from './ids.ts'
export * from './task-record.ts'
export * from './terms.ts'
export * from './verifier-key.ts'
