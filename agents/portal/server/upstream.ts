// SPDX-License-Identifier: Apache-2.0
/** The services behind the page: what may be asked of them, and their answers within bounds of time and size. */
import { upstreamDown } from './errors.ts'

export const UPSTREAMS = ['gateway', 'coordinator', 'indexer'] as const
export type UpstreamName = (typeof UPSTREAMS)[number]

const LIMIT_BYTES = 8 << 20
const TIMEOUT_MS = 10_000

const id = '[0-9]{1,20}'
const address = '0x[0-9a-fA-F]{40}'
const word = '0x[0-9a-f]{64}'
const only = (...paths: readonly string[]): RegExp => new RegExp(`^/v1/(${paths.join('|')})$`)

/** GET of these, and of nothing else. A project's `/windows` is not among them: who reads it moves the mark of what a coordinator has pulled. */
const allowed: Readonly<Record<UpstreamName, RegExp>> = {
  gateway: only(
    'accounting',
    'refusals',
    `windows/${word}`,
    `documents/${word}`,
    `projects/${id}(/devices(/${address}/(readings|windows))?)?`,
  ),
  coordinator: only('accounting', 'tasks'),
  indexer: only(
    'status',
    'totals',
    'projects',
    'devices',
    `devices/${address}`,
    'tasks',
    'provers',
    `proofs/${word}`,
    'payments',
    'roles',
    'refusals',
  ),
}

export const isAllowed = (name: UpstreamName, path: string): boolean => allowed[name].test(path)

export interface Answer {
  status: number
  type: string
  body: Buffer<ArrayBuffer>
}

/** @throws TrellisError UPSTREAM_DOWN when it is silent, too slow, or says more than a page can show */
export async function ask(name: string, url: string, init: RequestInit = {}, timeoutMs = TIMEOUT_MS): Promise<Answer> {
  try {
    const response = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) })
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of response.body ?? []) {
      size += (chunk as Uint8Array).length
      if (size > LIMIT_BYTES) throw new Error(`an answer of more than ${LIMIT_BYTES} bytes`)
      chunks.push(chunk as Uint8Array)
    }
    return { status: response.status, type: response.headers.get('content-type') ?? '', body: Buffer.concat(chunks) }
  } catch (error) {
    throw upstreamDown(name, reasonOf(error))
  }
}

/** @throws TrellisError UPSTREAM_DOWN also when the answer is no success, or no JSON */
export async function askJson<T>(name: UpstreamName, base: string, path: string, timeoutMs = 2_000): Promise<T> {
  const { status, body } = await ask(name, new URL(path, base).href, {}, timeoutMs)
  if (status !== 200) throw upstreamDown(name, `it answers ${status}`)
  try {
    return JSON.parse(body.toString()) as T
  } catch {
    throw upstreamDown(name, 'it answers no JSON')
  }
}

export function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: string } }
  return cause?.code ?? (error instanceof Error ? error.message : String(error))
}
