// SPDX-License-Identifier: Apache-2.0
/** The CLI as processes, over a real chain with the suite on it, and a place for documents where the local run has its gateway. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Address, createPublicClient, http, keccak256, type PublicClient, stringToBytes } from 'viem'
import { hardhat } from 'viem/chains'
import { refOf } from '../../../agents/cli/local/process.ts'
import { DEFAULT_PORTS, LocalState } from '../../../agents/cli/local/state.ts'
import { readDeployment } from '../../../agents/kit/deployment.ts'
import { readNetwork } from '../../../deploy/network.ts'
import { deploySuite } from '../../../deploy/suite.ts'
import { startChain } from './chain.ts'

const main = join(import.meta.dirname, '../../../agents/cli/main.ts')

export interface Ended {
  code: number | null
  out: string
  err: string
  /** Last line of stdout. */
  json: Record<string, unknown>
}

export interface CliNetwork {
  rpcUrl: string
  folder: string
  gateway: string
  client: PublicClient
  /** What lies at the gateway, by the last part of its URI. */
  documents: Map<string, string>
  at: (contract: string) => Address
  file: (name: string) => string
  start: (...args: string[]) => ChildProcess
  run: (...args: string[]) => Promise<Ended>
  /** With --json, and it must go well. */
  asked: (...args: string[]) => Promise<Record<string, unknown>>
  /** With --json and --yes, and it must go well; never for more gas than was told. */
  done: (...args: string[]) => Promise<Record<string, unknown>>
  /** It must fail with this code, and nothing may be sent. What it told. */
  refused: (code: string, ...args: string[]) => Promise<string>
  stop: () => Promise<void>
}

/** `node main.ts`, with paths of the caller's in `folder`. */
export function startCli(folder: string, ...args: string[]): ChildProcess {
  const env = { ...process.env, INIT_CWD: folder, NO_COLOR: '1' }
  return spawn(process.execPath, [main, '--state', folder, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
}

export function ended(child: ChildProcess): Promise<Ended> {
  return new Promise((resolve) => {
    let [out, err] = ['', '']
    child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr!.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.on('close', (code) => {
      const last = out.trim().split('\n').at(-1) ?? ''
      resolve({ code, out, err, json: last.startsWith('{') ? (JSON.parse(last) as Record<string, unknown>) : {} })
    })
  })
}

export async function startCliNetwork(): Promise<CliNetwork> {
  const chain = await startChain()
  const folder = mkdtempSync(join(tmpdir(), 'trellis-identity-'))
  const client = createPublicClient({ chain: hardhat, transport: http(chain.rpcUrl), cacheTime: 0 })
  await deploySuite({ network: readNetwork('localhost', { rpc: chain.rpcUrl }), stateFolder: folder })
  const documents = new Map<string, string>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const hash = request.url?.split('/').at(-1) ?? ''
      if (request.method === 'GET') {
        response.statusCode = documents.has(hash) ? 200 : 404
        return void response.end(documents.get(hash))
      }
      const body = Buffer.concat(chunks).toString()
      const name = keccak256(stringToBytes(body))
      documents.set(name, body)
      response.statusCode = 201
      response.end(JSON.stringify({ hash: name, uri: `${gateway}/v1/documents/${name}` }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const gateway = `http://127.0.0.1:${port}`
  const ports = { ...DEFAULT_PORTS, chain: Number(new URL(chain.rpcUrl).port), gateway: port }
  new LocalState(folder).writeRun({ version: 1, command: 'start', startedAt: '', supervisor: refOf(process.pid), ports, children: {} })

  const start = (...args: string[]): ChildProcess => startCli(folder, ...args)
  const run = (...args: string[]): Promise<Ended> => ended(start(...args))
  const well = async (...args: string[]): Promise<Record<string, unknown>> => (await wellTold(...args)).json
  const wellTold = async (...args: string[]): Promise<Ended> => {
    const ended = await run(...args)
    expect(ended.code, `${args.join(' ')}\n${ended.out}${ended.err}`).to.equal(0)
    return ended
  }
  return {
    ...{ rpcUrl: chain.rpcUrl, folder, gateway, client, documents, start, run },
    at: (name) => readDeployment(join(folder, 'addresses', '31337.json')).contracts[name]!.address,
    file: (name) => join(folder, name),
    asked: (...args) => well(...args, '--json'),
    async done(...args) {
      const { json, err } = await wellTold(...args, '--json', '--yes')
      const most = /and (\d+) gas at up to/.exec(err)?.[1]
      if (most !== undefined) expect(Number(json['gasUsed']), err).to.be.at.most(Number(most))
      return json
    },
    async refused(code, ...args) {
      const before = await client.getBlockNumber()
      const { code: exit, out, err } = await run(...args)
      expect(exit, out).to.equal(1)
      expect(err).to.contain(code)
      expect(await client.getBlockNumber()).to.equal(before)
      return err
    },
    async stop() {
      server.close()
      await chain.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
