// SPDX-License-Identifier: Apache-2.0
/** The device service, for the CLI. The SDK itself is the files beside this one, which do no I/O. */
export { service } from './drivers/node/service.ts'
