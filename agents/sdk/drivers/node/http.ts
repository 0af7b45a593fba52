// SPDX-License-Identifier: Apache-2.0
/** HTTP to a gateway: messages in batches, one request at a time; and the few things a device asks it. */
import { ackFromJson } from '../../../protocol/ack.ts'
import { ENVELOPE_BATCH } from '../../../protocol/envelope.ts'
import type { Address, Hex } from '../../../protocol/ids.ts'
import { type AckKey, readAckKeys } from '../../../protocol/signed-ack.ts'
import { type Terms, termsFromJson, termsIdOf } from '../../../protocol/terms.ts'
import { deviceError } from './errors.ts'
import type { Transport, TransportEvents } from './transport.ts'

const TIMEOUT_MS = 10_000

export function openHttp(url: string, { onAck, onConnect, onError }: TransportEvents): Transport {
  const abort = new AbortController()
  let waiting: string[] = []
  let sending = Promise.resolve()

  const post = async (payloads: readonly string[]): Promise<void> => {
    const signal = AbortSignal.any([abort.signal, AbortSignal.timeout(TIMEOUT_MS)])
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body: `[${payloads.join(',')}]`, signal })
    const body = (await response.json()) as { acks?: unknown[] }
    for (const json of body.acks ?? []) {
      const ack = ackFromJson(json)
      if (ack !== undefined) onAck(ack)
    }
  }
  const drain = async (): Promise<void> => {
    while (waiting.length > 0 && !abort.signal.aborted) {
      const batch = waiting.slice(0, ENVELOPE_BATCH)
      waiting = waiting.slice(ENVELOPE_BATCH)
      await post(batch).catch((error: unknown) => {
        if (!abort.signal.aborted) onError(error)
      })
    }
  }
  queueMicrotask(onConnect)
  return {
    connected: true,
    send(payloads) {
      waiting.push(...payloads)
      sending = sending.then(drain)
    },
    async close() {
      abort.abort()
      await sending
    },
  }
}

/** Contracts that a device's signatures are bound to. */
export interface DeviceContracts {
  chainId: number
  ioIDRegistry: Address
  dataKeyRegistry: Address
  projectStore: Address
}

/**
 * A project's terms as the gateway tells them. The terms id is computed here from what it told, so a pinned id is proof of the terms.
 * @throws TrellisError GATEWAY_UNREACHABLE (retryable by the caller) | TERMS_CHANGED when `pinned` is another id
 */
export async function fetchTerms(
  url: string,
  project: bigint,
  contracts: DeviceContracts,
  pinned?: Hex,
): Promise<{ terms: Terms; termsId: Hex; version: number; ackKeys: AckKey[] }> {
  let body: { version: number; terms: unknown; ackKeys?: unknown }
  try {
    const response = await fetch(`${url}/v1/projects/${project}`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!response.ok) throw new Error(`the gateway answered ${response.status}`)
    body = (await response.json()) as typeof body
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw deviceError(
      'GATEWAY_UNREACHABLE',
      'The gateway does not tell the terms of the project.',
      { url, project, reason },
      'check that the gateway runs and that the project has terms',
      error,
    )
  }
  const terms = termsFromJson(body.terms)
  const { chainId, projectStore } = contracts
  const termsId = termsIdOf({ chainId, projectStore, project, version: body.version }, terms)
  if (pinned !== undefined && pinned !== termsId) {
    throw deviceError('TERMS_CHANGED', 'The gateway tells other terms than those this device was configured for.', {
      expected: pinned,
      found: termsId,
      version: body.version,
    })
  }
  return { terms, termsId, version: body.version, ackKeys: readAckKeys(body.ackKeys) }
}

/** Leaves a DID document at the gateway. @throws TrellisError DOCUMENT_REFUSED */
export async function postDocument(url: string, text: string): Promise<{ hash: Hex; uri: string }> {
  try {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${url}/v1/documents`, { method: 'POST', headers, body: text, signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (!response.ok) throw new Error(`the gateway answered ${response.status}: ${(await response.text()).slice(0, 200)}`)
    return (await response.json()) as { hash: Hex; uri: string }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw deviceError(
      'DOCUMENT_REFUSED',
      'The gateway did not take the DID document.',
      { url, reason },
      'check that the gateway runs',
      error,
    )
  }
}
