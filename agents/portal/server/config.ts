// SPDX-License-Identifier: Apache-2.0
/** Configuration of the portal's server. */
import { z } from 'zod'
import { chainField, httpField, idField, logLevelField, urlField } from '../../kit/fields.ts'

export const portalConfig = z.object({
  chain: chainField,
  http: httpField(8080),
  /** Projects that the page shows. */
  projects: z.array(idField).min(1).max(100),
  /** The gateway whose store is shown. */
  gatewayUrl: urlField.default('http://127.0.0.1:8083'),
  /** The coordinator whose tasks are shown. */
  coordinatorUrl: urlField.default('http://127.0.0.1:8084'),
  /** The indexer that history is asked of; the page works without one. */
  indexerUrl: urlField.default('http://127.0.0.1:8087'),
  /** The built page. */
  webFolder: z.string().min(1).default('build/portal'),
  logLevel: logLevelField,
})

export type PortalConfig = z.output<typeof portalConfig>
