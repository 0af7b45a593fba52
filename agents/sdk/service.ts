// SPDX-License-Identifier: Apache-2.0
/** The device service and what else the CLI needs of the SDK, which itself is the files beside this one and does no I/O. */
export { service } from './drivers/node/service.ts'
export { readCsv } from './drivers/node/csv.ts'
export { DATASET_DEFAULT_ROWS, DATASET_MOTES, DATASET_ORIGIN, DATASET_STEP_SECONDS, datasetTime, readMote } from './drivers/node/dataset.ts'
export { postDocument } from './drivers/node/http.ts'
export { openDidChain } from './drivers/node/did-chain.ts'
export { createDocumentFetch } from './drivers/node/fetch-document.ts'
export { loadKeys, newKeys, saveKeys } from './drivers/node/keys-file.ts'
export { createDidDocument, type DidDocument, type DocumentService } from './did-document.ts'
export { type DeviceKeys, publicKeysOf } from './keys.ts'
export { readDidDocument } from './read-document.ts'
export { type DidChain, resolveDid } from './resolver.ts'
export { createDeviceSigner, type DeviceSigner } from './signer.ts'
