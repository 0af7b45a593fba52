// SPDX-License-Identifier: Apache-2.0
/** Ponder's program, in a process that ends with the service, and that alone opens its folder: PGlite does not lock it. Arguments are Ponder's. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lockFolder } from '../kit/lock.ts'
import { job } from './ponder/job.ts'

// The service is gone, by kill -9 too.
process.once('disconnect', () => process.exit(0))
if ('directory' in job.database) lockFolder(job.database.directory)
await import(join(fileURLToPath(import.meta.resolve('ponder')), '..', 'bin', 'ponder.js'))
