// SPDX-License-Identifier: Apache-2.0
/** Certificates of devices, in one place; apart from the core because X.509 is most of a bundle. */
export * from './certificate.ts'
export * from './issue.ts'
export * from './pem.ts'
export * from './registry.ts'
export * from './verify.ts'
