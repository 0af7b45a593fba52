// SPDX-License-Identifier: Apache-2.0
/** Configuration of an indexer. */
import { z } from 'zod'
import { chainField, databaseUrlField, httpField, logLevelField } from '../kit/fields.ts'

export const indexerConfig = z.object({
  /** Tables without `databaseUrl`, and what Ponder builds; one folder per deployment is made inside. */
  dataFolder: z.string().min(1).default('.trellis/indexer'),
  chain: chainField,
  http: httpField(8087),
  databaseUrl: databaseUrlField,
  logLevel: logLevelField,
})

export type IndexerConfig = z.output<typeof indexerConfig>
