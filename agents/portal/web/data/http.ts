// SPDX-License-Identifier: Apache-2.0
/** Reads of the portal's server, and what it says when it cannot answer. */

/** A refusal in the wire shape of every Trellis service. */
export class ApiError extends Error {
  readonly code: string
  readonly status: number
  readonly next: string | null

  constructor(code: string, message: string, status: number, next: string | null) {
    super(message)
    this.name = 'ApiError'
    this.code = code
    this.status = status
    this.next = next
  }
}

interface ErrorBody {
  error?: { code?: string; message?: string; next?: string | null }
}

/** @throws ApiError */
export async function read<T>(path: string, signal?: AbortSignal): Promise<T> {
  let response: Response
  try {
    response = await fetch(`/api/v1${path}`, { headers: { accept: 'application/json' }, ...(signal === undefined ? {} : { signal }) })
  } catch (error) {
    if (signal?.aborted === true) throw error
    throw new ApiError('UNREACHABLE', 'The portal server does not answer.', 0, 'npm start')
  }
  const body = (await response.json().catch(() => undefined)) as (T & ErrorBody) | undefined
  if (!response.ok || body === undefined) {
    const { code = 'HTTP_ERROR', message = `The server answered ${response.status}.`, next = null } = body?.error ?? {}
    throw new ApiError(code, message, response.status, next)
  }
  return body
}

export const query = (values: Readonly<Record<string, string | number | undefined>>): string => {
  const pairs = Object.entries(values).filter((pair): pair is [string, string | number] => pair[1] !== undefined)
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)])).toString()}`
}
