// SPDX-License-Identifier: Apache-2.0
/**
 * A remote signer in a process of its own: `node remote-signer.ts CONFIG`, where CONFIG is JSON `{ port, keys, token?, mode? }`. It follows the published
 * description of Web3Signer's eth1 API (23.11.0): GET /upcheck, GET /api/v1/eth1/publicKeys, POST /api/v1/eth1/sign/{identifier} with `{ data }`,
 * answered as text. It signs with @noble/curves, which nothing of the agent's remote signer uses. Modes make it slow, failing or lying, one after the
 * other: POST /test/mode `{ mode }`.
 */
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'

interface Config {
  port: number
  keys: string[]
  token?: string
}

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const { port, keys, token } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Config
const secrets = new Map(
  keys.map((key) => {
    const secret = hexToBytes(key.replace(/^0x/, ''))
    return [`0x${bytesToHex(secp256k1.getPublicKey(secret, false)).slice(2)}`, secret]
  }),
)
let mode = 'good'

function sign(data: string, secret: Uint8Array): string {
  const bytes = hexToBytes(data.replace(/^0x/, ''))
  const hash = keccak_256(bytes)
  const signature = secp256k1.Signature.fromBytes(secp256k1.sign(hash, secret, { prehash: false, format: 'recovered' }), 'recovered')
  const { r } = signature
  let { s, recovery } = signature as { s: bigint; recovery: number }
  if (mode === 'high s') [s, recovery] = [order - s, 1 - recovery]
  if (mode === 'wrong v') recovery = 1 - recovery
  const v = mode === 'eip155 v' ? 37 + recovery : 27 + recovery
  return `0x${r.toString(16).padStart(64, '0')}${s.toString(16).padStart(64, '0')}${v.toString(16).padStart(2, '0')}`
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, string>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, string>
}

const server = createServer((request, response) => {
  const answer = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
    response.writeHead(status, { 'content-type': type }).end(text)
  }
  const handle = async (): Promise<void> => {
    const { method } = request
    const moved = request.url?.startsWith('/moved') === true
    const url = request.url?.replace(/^\/moved/, '') ?? ''
    if (url === '/upcheck') {
      answer(200, 'OK')
      return
    }
    if (url === '/test/mode') {
      mode = (await bodyOf(request))['mode'] ?? 'good'
      answer(200, mode)
      return
    }
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      answer(401, 'Unauthorized')
      return
    }
    if (mode === 'silent') return
    if (mode === 'failing' || (mode === 'failing once' && method === 'POST')) {
      if (mode === 'failing once') mode = 'good'
      answer(500, 'Internal Web3Signer server error')
      return
    }
    if (mode === 'endless') {
      response.writeHead(200)
      const more = setInterval(() => response.write('00'.repeat(65_536)), 1)
      response.on('close', () => clearInterval(more))
      return
    }
    if (mode === 'elsewhere' && !moved) {
      response.writeHead(307, { location: `/moved${url}` }).end()
      return
    }
    if (url === '/api/v1/eth1/publicKeys' && method === 'GET') {
      answer(200, JSON.stringify([...secrets.keys()]), 'application/json')
      return
    }
    const identifier = /^\/api\/v1\/eth1\/sign\/(0x[0-9a-f]{128})$/.exec(url)?.[1]
    const secret = identifier === undefined ? undefined : secrets.get(identifier)
    if (method !== 'POST' || secret === undefined || mode === 'keyless') {
      answer(404, 'Public Key not found')
      return
    }
    const { data } = await bodyOf(request)
    if (data === undefined || !/^0x([0-9a-f]{2})*$/.test(data)) {
      answer(400, 'Bad request format')
      return
    }
    if (mode === 'other key') {
      answer(200, sign(data, new Uint8Array(32).fill(7)))
      return
    }
    if (mode === 'other bytes') {
      answer(200, sign(`${data}00`, secret))
      return
    }
    if (mode === 'short') {
      answer(200, '0x1234')
      return
    }
    answer(200, sign(data, secret))
  }
  handle().catch(() => answer(400, 'Bad request format'))
})
server.listen(port, '127.0.0.1', () => console.log('listening'))
