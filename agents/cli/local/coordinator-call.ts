// SPDX-License-Identifier: Apache-2.0
/** What only the owner of a coordinator may ask of it: signed with the key in its configuration. */
import type { z } from 'zod'
import type { service as coordinator } from '../../coordinator/service.ts'
import { isLocal, readDeployment } from '../../kit/deployment.ts'
import { openKey } from '../../kit/keys.ts'
import { authorizeRequest } from '../../protocol/lease.ts'

export type CoordinatorConfig = z.output<typeof coordinator.config>

export function urlOf({ http }: CoordinatorConfig): string {
  const host = http.hostname.includes(':') ? `[${http.hostname}]` : http.hostname
  return `http://${host}:${http.port}`
}

/** A signed POST: where to, and what `fetch` sends. @throws what `openKey` throws */
export async function signedPost(
  config: CoordinatorConfig,
  url: string,
  path: string,
  content: object,
): Promise<{ href: string; request: RequestInit }> {
  const local = isLocal(readDeployment(config.chain.addressesFile), config.chain.rpcUrl)
  const key = await openKey(config.key, { local })
  try {
    const { href, host } = new URL(path, url)
    const body = JSON.stringify(content)
    const authorization = await authorizeRequest(key.account, { method: 'POST', host, path, body, unixMs: Date.now() })
    return { href, request: { method: 'POST', body, headers: { authorization, 'content-type': 'application/json' } } }
  } finally {
    key.close()
  }
}
