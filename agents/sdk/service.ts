// SPDX-License-Identifier: Apache-2.0
/** The device service, for the CLI. The SDK itself is the files beside this one, which do no I/O. */
export { service } from './drivers/node/service.ts'
export { readCsv } from './drivers/node/csv.ts'
export { DATASET_DEFAULT_ROWS, DATASET_MOTES, DATASET_ORIGIN, DATASET_STEP_SECONDS, datasetTime, readMote } from './drivers/node/dataset.ts'
