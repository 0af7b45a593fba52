// SPDX-License-Identifier: Apache-2.0
/** Drivers for Node 20 and newer, in one place. The device process with its durable outbox needs node:sqlite and is run by `trellis run device`. */
export * from './csv.ts'
export * from './fetch-document.ts'
export * from './http.ts'
export * from './keys-file.ts'
export * from './mqtt.ts'
export * from './source.ts'
export * from './tls.ts'
export * from './transport.ts'
