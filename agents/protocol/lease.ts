// SPDX-License-Identifier: Apache-2.0
/** What goes between the data availability store, the coordinator and a prover: window items, leases, results, and the header that signs a request. */
import { keccak256, recoverMessageAddress, toBytes } from 'viem'
import { z } from 'zod'
import { TrellisError } from './errors.ts'
import type { Address, Hex } from './ids.ts'
import { SEQUENCE_LIMIT, WINDOW_CAPACITY, WINDOW_INDEX_LIMIT, lanesFromHex } from './window.ts'
import { TIME_LIMIT } from './clock.ts'

const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-f]{${bytes * 2}}$`), `0x and ${bytes * 2} lower-case hex digits were expected`)
    .transform((text) => text as Hex)
const decimal = z.string().regex(/^(0|[1-9][0-9]{0,77})$/, 'a decimal integer was expected')
const below = (limit: number) =>
  z
    .int()
    .min(0)
    .max(limit - 1)
/** An integer that JSON carries as a decimal string and that fits a double. */
const countBelow = (limit: number) =>
  decimal.transform(Number).refine((value) => Number.isSafeInteger(value) && value < limit, `must be below ${limit}`)

/** A window as the data availability store serves it. `receivedAt` is milliseconds of the gateway's clock. */
export const windowItemSchema = z.object({
  cursor: z.int().positive(),
  receivedAt: z.number(),
  root: hex(32),
  project: decimal,
  device: hex(20),
  index: below(WINDOW_INDEX_LIMIT),
  firstSequence: countBelow(SEQUENCE_LIMIT),
  count: z.int().min(1).max(WINDOW_CAPACITY),
  firstTime: countBelow(TIME_LIMIT),
  channel: z.string().min(1).max(64),
  lanes: z.string().transform((text, context) => {
    const lanes = lanesFromHex(text)
    if (lanes !== undefined) return lanes
    context.addIssue({ code: 'custom', message: '1 to 64 lanes of 8 bytes were expected' })
    return z.NEVER
  }),
  dataSignature: hex(96),
  signature: hex(64),
})
export type WindowItem = z.output<typeof windowItemSchema>
/** The JSON form of a `WindowItem`. */
export type WindowItemJson = z.input<typeof windowItemSchema>

/**
 * A page of a project's windows, oldest first. `next` is the cursor to ask after; cursors are those of the store that `storeId` names, which is
 * another one when the store was wiped.
 */
export const windowPageSchema = z.object({
  storeId: z.string().min(1).max(64),
  items: z.array(z.unknown()).max(500),
  next: z.int().nonnegative().nullish(),
})

/** A task that a prover holds until `leasedUntil`; its proof must be on chain by `deadline` (unix seconds of the chain). */
export const leasedTaskSchema = z.object({
  taskId: hex(32),
  project: decimal,
  termsVersion: z.int().positive(),
  context: decimal,
  window: windowItemSchema,
  terms: z.object({ threshold: below(2 ** 24), rangeMax: below(2 ** 24), programId: hex(32), termsId: hex(32), channel: decimal }),
  dataKey: z.object({ x: decimal, y: decimal, commitment: decimal }),
  deadline: z.int().positive(),
  leasedUntil: z.int().positive(),
})
export type LeasedTask = z.output<typeof leasedTaskSchema>
export type LeasedTaskJson = z.input<typeof leasedTaskSchema>

/**
 * `holding` are the leased tasks that the prover still has. Others that the coordinator believes leased were lost on the way, by a crash on
 * either side, and are offered again at once. Without it a lost lease waits until it runs out.
 */
export const leaseRequestSchema = z.strictObject({
  prover: hex(20),
  max: z.int().min(1).max(64),
  holding: z.array(hex(32)).max(256).optional(),
})
export const leaseAnswerSchema = z.object({ tasks: z.array(z.unknown()).max(64) })

export const resultSchema = z.strictObject({
  taskId: hex(32),
  prover: hex(20),
  /** A.x, A.y, B.x imaginary, B.x real, B.y imaginary, B.y real, C.x, C.y. */
  proof: z.array(decimal).length(8),
  /** context, readings root, statistics, key commitment. */
  publicSignals: z.array(decimal).length(4),
})
export type ProofResult = z.output<typeof resultSchema>

/** accepted: will be settled. duplicate: was accepted before. stale: the task is not this prover's any more. refused: see `reason`. */
export const resultAnswerSchema = z.object({ status: z.enum(['accepted', 'duplicate', 'stale', 'refused']), reason: z.string().nullable() })
export type ResultAnswer = z.output<typeof resultAnswerSchema>

export const failureSchema = z.strictObject({ taskId: hex(32), prover: hex(20), reason: z.string().max(500) })

/** Most tasks of one request to try dead tasks again. */
export const RETRY_MAX = 500
/** Dead tasks to be tried again; signed by the coordinator's own key. */
export const retrySchema = z.strictObject({ taskIds: z.array(hex(32)).min(1).max(RETRY_MAX) })
/** Why a task is not tried again, or null when it is. */
/** `POST /v1/backup`: the rows of the ledger as lines. */
export const backupSchema = z.strictObject({})

export const retryAnswerSchema = z.object({ tasks: z.array(z.object({ id: hex(32), refused: z.string().nullable() })) })

export interface SignedRequest {
  method: string
  host: string
  path: string
  body: string
  unixMs: number
}

/** Milliseconds that a request's signature is good for, to either side of the verifier's clock. */
export const REQUEST_TTL_MS = 60_000

/**
 * What a signed request commits to: keccak256(method \n host \n path \n keccak256(body) \n unix milliseconds). The host is the `Host` header, so
 * one coordinator cannot use at another what a prover sent to it.
 */
export function requestDigest({ method, host, path, body, unixMs }: SignedRequest): Hex {
  return keccak256(toBytes(`${method.toUpperCase()}\n${host.toLowerCase()}\n${path}\n${keccak256(toBytes(body))}\n${unixMs}`))
}

/** `Trellis <address>.<unix milliseconds>.<signature>`; `sign` is a personal_sign over 32 raw bytes. */
export async function authorizeRequest(
  account: { address: Address; signMessage: (message: { message: { raw: Hex } }) => Promise<Hex> },
  request: SignedRequest,
): Promise<string> {
  const raw = requestDigest(request)
  return `Trellis ${account.address.toLowerCase()}.${request.unixMs}.${await account.signMessage({ message: { raw } })}`
}

/**
 * Who signed a request. Does not know who may; the caller refuses a second use of (address, unixMs).
 * @throws TrellisError UNAUTHENTICATED when the header is missing, malformed, not fresh, or signed by another key
 */
export async function verifyRequest(
  header: string | undefined,
  request: Omit<SignedRequest, 'unixMs'> & { nowMs: number },
): Promise<{ address: Address; unixMs: number }> {
  const match = /^Trellis (0x[0-9a-f]{40})\.([0-9]{10,15})\.(0x[0-9a-f]{130})$/.exec(header ?? '')
  if (match === null) throw refused('The authorization header is missing or malformed.')
  const [, address, unix, signature] = match as unknown as [string, Address, string, Hex]
  const unixMs = Number(unix)
  if (Math.abs(request.nowMs - unixMs) > REQUEST_TTL_MS)
    throw refused('The request was signed too long ago, or in the future: compare the clocks.')
  const raw = requestDigest({ ...request, unixMs })
  const signer = await recoverMessageAddress({ message: { raw }, signature }).catch(() => null)
  if (signer?.toLowerCase() !== address) throw refused('The request is not signed by the key that it names.')
  return { address, unixMs }
}

function refused(message: string): TrellisError {
  return new TrellisError({ code: 'UNAUTHENTICATED', message, next: 'sign with the key that the prover is registered with' })
}
