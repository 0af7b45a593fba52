// SPDX-License-Identifier: Apache-2.0
/** The core of the SDK, in one place: no I/O, runs in a browser. Certificates are in `x509/index.ts`, drivers with I/O in `drivers/node/index.ts`. */
export * from './did-document.ts'
export * from './keys.ts'
export * from './read-document.ts'
export * from './resolver.ts'
export * from './signer.ts'
export * from './status-list.ts'
export * from './typed-data.ts'
export * from './window-cutter.ts'
