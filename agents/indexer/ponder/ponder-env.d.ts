// SPDX-License-Identifier: Apache-2.0
/** Types of Ponder's virtual modules over our configuration and schema. */
/// <reference types="ponder/virtual" />

// A module is declared here, not written: it cannot import.
/* eslint-disable @typescript-eslint/consistent-type-imports */

declare module 'ponder:internal' {
  const config: typeof import('./ponder.config.ts')
  const schema: typeof import('./ponder.schema.ts')
}

declare module 'ponder:schema' {
  export * from './ponder.schema.ts'
}
