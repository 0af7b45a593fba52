// SPDX-License-Identifier: Apache-2.0
/**
 * A key that lies in another process: Web3Signer's HTTP API for secp256k1. The signer hashes `data` with keccak256 and answers r | s | v; it is
 * given the bytes, never a hash, and what it answers is used only when it is this key's signature of them.
 */
import {
  concat,
  getTypesForEIP712Domain,
  hashDomain,
  hashStruct,
  hexToBigInt,
  keccak256,
  parseSignature,
  recoverAddress,
  serializeTransaction,
  toPrefixedMessage,
  type Hex,
  type LocalAccount,
  type TypedData,
  type TypedDataDefinition,
  type TypedDataParameter,
} from 'viem'
import { publicKeyToAddress, toAccount } from 'viem/accounts'
import { TrellisError } from './errors.ts'
import { isLoopback } from './loopback.ts'
import { readSecretLine } from './secret-file.ts'

export interface RemoteSignerSource {
  /** Root of the signer: https, or http on loopback. */
  url: string
  address: Hex
  /** Bearer token, mode 0600, read at each request: it may change under a running agent. */
  tokenFile?: string | undefined
}

export interface RemoteSignerLimits {
  timeoutMs?: number
  /** Times one request is made before the caller is told; asking for a signature twice does no harm. */
  tries?: number
}

const maxBytes = 1 << 20
/** n / 2 of secp256k1: a higher s is the same signature in the form that chains refuse. */
const halfOrder = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

/**
 * The account of a remote key. Asks the signer for it once, so that a wrong address is told at the start.
 * @throws TrellisError SIGNER_INSECURE | SIGNER_UNREACHABLE | SIGNER_REFUSED | SIGNER_KEY_UNKNOWN; its functions also SIGNER_FORGED
 */
export async function openRemoteSigner(source: RemoteSignerSource, limits: RemoteSignerLimits = {}): Promise<LocalAccount> {
  const base = checkUrl(source.url)
  const { timeoutMs = 10_000, tries = 3 } = limits

  const ask = async (method: 'GET' | 'POST', path: string, body?: object): Promise<string> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await request(base, source.tokenFile, { method, path, body, timeoutMs })
      } catch (error) {
        if (attempt >= tries || !(error instanceof TrellisError) || error.code !== 'SIGNER_UNREACHABLE') throw error
        await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt))
      }
    }
  }

  const identifier = findKey(await ask('GET', '/api/v1/eth1/publicKeys'), source)
  const address = source.address

  const sign = async (data: Hex): Promise<Hex> => {
    const answer = (await ask('POST', `/api/v1/eth1/sign/${identifier}`, { data })).trim()
    return checkSignature(answer, data, address, base)
  }

  return toAccount({
    address,
    signMessage: ({ message }) => sign(toPrefixedMessage(message)),
    async signTransaction(transaction, options) {
      const serialize = (options?.serializer ?? serializeTransaction) as typeof serializeTransaction
      const unsigned = serialize(transaction as Parameters<typeof serializeTransaction>[0])
      return serialize(transaction as Parameters<typeof serializeTransaction>[0], parseSignature(await sign(unsigned)))
    },
    signTypedData(parameters) {
      // The caller's types are checked by viem where it calls this; here they are names and values.
      const { domain = {}, primaryType, message, types: given } = parameters as unknown as TypedDataDefinition<TypedData, string>
      const types = { EIP712Domain: getTypesForEIP712Domain({ domain }), ...given } as Record<string, TypedDataParameter[]>
      const parts: Hex[] = ['0x1901', hashDomain({ domain, types })]
      if (primaryType !== 'EIP712Domain') parts.push(hashStruct({ data: message, primaryType, types }))
      return sign(concat(parts))
    },
  })
}

function checkUrl(text: string): string {
  const url = new URL(text)
  const secure = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(text))
  if (secure && url.username === '' && url.password === '') return url.href.replace(/\/$/, '')
  throw new TrellisError({
    code: 'SIGNER_INSECURE',
    message: secure
      ? 'The URL of the remote signer holds a password.'
      : 'A remote signer is reached by https, or by http on this machine only.',
    details: { host: url.host },
    next: secure
      ? 'put the token into a file and name it in tokenFile'
      : 'give the signer a certificate, or a tunnel that ends on 127.0.0.1',
  })
}

interface SignerRequest {
  method: 'GET' | 'POST'
  path: string
  body?: object | undefined
  timeoutMs: number
}

async function request(base: string, tokenFile: string | undefined, { method, path, body, timeoutMs }: SignerRequest): Promise<string> {
  const headers: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' }
  if (tokenFile !== undefined) headers['authorization'] = `Bearer ${readSecretLine(tokenFile)}`
  let response: Response
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    response = await fetch(`${base}${path}`, {
      method,
      headers,
      redirect: 'error',
      signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (response.ok) return await readText(response)
  } catch (error) {
    throw unreachable(base, error)
  }
  await response.body?.cancel().catch(() => undefined)
  const { status } = response
  if (status >= 500 || status === 429 || status === 408) throw unreachable(base, new Error(`HTTP ${status}`))
  if (status === 404 && method === 'POST') throw keyUnknown(base, 'the signer has no such key any more')
  throw new TrellisError({
    code: 'SIGNER_REFUSED',
    message: 'The remote signer refuses this agent.',
    details: { url: base, status },
    next: status === 401 || status === 403 ? 'check tokenFile, and the rights of this token' : 'check the URL and version of the signer',
    // Rights come back without a restart of the agent: the token file is read at each request.
    retryable: true,
  })
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length
    if (size > maxBytes) throw new Error(`an answer of more than ${maxBytes} bytes`)
    chunks.push(chunk as Uint8Array)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The identifier of a key is its uncompressed public key, as the signer writes it. */
function findKey(answer: string, { address, url }: RemoteSignerSource): string {
  let keys: unknown
  try {
    keys = JSON.parse(answer)
  } catch {
    keys = null
  }
  if (!Array.isArray(keys)) throw unreachable(url, new Error('the list of keys is not JSON'))
  for (const key of keys) {
    const digits = typeof key === 'string' ? /^(?:0x)?(?:04)?([0-9a-fA-F]{128})$/.exec(key)?.[1] : undefined
    if (digits !== undefined && publicKeyToAddress(`0x04${digits}`).toLowerCase() === address.toLowerCase()) return key as string
  }
  throw keyUnknown(url, `none of its ${keys.length} keys has this address`, address)
}

/** @throws TrellisError SIGNER_FORGED */
async function checkSignature(text: string, data: Hex, address: Hex, url: string): Promise<Hex> {
  const bad = (why: string): TrellisError =>
    new TrellisError({
      code: 'SIGNER_FORGED',
      message: 'What the remote signer answered is no signature of this key.',
      details: { url, address, why },
      next: 'compare the address in the configuration with the keys of the signer, and see its log',
    })
  if (!/^0x[0-9a-fA-F]{130}$/.test(text)) throw bad('65 bytes of hex were expected')
  const signature = text.toLowerCase() as Hex
  if (!/(1b|1c)$/.test(signature)) throw bad('v is neither 27 nor 28')
  const s = hexToBigInt(`0x${signature.slice(66, 130)}`)
  if (s === 0n || s > halfOrder) throw bad('s is not low')
  const signer = await recoverAddress({ hash: keccak256(data), signature }).catch(() => null)
  if (signer?.toLowerCase() !== address.toLowerCase()) throw bad('another key signed, or other bytes')
  return signature
}

function keyUnknown(url: string, why: string, address?: Hex): TrellisError {
  return new TrellisError({
    code: 'SIGNER_KEY_UNKNOWN',
    message: 'The remote signer does not have the key.',
    details: { url, why, ...(address === undefined ? {} : { address }) },
    next: 'load the key into the signer (POST /reload), or correct remoteSigner.address',
  })
}

function unreachable(url: string, cause: unknown): TrellisError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new TrellisError({
    code: 'SIGNER_UNREACHABLE',
    message: 'The remote signer does not answer.',
    details: { url, reason },
    next: 'check that the signer runs (GET /upcheck)',
    retryable: true,
    cause,
  })
}
