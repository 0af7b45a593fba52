// SPDX-License-Identifier: Apache-2.0
/** Versions of a store's schema, up and down. `protocol` has them, because the SDK's store needs them and may not import the kit. */
export { backOut, migrate, storeTooNew, type BackOut, type Migration, type SchemaDatabase } from '../protocol/migrations.ts'
