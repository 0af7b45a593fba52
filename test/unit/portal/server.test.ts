// SPDX-License-Identifier: Apache-2.0
/** The portal's server as a door: what it hands on and what not, over services of the test's own. */
import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { createLog } from '../../../agents/kit/log.ts'
import { createMetrics } from '../../../agents/kit/metrics.ts'
import type { RunningService } from '../../../agents/kit/service.ts'
import type { Totals } from '../../../agents/portal/api.ts'
import { parseEvent } from '../../../agents/portal/server/feed.ts'
import { readCalls } from '../../../agents/portal/server/rpc.ts'
import { service } from '../../../agents/portal/server/service.ts'
import { isAllowed } from '../../../agents/portal/server/upstream.ts'

const rpc = (method: string, ...params: unknown[]) => ({ jsonrpc: '2.0', id: 1, method, params })

describe('the portal hands on', () => {
  it('reads of its services, and nothing else of them', () => {
    const device = `0x${'aB'.repeat(20)}`
    const word = `0x${'ab'.repeat(32)}`
    for (const path of ['/v1/accounting', '/v1/projects/1', `/v1/projects/1/devices/${device}/readings`, `/v1/windows/${word}`])
      expect(isAllowed('gateway', path), path).to.equal(true)
    for (const path of [
      '/v1/messages',
      '/v1/projects/1/windows',
      '/v1/documents',
      '/metrics',
      '/v1/projects/1/../../metrics',
      '/v1/projects/1/devices/x/readings',
      '/v1/accounting/',
    ])
      expect(isAllowed('gateway', path), path).to.equal(false)
    expect(isAllowed('coordinator', '/v1/tasks')).to.equal(true)
    for (const path of ['/v1/lease', '/v1/results', '/v1/tasks/retry']) expect(isAllowed('coordinator', path), path).to.equal(false)
    expect(isAllowed('indexer', '/v1/totals')).to.equal(true)
    expect(isAllowed('indexer', '/graphql')).to.equal(false)
  })

  it('reads of the chain, within bounds, and no transaction', () => {
    for (const call of [
      rpc('eth_call', {}, 'latest'),
      [rpc('eth_chainId'), rpc('eth_blockNumber')],
      rpc('eth_getLogs', { fromBlock: '0x1', toBlock: '0x2710' }),
      rpc('eth_getLogs', { blockHash: `0x${'00'.repeat(32)}` }),
    ])
      expect(readCalls(call)).to.deep.equal(call)
    for (const call of [
      rpc('eth_sendRawTransaction', '0x'),
      rpc('eth_sendTransaction', {}),
      rpc('eth_accounts'),
      rpc('debug_traceCall'),
      rpc('hardhat_setBalance'),
      rpc('eth_getLogs', { fromBlock: '0x0', toBlock: '0x2710' }),
      rpc('eth_getLogs', {}),
      rpc('eth_getLogs', { fromBlock: 'earliest', toBlock: 'latest' }),
      rpc('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest' }),
      Array.from({ length: 21 }, () => rpc('eth_chainId')),
      [],
      { ...rpc('eth_chainId'), more: 1 },
      'eth_chainId',
    ])
      expect(() => readCalls(call), JSON.stringify(call))
        .to.throw()
        .with.property('code', 'BAD_REQUEST')
  })

  it('events as its services write them', () => {
    expect(parseEvent('id: a-b:7\nevent: task\ndata: {"id":"0x1","text":"a: b"}')).to.deep.equal({
      ...{ id: 'a-b:7', name: 'task', data: { id: '0x1', text: 'a: b' } },
    })
    expect(parseEvent(': ')).to.deep.equal({})
    expect(parseEvent('event: task\ndata: {"id"')).to.deep.equal({ name: 'task' })
  })
})

describe('the portal as a door', function () {
  this.timeout(20_000)
  const folder = mkdtempSync(join(tmpdir(), 'trellis-portal-'))
  const servers: Server[] = []
  let portal: RunningService
  let base: string

  const upstream = async (answers: Record<string, string>): Promise<string> => {
    const server = createServer((request, answer) => {
      const body = answers[(request.url ?? '').split('?')[0]!]
      answer.writeHead(body === undefined ? 404 : 200, { 'content-type': 'text/html' }).end(body ?? '<script>alert(1)</script>')
    })
    servers.push(server)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  before(async () => {
    mkdirSync(join(folder, 'page', 'assets'), { recursive: true })
    writeFileSync(join(folder, 'page', 'index.html'), '<!doctype html><title>Trellis</title>')
    writeFileSync(join(folder, 'page', 'assets', 'app-1.js'), 'console.log(1)\n'.repeat(200))
    writeFileSync(join(folder, 'secret.html'), 'not of the page')
    const books = { acceptedReadings: 7, windows: 1, refused: { BAD_SIGNATURE: 2 } }
    const gatewayUrl = await upstream({ '/v1/accounting': JSON.stringify(books), '/v1/refusals': '{"items":[]}' })
    const config = service.config.parse({
      ...{ http: { port: 0 }, projects: ['1'], gatewayUrl, webFolder: join(folder, 'page') },
      // Nobody listens there.
      ...{ coordinatorUrl: 'http://127.0.0.1:9', indexerUrl: 'http://127.0.0.1:9', chain: { rpcUrl: 'http://127.0.0.1:9' } },
    })
    const context = {
      log: createLog('portal', 'silent'),
      metrics: createMetrics('portal', { defaults: false }),
      signal: new AbortController().signal,
    }
    portal = await service.start(config, { ...context, fail: (error) => expect.fail(String(error)) })
    base = portal.url!
  })
  after(async () => {
    await portal.stop()
    for (const server of servers) server.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('serves the page at every address of it, and no other file', async () => {
    for (const path of ['/', '/devices/0x00', '/tasks']) {
      const answer = await fetch(base + path)
      expect(await answer.text()).to.include('<title>Trellis</title>')
      expect(answer.headers.get('content-security-policy')).to.include("default-src 'self'").and.not.include('unsafe')
      expect(answer.headers.get('cache-control')).to.equal('no-cache')
    }
    const script = await fetch(`${base}/assets/app-1.js`, { headers: { 'accept-encoding': 'br' } })
    expect(script.headers.get('content-encoding')).to.equal('br')
    expect(script.headers.get('cache-control')).to.include('immutable')
    expect(await script.text()).to.include('console.log')
    for (const path of ['/assets/app-2.js', '/..%2fsecret.html', '/%2e%2e/secret.html', '/secret.html', '/api/v1/nothing']) {
      const answer = await fetch(base + path)
      expect([path, answer.status]).to.deep.equal([path, 404])
      expect(await answer.text()).to.not.include('not of the page')
    }
  })

  it('hands answers on as data, never as a page', async () => {
    const there = await fetch(`${base}/api/v1/gateway/v1/refusals?after=0`)
    expect([there.status, there.headers.get('content-type'), await there.text()]).to.deep.equal([200, 'application/json', '{"items":[]}'])
    const missing = await fetch(`${base}/api/v1/gateway/v1/projects/9`)
    expect([missing.status, missing.headers.get('content-type'), missing.headers.get('x-content-type-options')]).to.deep.equal([
      ...[404, 'application/json', 'nosniff'],
    ])
    expect((await fetch(`${base}/api/v1/gateway/metrics`)).status).to.equal(404)
    const down = await fetch(`${base}/api/v1/coordinator/v1/tasks`)
    expect([down.status, ((await down.json()) as { error: { code: string } }).error.code]).to.deep.equal([503, 'UPSTREAM_DOWN'])
    const post = (body: unknown) => fetch(`${base}/api/v1/rpc`, { method: 'POST', body: JSON.stringify(body) })
    expect((await post(rpc('eth_chainId'))).status).to.equal(503)
    expect((await post(rpc('eth_sendRawTransaction', '0x'))).status).to.equal(400)
  })

  it('says of each figure who does not answer, and does not end', async () => {
    let totals: Totals
    do totals = (await (await fetch(`${base}/api/v1/totals`)).json()) as Totals
    while (totals.stale.gateway !== undefined)
    expect(totals).to.include({ readings: 7, windows: 1, proofs: 0 })
    expect(totals.refusedByReason).to.deep.equal({ BAD_SIGNATURE: 2 })
    expect(Object.keys(totals.stale)).to.have.members(['coordinator', 'chain', 'indexer'])
    expect((await fetch(`${base}/api/v1/network`)).status).to.equal(503)
    expect((await fetch(`${base}/health`)).status).to.equal(200)
  })

  it('streams its figures', async () => {
    const answer = await fetch(`${base}/api/v1/events`)
    expect(answer.headers.get('content-type')).to.equal('text/event-stream')
    let text = ''
    for await (const chunk of answer.body!) {
      text += Buffer.from(chunk as Uint8Array).toString()
      if (text.includes('event: totals')) break
    }
    expect(text).to.match(/id: [^:]*-[0-9a-f]+:\d+\nevent: totals\ndata: \{"devices":0/)
  })
})
